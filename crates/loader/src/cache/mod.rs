//! Features on disk, computed once per clip and setting, and mapped into memory.
//!
//! An entry is a file: the features of one clip by one front end in one precision. Its name is the
//! SHA-256 of everything that determines its bytes: the SHA-256 of the sound file, the front end's
//! settings, the precision, the version of the format and the version of the code that computes the
//! features. So a changed clip or setting gets a new entry, two clips with the same bytes share
//! one, and no entry ever becomes outdated. Unused entries only take up space, and the folder can
//! be removed at any time.
//!
//! Several processes may use one folder at once. An entry is written to a temporary file and
//! renamed when it is complete. If two processes write the same entry, the first is kept and the
//! other dropped, so that a mapped file is never replaced. A file that is being written is locked;
//! a file that a killed process left is not locked, and opening a cache removes it. Every byte of
//! an entry is checked before use; a damaged entry is recomputed and listed.

mod entry;
mod error;
mod extractor;
mod key;
mod load;
mod map;
mod meaning;
mod pass;
mod request;
mod writer;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use earmark_features::{FeatureView, FrontEnd};
use earmark_files::FileError;

use entry::{HEADER, Header, Precision};
use key::key;
use map::{MapBudget, Mapping};

pub use entry::{EntryFault, read_entry};
pub use error::LoadError;
pub use load::{ClipFeatures, LoadReport};
pub use request::FeatureRequest;

/// The time within which a new temporary file is locked.
const UNLOCKED: Duration = Duration::from_secs(60);

/// A folder of features.
#[derive(Debug, Clone)]
pub struct FeatureCache {
    folder: PathBuf,
    precision: Precision,
    budget: Arc<MapBudget>,
}

/// The features of one clip, mapped from the disk. Clones share the mapping; no file is held open.
#[derive(Debug, Clone)]
pub struct CachedFeatures {
    header: Header,
    bytes: Arc<Bytes>,
}

/// The bytes of an entry.
#[derive(Debug)]
enum Bytes {
    Mapped(Mapping),
    /// Used when no more files can be mapped; words, so that the values are aligned.
    Read(Vec<u64>),
}

/// Why an entry cannot be used.
enum Loss {
    Fault(EntryFault),
    File(FileError),
}

impl FeatureCache {
    /// Opens the cache in a folder, which is created if missing. With `half`, features are stored
    /// in 16 bits: half the space, 11 significant bits (an error of some hundredths for decibels;
    /// noise 70 dB below the signal for samples), and a maximum of 65,504. Statistics always have
    /// 32 bits.
    ///
    /// # Errors
    /// The folder cannot be created; the machine is big-endian.
    pub fn open(folder: &Path, half: bool) -> Result<Self, LoadError> {
        if cfg!(target_endian = "big") {
            let source = io::Error::new(ErrorKind::Unsupported, "its files are for little-endian machines");
            return Err(FileError::of("use the feature cache", folder)(source).into());
        }
        earmark_files::create_folder(folder)?;
        for (path, _) in entries_of(folder, |metadata| metadata.is_dir()) {
            earmark_files::sweep_unlocked(&path, UNLOCKED);
        }
        Ok(FeatureCache {
            folder: folder.to_owned(),
            precision: if half { Precision::Half } else { Precision::Single },
            budget: MapBudget::of_process(),
        })
    }

    /// The features of the sound file with this SHA-256, if they are cached; limits are not
    /// checked.
    ///
    /// # Errors
    /// The disk fails. A damaged entry counts as missing.
    pub fn get(&self, sha256: &str, front_end: &FrontEnd) -> Result<Option<CachedFeatures>, LoadError> {
        match self.load_entry(&self.key_of_features(sha256, front_end)) {
            Ok(found) => Ok(found),
            Err(Loss::Fault(_)) => Ok(None),
            Err(Loss::File(error)) => Err(error.into()),
        }
    }

    /// Bytes of all entries in the folder, including those of other settings and clips.
    pub fn bytes(&self) -> u64 {
        let files =
            |folder: &Path| -> u64 { entries_of(folder, |metadata| metadata.is_file()).map(|(_, bytes)| bytes).sum() };
        entries_of(&self.folder, |metadata| metadata.is_dir()).map(|(path, _)| files(&path)).sum()
    }

    fn key_of_features(&self, sha256: &str, front_end: &FrontEnd) -> String {
        key(sha256, self.precision, "features", front_end)
    }

