//! A job's history in TensorBoard's format: `events.out.tfevents.earmark`, which
//! `tensorboard --logdir RUN/jobs` displays.
//!
//! The file is a sequence of records (TensorFlow's `core/lib/io/record_writer.cc`), each an `Event`
//! of `core/util/event.proto` with one epoch's numbers. Records are appended and the file is never
//! replaced, because TensorBoard continues to read from its last position. So a killed job may
//! leave half a record, or an epoch that is not in the checkpoint: [`follow`] truncates the file at
//! the first record that differs from the history, and writes the rest again.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use earmark_files::FileError;
use prost::Message;

use crate::history::Epoch;

const FILE: &str = "events.out.tfevents.earmark";

/// Bytes before the wall time: the length of the event, the checksum of the length, and the key of
/// the wall time, the event's first field.
const BEFORE_TIME: usize = 8 + 4 + 1;

/// Updates the job's event file to match the history.
pub(crate) fn follow(folder: &Path, history: &[Epoch]) -> Result<(), FileError> {
    let path = folder.join(FILE);
    let old = if path.exists() { earmark_files::read(&path)? } else { Vec::new() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
    let (kept, new) = continuation(&old, history, now);
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        file.set_len(kept as u64)?;
        file.seek(SeekFrom::Start(kept as u64))?;
        file.write_all(&new)
    };
    write().map_err(FileError::of("write", &path))
}

/// How many bytes of `old` match the history, and the bytes to write after them.
fn continuation(old: &[u8], history: &[Epoch], now: f64) -> (usize, Vec<u8>) {
    let (mut kept, mut done) = (0, 0);
    while done <= history.len() {
        let rest = &old[kept..];
        let Some(time) = rest.get(BEFORE_TIME..BEFORE_TIME + 8).and_then(|time| time.try_into().ok()) else { break };
        let expected = nth(history, done, f64::from_le_bytes(time));
        if !rest.starts_with(&expected) {
            break;
        }
        kept += expected.len();
        done += 1;
    }
    (kept, (done..=history.len()).flat_map(|i| nth(history, i, now)).collect())
}

/// The `i`th record of the file: the version of the format comes first, then the epochs.
fn nth(history: &[Epoch], i: usize, time: f64) -> Vec<u8> {
    record(&match i.checked_sub(1) {
        None => Event { wall_time: time, file_version: Some("brain.Event:2".to_owned()), ..Event::default() },
        Some(i) => of_epoch(time, &history[i]),
    })
}

/// An epoch's numbers as scalars, under the names of `history.csv`.
fn of_epoch(time: f64, epoch: &Epoch) -> Event {
    let scalars = [
        ("loss", Some(epoch.loss)),
        ("accuracy", Some(epoch.accuracy)),
        ("learning_rate", Some(epoch.learning_rate)),
        ("held_out_accuracy", epoch.held_out_accuracy),
    ];
    let scalar =
        |(tag, value): (&str, Option<f64>)| Some(Scalar { tag: tag.to_owned(), simple_value: Some(value? as f32) });
    let summary = Summary { value: scalars.into_iter().filter_map(scalar).collect() };
    Event { wall_time: time, step: epoch.epoch as i64, summary: Some(summary), ..Event::default() }
}

/// `Event` of `core/util/event.proto`, with the fields that are written. The last two are a
/// `oneof`.
#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `Summary` of `core/framework/summary.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

/// `Summary.Value`; of its `oneof`, only the scalar is written, even if it is 0.
#[derive(Clone, PartialEq, prost::Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// Length, its checksum, the event, its checksum.
fn record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    [&length, &masked_crc(&length)[..], &data, &masked_crc(&data)].concat()
}

/// CRC-32C, masked as in TensorFlow by a rotation and an offset, so that it differs from the CRC of
/// data that contains a CRC.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of TensorBoard's own writer for three epochs (`golden/events/make.py`), and its
    /// wall time.
    const GOLDEN: &[u8] = include_bytes!("../../../golden/events/three_epochs.tfevents");
    const TIME: f64 = 1_700_000_000.25;

    fn history() -> Vec<Epoch> {
        let held_out = [None, Some(0.0), Some(0.625)];
        let epoch = |i: usize| Epoch {
            epoch: [1, 2, 300][i],
            learning_rate: [0.1, 0.05, 0.0][i],
            loss: [std::f64::consts::LN_10, 1.5, 1e-3][i],
            accuracy: [0.1, 0.5, 1.0][i],
            held_out_accuracy: held_out[i],
            seconds: 1.0,
        };
        (0..3).map(epoch).collect()
    }

    #[test]
    fn the_bytes_are_those_of_tensorboard_s_writer() {
        let (kept, bytes) = continuation(&[], &history(), TIME);
        assert_eq!((kept, bytes.as_slice()), (0, GOLDEN));
    }

    #[test]
    fn a_file_goes_on_wherever_it_was_broken_off() {
        let history = history();
        for known in 1..=history.len() {
            for length in 0..=GOLDEN.len() {
                let (kept, new) = continuation(&GOLDEN[..length], &history[..known], TIME);
                let whole = continuation(&[], &history[..known], TIME).1;
                assert_eq!([&GOLDEN[..kept], &new].concat(), whole, "{known} epochs known, {length} bytes there");
                assert!(length < whole.len() || new.is_empty(), "what is there already is kept");
            }
        }
    }

    #[test]
    fn what_another_job_has_left_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut other = history();
        other[1].loss = 7.0;
        follow(folder.path(), &other).unwrap();
        let before = std::fs::read(&path).unwrap();
        follow(folder.path(), &history()).unwrap();
        let after = std::fs::read(&path).unwrap();
        let first = continuation(&[], &other[..1], TIME).1.len();
        assert_eq!((before.len(), &before[..first]), (after.len(), &after[..first]), "the first epoch is the same");
        assert_eq!(continuation(&after, &history(), TIME), (after.len(), Vec::new()));
    }
}
