//! Invariants for arbitrary bytes as an entry of the feature cache.

use std::fs;
use std::path::{Path, PathBuf};

use earmark_audio::{Clip, write_wav};
use earmark_features::{FeatureView, FrontEnd};
use earmark_loader::{FeatureCache, FeatureRequest, read_entry};

/// Size of the header before the values.
const HEADER: usize = 192;

/// A cache with one entry, which is replaced by other bytes.
pub struct Place {
    cache: FeatureCache,
    front_end: FrontEnd,
    sha256: String,
    entry: PathBuf,
    key: Vec<u8>,
}

impl Place {
    /// Creates the cache in an existing folder.
    pub fn new(folder: &Path) -> Self {
        let sound = folder.join("clip.wav");
        write_wav(&sound, &Clip { samples: vec![0.25, -0.5, 0.75, 0.0, 1.0], sample_rate: 44_100 }).unwrap();
        let (sha256, front_end) = (earmark_files::sha256_file(&sound).unwrap(), FrontEnd::wave());
        let folder = folder.join("cache");
        fs::remove_dir_all(&folder).ok();
        let cache = FeatureCache::open(&folder, false).unwrap();
        let request = FeatureRequest { front_ends: vec![&front_end], ..FeatureRequest::default() };
        assert_eq!(cache.load(&[(&sound, &sha256)], &request, || {}).unwrap().made, 1);
        let only = |folder: &Path| fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let entry = only(&only(&folder));
        let key = entry.file_name().unwrap().as_encoded_bytes().to_vec();
        Place { cache, front_end, sha256, entry, key }
    }

    /// Reads the bytes unchanged; then with the key of the entry and correct checksums, which
    /// random changes would not produce; then with one flipped bit, which must be detected. Returns
    /// whether the second read found an entry.
    pub fn check(&self, bytes: &[u8]) -> bool {
        self.reads(bytes);
        let mut repaired = bytes.to_vec();
        if repaired.len() < HEADER {
            return false;
        }
        repaired[32..96].copy_from_slice(&self.key);
        let values = crc32fast::hash(&repaired[HEADER..]).to_le_bytes();
        repaired[96..100].copy_from_slice(&values);
        let header = crc32fast::hash(&repaired[..148]).to_le_bytes();
        repaired[148..152].copy_from_slice(&header);
        let is_entry = self.reads(&repaired);
        if is_entry {
            let bit = u32::from_le_bytes(values) as usize % (repaired.len() * 8);
            repaired[bit / 8] ^= 1 << (bit % 8);
            assert!(!self.reads(&repaired), "bit {bit} was flipped");
        }
        is_entry
    }

    /// Whether the bytes are an entry, both in memory and on disk.
    fn reads(&self, bytes: &[u8]) -> bool {
        let mut words = vec![0_u64; bytes.len() / 8 + 2];
        let buffer: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        buffer[1..=bytes.len()].copy_from_slice(bytes);
        assert!(read_entry(&buffer[1..=bytes.len()]).is_err(), "numbers that lie across words");
        buffer[..bytes.len()].copy_from_slice(bytes);
        let view = read_entry(&buffer[..bytes.len()]).ok();
        if let Some(view) = &view {
            holds(view, bytes);
        }
        fs::write(&self.entry, bytes).unwrap();
        // A damaged entry counts as missing; an error would mean a disk error.
        let found = self.cache.get(&self.sha256, &self.front_end).unwrap();
        assert_eq!(found.is_some(), view.is_some() && bytes[32..96] == self.key);
        if let Some(found) = &found {
            holds(&found.view(), bytes);
            assert_eq!(found.bytes_on_disk(), bytes.len() as u64);
        }
        view.is_some()
    }
}

/// Checks that the view has exactly the values in the bytes.
fn holds(view: &FeatureView<'_>, bytes: &[u8]) {
    let size = usize::from(bytes[12]) / 8;
    let values = &bytes[HEADER..];
    assert!(view.width() > 0 && view.width() == view.channels() * view.bins());
    assert_eq!(view.width() * view.frames() * size, values.len());
    let mut read = vec![0.0_f32; view.width() * view.frames()];
    view.read(0, &mut read);
    if size == 4 {
        assert!(bytemuck::cast_slice::<f32, u8>(&read) == values);
    }
    let last = view.frames() - 1;
    let mut row = vec![0.0; view.width()];
    view.read(last, &mut row);
    assert!(
        row.iter().map(|value| value.to_bits()).eq(read[last * view.width()..].iter().map(|value| value.to_bits()))
    );
}
