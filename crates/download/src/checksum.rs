//! Checksums of whole files and of streams.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use earmark_files::FileError;
use md5::Md5;
use sha2::{Digest, Sha256};

/// A published checksum, in lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// MD5, 32 digits. It detects damage, not malice.
    Md5(String),
    /// SHA-256, 64 digits, or a prefix of them.
    Sha256(String),
}

impl Checksum {
    /// Parses a checksum; its kind follows from the number of digits. None if they are not digits,
    /// or too few or too many.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        let digits = digits.to_ascii_lowercase();
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match digits.len() {
            32 => Some(Self::Md5(digits)),
            64 => Some(Self::Sha256(digits)),
            _ => None,
        }
    }

    /// "MD5" or "SHA-256".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Md5(_) => "MD5",
            Self::Sha256(_) => "SHA-256",
        }
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        let (Self::Md5(digits) | Self::Sha256(digits)) = self;
        digits
    }

    /// Whether the other checksum has the same kind and starts with these digits: for some files
    /// only the first ones are known.
    pub(super) fn begins(&self, found: &Self) -> bool {
        self.kind() == found.kind() && found.digits().starts_with(self.digits())
    }

    /// A hasher for this kind of checksum.
    pub(super) fn hasher(&self) -> Hasher {
        match self {
            Self::Md5(_) => Hasher::Md5(Md5::new()),
            Self::Sha256(_) => Hasher::Sha256(Sha256::new()),
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.digits())
    }
}

/// Computes a checksum.
pub(super) enum Hasher {
    Md5(Md5),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Md5(hasher) => Checksum::Md5(hex(&hasher.finalize())),
            Self::Sha256(hasher) => Checksum::Sha256(hex(&hasher.finalize())),
        }
    }
}

/// The checksum of a file, of the same kind as `like`; `read` is called with the number of bytes
/// read so far.
pub(super) fn of_file(path: &Path, like: &Checksum, mut read: impl FnMut(u64)) -> Result<Checksum, FileError> {
    let failed = || FileError::of("read", path);
    let mut file = std::fs::File::open(path).map_err(failed())?;
    let mut hasher = like.hasher();
    let mut block = vec![0; 1 << 17];
    let mut done = 0;
    loop {
        let n = file.read(&mut block).map_err(failed())?;
        if n == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&block[..n]);
        done += n as u64;
        read(done);
    }
}

/// Parses a list of checksums in the format of `md5sum` and `sha256sum`: digits, two spaces (or a
/// space and a star), name. The error is the number, counted from 1, of the first line that is
/// invalid or repeats a name.
pub(super) fn parse_list(text: &str) -> Result<BTreeMap<String, Checksum>, usize> {
    let mut list = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let entry = line.split_once(' ').and_then(|(digits, name)| {
            let name = name.strip_prefix([' ', '*']).unwrap_or(name);
            Some((name.to_owned(), Checksum::parse(digits)?)).filter(|(name, _)| !name.is_empty())
        });
        let (name, checksum) = entry.ok_or(number + 1)?;
        if list.insert(name, checksum).is_some() {
            return Err(number + 1);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_standard_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, b"abc").unwrap();
        // RFC 1321, A.5; FIPS 180-2, B.1.
        for digits in
            ["900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
        {
            let checksum = Checksum::parse(&digits.to_ascii_uppercase()).unwrap();
            let mut loaded = 0;
            assert_eq!(of_file(&path, &checksum, |read| loaded = read).unwrap(), checksum);
            assert_eq!((checksum.digits(), loaded), (digits, 3));
        }
        assert_eq!(Checksum::parse("900150983cd24fb0d6963f7d28e17f7g"), None);
        assert_eq!(Checksum::parse("9001"), None);
    }

    #[test]
    fn lists_are_those_of_md5sum() {
        let (a, b) = ("900150983cd24fb0d6963f7d28e17f72", "d41d8cd98f00b204e9800998ecf8427e");
        let list = parse_list(&format!("{a}  a b.wav\n\n{b} *c.wav\r\n")).unwrap();
        assert_eq!(list.keys().collect::<Vec<_>>(), ["a b.wav", "c.wav"]);
        assert_eq!(list["c.wav"].digits(), b);
        assert_eq!(parse_list(&format!("{a}  a\n{b}  a\n")), Err(2));
        for bad in ["nothing", "900150983cd24fb0d6963f7d28e17f72", "900150983cd24fb0d6963f7d28e17f72  "] {
            assert_eq!(parse_list(bad), Err(1), "{bad}");
        }
    }
}