    /// The path of an entry.
    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(key)
    }

    /// Loads an entry and checks every byte; `None` if there is no such file.
    fn load_entry(&self, key: &str) -> Result<Option<CachedFeatures>, Loss> {
        let path = self.path(key);
        // Opening a named pipe would block.
        if std::fs::metadata(&path).is_ok_and(|of| !of.is_file()) {
            return Err(Loss::Fault(EntryFault::Foreign));
        }
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| Loss::File(FileError::of("read", &path)(error)))?,
        };
        let failed = |error: io::Error| Loss::File(FileError::of("read", &path)(error));
        let length = file.metadata().map_err(failed)?.len();
        let mut bytes = Vec::with_capacity(HEADER);
        file.by_ref().take(HEADER as u64).read_to_end(&mut bytes).map_err(failed)?;
        let header = Header::parse(&bytes, length).map_err(Loss::Fault)?;
        if header.key != *key.as_bytes() {
            return Err(Loss::Fault(EntryFault::OtherKey));
        }
        // The check reads the file instead of mapping it: it needs no memory, and a file that is
        // truncated meanwhile does no harm.
        if checksum(&mut file).map_err(failed)? != header.checksum {
            return Err(Loss::Fault(EntryFault::Values));
        }
        CachedFeatures::map(file, header, &self.budget).map(Some).map_err(failed)
    }
}

/// Checksum of the rest of a file.
fn checksum(file: &mut File) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut block = vec![0; 1 << 17];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize()),
            n => hasher.update(&block[..n]),
        }
    }
}

/// The items of a folder for which `is` holds, with their lengths.
fn entries_of(folder: &Path, is: fn(&std::fs::Metadata) -> bool) -> impl Iterator<Item = (PathBuf, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let metadata = entry.metadata().ok().filter(is)?;
        Some((entry.path(), metadata.len()))
    })
}

impl CachedFeatures {
    /// Maps the entry in a file that has been checked or just written.
    fn map(file: File, header: Header, budget: &Arc<MapBudget>) -> io::Result<Self> {
        let length = header.length().and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| io::Error::new(ErrorKind::FileTooLarge, "it does not fit into memory"))?;
        let bytes = match map::map(&file, length, budget) {
            Ok(mapped) => Bytes::Mapped(mapped),
            Err(_) => Bytes::Read(read_words(file, length)?),
        };
        Ok(CachedFeatures { header, bytes: Arc::new(bytes) })
    }

    /// Channels: the features, their deltas, their delta-deltas.
    pub fn channels(&self) -> usize {
        self.header.channels as usize
    }

    /// Bands or coefficients; 1 for the wave.
    pub fn bins(&self) -> usize {
        self.header.bins as usize
    }

    /// Frames; samples for the wave.
    pub fn frames(&self) -> usize {
        self.header.frames as usize
    }

    /// Bytes of the file.
    pub fn bytes_on_disk(&self) -> u64 {
        self.header.length().unwrap_or(u64::MAX)
    }

    /// A view of the features.
    pub fn view(&self) -> FeatureView<'_> {
        let bytes = match &*self.bytes {
            Bytes::Mapped(mapped) => mapped,
            Bytes::Read(words) => bytemuck::cast_slice(words),
        };
        let length = self.bytes_on_disk() as usize;
        // Length and alignment were checked when the entry was created, and do not change.
        let view = self.header.view(&bytes[HEADER..length]);
        view.unwrap_or_else(|fault| unreachable!("{fault}"))
    }
}

/// Reads the first `length` bytes of a file.
fn read_words(mut file: File, length: usize) -> io::Result<Vec<u64>> {
    io::Seek::rewind(&mut file)?;
    let mut words = vec![0; length.div_ceil(8)];
    file.read_exact(&mut bytemuck::cast_slice_mut(&mut words)[..length])?;
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use entry::Extent;
    use writer::EntryWriter;

    #[test]
    fn an_entry_that_cannot_be_mapped_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let sound = Extent { sample_rate: 44_100, samples: 5, channels: 1, id: None };
        for precision in [Precision::Single, Precision::Half] {
            let values: Vec<f32> = (0..3 * 7 * 5).map(|value| value as f32).collect();
            let mut writer = EntryWriter::create(&folder.path().join("entry"), precision).unwrap();
            writer.write(&values).unwrap();
            let written = writer.finish((3, 7), &"0".repeat(64), sound).unwrap();
            let budget = MapBudget::new(1);
            let features = || CachedFeatures::map(written.open.try_clone().unwrap(), written.header.clone(), &budget);
            let (mapped, read) = (features().unwrap(), features().unwrap());
            assert!(matches!((&*mapped.bytes, &*read.bytes), (Bytes::Mapped(_), Bytes::Read(_))));
            let mut out = [0.0; 3 * 7 * 5];
            for features in [&mapped, &read] {
                assert_eq!((features.channels(), features.bins(), features.frames()), (3, 7, 5));
                features.view().read(0, &mut out);
                assert_eq!(out[..], values);
            }
        }
    }
}
