//! Reads a bundle from an untrusted source: only regular files inside its folder, with their sizes
//! checked before they are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use earmark_files::FileError;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::bundle::Bundle;
use crate::names::{CONFIG, FORMAT, SUMS};
use crate::{BundleFault, TaggingError, check, onnx};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Maximum size of the checksum file.
const MOST_SUMS: u64 = 256 * KIB;
/// Maximum size of `config.json`.
const MOST_CONFIG: u64 = 16 * MIB;
/// Maximum size of a file: that of ONNX, 2 GiB.
const MOST_FILE: u64 = 2 * KIB * MIB;
/// Maximum size of all files together.
const MOST_BYTES: u64 = 4 * KIB * MIB;
const MOST_FILES: usize = 1_024;
/// The last format of the development versions, whose bundles do not specify a resampler.
const LAST_DEVELOPMENT: u64 = 2;

impl Bundle {
    /// Reads a bundle and checks all of its files; returns the description and the files' bytes by
    /// name.
    ///
    /// The folder is not trusted: only regular files inside it are read (links within it are
    /// followed), at most 1,024 of them and 4 GiB in total, and every number of the description is
    /// in a range that fits into memory. Models are ONNX files that contain all of their weights
    /// and only standard operators; they run unmodified.
    ///
    /// # Errors
    /// A file that is missing or has changed since it was written, another version of the format,
    /// or anything out of bounds.
    pub fn read(folder: &Path) -> Result<(Self, BTreeMap<String, Vec<u8>>), TaggingError> {
        let missing = |error: &std::io::Error| error.kind() == ErrorKind::NotFound;
        let root = folder.canonicalize();
        if root.as_ref().is_err_and(missing) {
            return Err(TaggingError::bundle(folder, BundleFault::Missing));
        }
        let root = root.map_err(FileError::of("read", folder))?;
        let sums = folder.join(SUMS);
        if std::fs::symlink_metadata(&sums).as_ref().is_err_and(missing) {
            return Err(TaggingError::bundle(folder, BundleFault::Unfinished));
        }
        let text = Listed::new(&root, &sums, MOST_SUMS)?.read()?;
        let listed = listing(&text).map_err(|fault| TaggingError::bundle(&sums, fault))?;
        let mut files = Vec::with_capacity(listed.len());
        let mut bytes = 0;
        for (name, sha256) in listed {
            let most = if name == CONFIG { MOST_CONFIG } else { MOST_FILE };
            let file = Listed::new(&root, &folder.join(&name), most)?;
            bytes += file.bytes;
            files.push((name, sha256, file));
        }
        if bytes > MOST_BYTES {
            return Err(TaggingError::bundle(folder, BundleFault::TooLarge { bytes, most: MOST_BYTES, total: true }));
        }
        let read = files.into_iter().map(|(name, sha256, file)| {
            let bytes = file.read()?;
            match earmark_files::sha256(&bytes) == sha256 {
                true => Ok((name, bytes)),
                false => Err(TaggingError::bundle(file.path, BundleFault::Checksum)),
            }
        });
        let files: BTreeMap<String, Vec<u8>> = read.collect::<Result<_, TaggingError>>()?;
        let config = files.get(CONFIG).ok_or_else(|| {
            let name = CONFIG.to_owned();
            TaggingError::bundle(&sums, BundleFault::Unlisted { name })
        })?;
        let bundle = parse(config).and_then(|bundle| check::bundle(&bundle, &files).map(|()| bundle));
        let bundle = bundle.map_err(|fault| TaggingError::bundle(folder.join(CONFIG), fault))?;
        for name in bundle.models() {
            let bytes = files.get(name).map_or(&[][..], Vec::as_slice);
            onnx::check(bytes).map_err(|fault| TaggingError::bundle(folder.join(name), fault))?;
        }
        Ok((bundle, files))
    }
}

/// Whether a bundle's checksum file lists this SHA-256.
pub(crate) fn lists(folder: &Path, sha256: &str) -> Result<bool, TaggingError> {
    let root = folder.canonicalize().map_err(FileError::of("read", folder))?;
    let sums = folder.join(SUMS);
    let text = Listed::new(&root, &sums, MOST_SUMS)?.read()?;
    let listed = listing(&text).map_err(|fault| TaggingError::bundle(sums, fault))?;
    Ok(listed.iter().any(|(_, listed)| listed == sha256))
}

/// The names in the checksum file, with their SHA-256.
fn listing(text: &[u8]) -> Result<Vec<(String, String)>, BundleFault> {
    let mut listed: Vec<(String, String)> = Vec::new();
    for (number, line) in (1..).zip(String::from_utf8_lossy(text).lines()) {
        let (sha256, name) = line.split_once("  ").ok_or(BundleFault::Line { line: number })?;
        if sha256.len() != 64 || !sha256.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(BundleFault::Line { line: number });
        }
        let name = name.to_owned();
        let foreign = |c: char| matches!(c, '/' | '\\' | char::REPLACEMENT_CHARACTER) || c.is_control();
        if name.is_empty() || name == "." || name == ".." || name == SUMS || name.contains(foreign) {
            return Err(BundleFault::Name { name });
        }
        if listed.len() == MOST_FILES {
            let count = String::from_utf8_lossy(text).lines().count();
            return Err(BundleFault::Count { what: "files", count, least: 2, most: MOST_FILES });
        }
        listed.push((name, sha256.to_owned()));
    }
    let mut names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    check::once("file", &mut names)?;
    Ok(listed)
}

/// A file of the bundle that has been checked and may be read.
struct Listed {
    path: PathBuf,
    bytes: u64,
}

impl Listed {
    /// Checks a file before it is opened: opening a named pipe may block forever.
    fn new(root: &Path, path: &Path, most: u64) -> Result<Self, TaggingError> {
        let real = path.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound => TaggingError::bundle(path, BundleFault::Lost),
            _ => FileError::of("read", path)(error).into(),
        })?;
        let metadata = real.metadata().map_err(FileError::of("read", path))?;
        if !metadata.is_file() || !real.starts_with(root) {
            return Err(TaggingError::bundle(path, BundleFault::NotRegular));
        }
        let bytes = metadata.len();
        if bytes > most {
            return Err(TaggingError::bundle(path, BundleFault::TooLarge { bytes, most, total: false }));
        }
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// Reads at most the number of bytes that the check found, even if the file has grown.
    fn read(&self) -> Result<Vec<u8>, TaggingError> {
        let read = || {
            let mut bytes = Vec::new();
            File::open(&self.path)?.take(self.bytes).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        Ok(read().map_err(FileError::of("read", &self.path))?)
    }
}

/// The keys that identify the format of a description; every format has the first two.
#[derive(Deserialize)]
struct Head {
    format: u64,
    #[serde(default)]
    earmark: String,
    resampler: Option<IgnoredAny>,
}

fn parse(config: &[u8]) -> Result<Bundle, BundleFault> {
    let head: Head = serde_json::from_slice(config)?;
    if head.resampler.is_none() && head.format <= LAST_DEVELOPMENT {
        return Err(BundleFault::Development);
    }
    if head.format > u64::from(FORMAT) {
        // The version is printed, so remove all unexpected characters.
        let earmark = head.earmark.chars().filter(|c| c.is_ascii_graphic()).take(40).collect();
        return Err(BundleFault::Newer { format: head.format, earmark });
    }
    if head.format == 0 {
        return Err(check::setting("format", head.format, format!("1 to {FORMAT}")));
    }
    Ok(serde_json::from_slice(config)?)
}
