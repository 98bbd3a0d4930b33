//! The microphone, by the sound system of the machine.

use std::io::{Read, Result};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{Device, ErrorKind, SampleFormat, Stream};
use earmark_audio::{Encoding, RawFormat};
use earmark_files::did_you_mean;

/// A microphone that records as long as this is kept.
pub struct Recording {
    pub stream: Stream,
    pub format: RawFormat,
    pub reader: Microphone,
}

/// What a microphone records; it ends where the microphone is gone.
pub struct Microphone {
    blocks: Mutex<Receiver<Vec<u8>>>,
    /// What was received and not read.
    rest: Vec<u8>,
}

impl Read for Microphone {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.rest.is_empty() {
            let blocks = self.blocks.get_mut().unwrap_or_else(PoisonError::into_inner);
            let Ok(block) = blocks.recv() else { return Ok(0) };
            self.rest = block;
        }
        let count = self.rest.as_slice().read(buffer)?;
        self.rest.drain(..count);
        Ok(count)
    }
}

/// The names of all microphones.
pub fn names() -> anyhow::Result<Vec<String>> {
    let devices = cpal::default_host().input_devices().context("the sound system has no microphones")?;
    Ok(devices.filter_map(|device| name(&device)).collect())
}

fn name(device: &Device) -> Option<String> {
    device.description().ok().map(|description| description.name().to_owned())
}

/// The microphone of this name, or that of the system.
fn find(wanted: Option<&str>) -> anyhow::Result<Device> {
    let host = cpal::default_host();
    let Some(wanted) = wanted else {
        return host.default_input_device().context("the sound system has no microphone; name another source");
    };
    let mut devices = host.input_devices().context("the sound system has no microphones")?;
    devices.find(|device| name(device).as_deref() == Some(wanted)).with_context(|| {
        let suggestion = did_you_mean(wanted, &names().unwrap_or_default());
        format!("--device {wanted}: there is no such microphone{suggestion}; --list-devices has their names")
    })
}

/// Begins to record. Calls `lost` with what the sound system reports about lost sound.
///
/// # Errors
/// There is no such microphone, it is used by others, or its samples have another form than ours.
pub fn record(device: Option<&str>, lost: impl Fn(String) + Send + 'static) -> anyhow::Result<Recording> {
    let device = find(device)?;
    let config = device.default_input_config().context("the microphone does not say what it records")?;
    let encoding = encoding(config.sample_format())?;
    let format = RawFormat { sample_rate: config.sample_rate(), channels: usize::from(config.channels()), encoding };
    let (sender, blocks) = mpsc::channel::<Vec<u8>>();
    // Without a sender, the reader ends.
    let sender: Arc<Mutex<Option<Sender<_>>>> = Arc::new(Mutex::new(Some(sender)));
    let stopped = Arc::clone(&sender);
    let take = move |data: &cpal::Data, _: &_| {
        if let Some(sender) = &*sender.lock().unwrap_or_else(PoisonError::into_inner) {
            sender.send(data.bytes().to_vec()).unwrap_or_default();
        }
    };
    let failed = move |error: cpal::Error| match error.kind() {
        ErrorKind::Xrun => lost("the sound system has lost sound of the microphone".to_owned()),
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => {
            lost(format!("the microphone has stopped: {error}"));
            *stopped.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    };
    let stream = device.build_input_stream_raw(config.config(), config.sample_format(), take, failed, None);
    let stream = stream.context("cannot record from the microphone")?;
    stream.play().context("cannot record from the microphone")?;
    Ok(Recording { stream, format, reader: Microphone { blocks: Mutex::new(blocks), rest: Vec::new() } })
}

fn encoding(format: SampleFormat) -> anyhow::Result<Encoding> {
    let big_endian = cfg!(target_endian = "big");
    Ok(match format {
        SampleFormat::U8 => Encoding::U8,
        SampleFormat::I8 => Encoding::S8,
        SampleFormat::I16 => Encoding::S16 { big_endian },
        SampleFormat::I32 => Encoding::S32 { big_endian },
        SampleFormat::F32 => Encoding::F32 { big_endian },
        SampleFormat::F64 => Encoding::F64 { big_endian },
        other => anyhow::bail!("the microphone records samples of the form {other}, which is not supported"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_in_order_to_its_end() {
        let (sender, blocks) = mpsc::channel();
        for block in [vec![1, 2, 3], vec![], vec![4, 5]] {
            sender.send(block).unwrap();
        }
        drop(sender);
        let mut reader = Microphone { blocks: Mutex::new(blocks), rest: Vec::new() };
        let mut two = [0; 2];
        assert_eq!((reader.read(&mut two).unwrap(), two), (2, [1, 2]));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, [3, 4, 5]);
    }
}
