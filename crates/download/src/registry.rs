//! The table of available data sets with their URLs and checksums, read from TOML.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::checksum::{Checksum, parse_list};
use crate::error::DownloadError;

/// Earmark's built-in table, and the list of checksums that it refers to.
const BUILT_IN: &str = include_str!("registry.toml");
const ESC50: &str = include_str!("esc50.md5");

/// The available data sets, by name.
///
/// # Example
/// ```
/// use earmark_download::Registry;
///
/// let registry = Registry::built_in()?;
/// let set = registry.get("esc10")?;
/// assert_eq!((set.title.as_str(), set.licence.as_str()), ("ESC-10", "CC BY 3.0"));
/// # Ok::<(), earmark_download::DownloadError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    sets: BTreeMap<String, DataSet>,
}

/// A data set: its description, its licence, and its archives.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// The name in Earmark.
    pub name: String,
    /// The title that its authors gave it.
    pub title: String,
    /// Its contents in one line.
    pub about: String,
    /// The URL of the page where it is published.
    pub home: String,
    /// The name of the licence.
    pub licence: String,
    /// The URL of the licence's text.
    pub licence_url: String,
    /// Whom to credit.
    pub credit: String,
    /// The path of a suitable recipe in Earmark's sources.
    pub recipe: Option<String>,
    /// Limits on unpacking.
    pub limits: UnpackLimits,
    /// The archives to fetch, in order.
    pub archives: Vec<Archive>,
    /// The table to filter if only some of the files are used.
    pub(super) rows: Option<RowFilter>,
}

/// Limits on unpacking a data set. An archive that exceeds them is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnpackLimits {
    /// Entries of all archives together, including folders and ignored entries; by default 200,000.
    pub files: u64,
    /// Bytes of one file; by default 1 GiB.
    pub file_bytes: u64,
    /// Bytes of all files together, and of an archive whose size is unknown; by default 64 GiB.
    pub total_bytes: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { files: 200_000, file_bytes: 1 << 30, total_bytes: 64 << 30 }
    }
}

/// An archive to fetch and unpack.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Its file name.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
    /// Its checksums.
    pub known: Known,
    /// Number of leading folders to strip from the names in it.
    pub strip: usize,
}

/// How an archive is verified.
#[derive(Debug, Clone)]
pub enum Known {
    /// By its own checksum.
    Archive(Checksum),
    /// By the checksums of the files in it, by name. Only these and `also` are unpacked.
    Files {
        /// The checksums.
        checksums: BTreeMap<String, Checksum>,
        /// Text files that are also unpacked, without verification.
        also: Vec<String>,
    },
}

impl Known {
    /// The checksum of the archive itself.
    pub fn sum(&self) -> Option<&Checksum> {
        match self {
            Self::Archive(checksum) => Some(checksum),
            Self::Files { .. } => None,
        }
    }
}

/// Which rows of a table to keep.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowFilter {
    /// The table, a CSV file of the data set.
    pub table: String,
    /// Rows are kept if this column ...
    pub column: String,
    /// ... has this value.
    pub value: String,
    /// The column with the file names.
    pub file: String,
    /// The folder of these files.
    pub folder: String,
}

impl Registry {
    /// Earmark's built-in data sets: `fsdkaggle2018`, `esc50`, `esc10`, `urbansound8k`.
    ///
    /// # Errors
    /// None in practice: tests check the built-in table.
    pub fn built_in() -> Result<Self, DownloadError> {
        let list = |name: &str| match name {
            "esc50.md5" => Ok(ESC50.to_owned()),
            _ => Err(format!("there is no list {name}")),
        };
        Self::parse(BUILT_IN, Path::new("registry.toml"), list)
    }

    /// Reads custom data sets from a TOML file with the format of Earmark's own table. The lists of
    /// checksums are in the same folder.
    ///
    /// # Errors
    /// The file or a list of checksums cannot be read, or is invalid.
    pub fn read(path: &Path) -> Result<Self, DownloadError> {
        let text = earmark_files::read_to_string(path)?;
        let beside = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, path, |name| {
            earmark_files::read_to_string(&beside.join(name)).map_err(|error| error.to_string())
        })
    }

    /// The data set with this name.
    ///
    /// # Errors
    /// No data set has this name; the error lists the names.
    pub fn get(&self, name: &str) -> Result<&DataSet, DownloadError> {
        let unknown =
            || DownloadError::UnknownSet { name: name.to_owned(), known: self.sets.keys().cloned().collect() };
        self.sets.get(name).ok_or_else(unknown)
    }

    /// All data sets, by name.
    pub fn sets(&self) -> impl Iterator<Item = &DataSet> {
        self.sets.values()
    }

    fn parse(text: &str, path: &Path, list: impl Fn(&str) -> Result<String, String>) -> Result<Self, DownloadError> {
        let wrong = |reason: String| DownloadError::Registry { path: path.to_owned(), reason };
        let raw: BTreeMap<String, RawSet> = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let mut sets = BTreeMap::new();
        for (name, set) in raw {
            let set = set.check(&name, &list).map_err(|reason| wrong(format!("{name}: {reason}")))?;
            sets.insert(name, set);
        }
        Ok(Self { sets })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSet {
    title: String,
    about: String,
    home: String,
    licence: String,
    licence_url: String,
    credit: String,
    recipe: Option<String>,
    #[serde(default)]
    limits: UnpackLimits,
    archives: Vec<RawArchive>,
    rows: Option<RowFilter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArchive {
    name: String,
    url: String,
    size: Option<u64>,
    md5: Option<String>,
    sha256: Option<String>,
    #[serde(alias = "sums")]
    checksums: Option<String>,
    only: Option<String>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    strip: usize,
}

impl RawSet {
    fn check(self, name: &str, list: &impl Fn(&str) -> Result<String, String>) -> Result<DataSet, String> {
        let archives = self.archives.into_iter().map(|archive| {
            let name = archive.name.clone();
            archive.check(list).map_err(|reason| format!("archive {name}: {reason}"))
        });
        let archives: Vec<Archive> = archives.collect::<Result<_, _>>()?;
        let mut names: Vec<_> = archives.iter().map(|archive| &archive.name).collect();
        names.sort();
        names.dedup();
        if names.is_empty() || names.len() < archives.len() {
            return Err("wants at least one archive, each with a name of its own".into());
        }
        Ok(DataSet {
            name: name.to_owned(),
            title: self.title,
            about: self.about,
            home: self.home,
            licence: self.licence,
            licence_url: self.licence_url,
            credit: self.credit,
            recipe: self.recipe,
            limits: self.limits,
            archives,
            rows: self.rows,
        })
    }
}

impl RawArchive {
    fn check(self, list: &impl Fn(&str) -> Result<String, String>) -> Result<Archive, String> {
        // The name is used as a file name, and as the last part of the URL on a mirror.
        if !is_plain(&self.name) {
            return Err("its name must consist of letters, digits, dots, dashes and underscores".into());
        }
        if ![".zip", ".tar.gz", ".tgz"].iter().any(|ending| self.name.ends_with(ending)) {
            return Err("its name must end in .zip, .tar.gz or .tgz".into());
        }
        if !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            return Err(format!("url is \"{}\", must begin with https:// or http://", self.url));
        }
        let known = match (&self.md5, &self.sha256, &self.checksums) {
            (Some(digits), None, None) => archive_sum("md5", digits)?,
            (None, Some(digits), None) => archive_sum("sha256", digits)?,
            (None, None, Some(name)) if !is_plain(name) => {
                return Err(format!("checksums is {name:?}, must be the name of a file beside the registry"));
            }
            (None, None, Some(name)) => self.file_checksums(name, &list(name)?)?,
            _ => return Err("needs exactly one of md5, sha256 and checksums".into()),
        };
        if matches!(known, Known::Archive(_)) && (self.only.is_some() || !self.also.is_empty()) {
            return Err("only and also apply only with checksums".into());
        }
        Ok(Archive { name: self.name, url: self.url, size: self.size, known, strip: self.strip })
    }

    fn file_checksums(&self, name: &str, text: &str) -> Result<Known, String> {
        let mut checksums = parse_list(text).map_err(|line| {
            format!("{name}, line {line}: must be a checksum, two spaces, and a name not used before")
        })?;
        if let Some(pattern) = &self.only {
            let only = regex::Regex::new(pattern).map_err(|error| error.to_string())?;
            checksums.retain(|name, _| only.is_match(name));
        }
        if checksums.is_empty() {
            return Err(format!("{name} gives no file to unpack"));
        }
        Ok(Known::Files { checksums, also: self.also.clone() })
    }
}

/// Whether a name is a plain file name, without a path.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.bytes().all(plain) && !name.starts_with('.')
}

fn archive_sum(key: &str, digits: &str) -> Result<Known, String> {
    let wanted = if key == "md5" { 32 } else { 64 };
    let checksum = Checksum::parse(digits).filter(|_| digits.len() == wanted);
    Ok(Known::Archive(checksum.ok_or_else(|| format!("{key} is \"{digits}\", must be {wanted} hexadecimal digits"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_sound() {
        let registry = Registry::built_in().unwrap();
        let names: Vec<_> = registry.sets().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["esc10", "esc50", "fsdkaggle2018", "urbansound8k"]);
        for set in registry.sets() {
            assert!(set.licence_url.starts_with("https://creativecommons.org/licenses/by"), "{}", set.name);
            assert!(!set.credit.is_empty() && set.home.starts_with("https://"), "{}", set.name);
            assert!(set.archives.iter().all(|archive| archive.url.starts_with("https://")), "{}", set.name);
        }
    }

    fn checksums<'a>(registry: &'a Registry, name: &str) -> &'a BTreeMap<String, Checksum> {
        match &registry.get(name).unwrap().archives[0].known {
            Known::Files { checksums, .. } => checksums,
            Known::Archive(_) => panic!("{name} has no list of checksums"),
        }
    }

    #[test]
    fn esc10_is_the_ten_classes_of_esc50() {
        let registry = Registry::built_in().unwrap();
        let (all, ten) = (checksums(&registry, "esc50"), checksums(&registry, "esc10"));
        assert_eq!((all.len(), ten.len()), (2001, 401));
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in ten.keys().filter(|name| name.ends_with(".wav")) {
            *classes.entry(name.rsplit('-').next().unwrap()).or_default() += 1;
        }
        assert_eq!(classes.len(), 10);
        assert!(classes.values().all(|&clips| clips == 40));
        assert!(ten.iter().all(|(name, checksum)| all[name] == *checksum) && ten.contains_key("meta/esc50.csv"));
    }

    const GOOD: &str = r#"
        [mine]
        title = "Mine"
        about = "-"
        home = "-"
        licence = "-"
        licence_url = "-"
        credit = "-"
        [[mine.archives]]
        name = "a.zip"
        url = "http://localhost/a.zip"
        md5 = "900150983cd24fb0d6963f7d28e17f72"
    "#;

    #[test]
    fn tables_of_ones_own_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sets.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Registry::read(&path)
        };
        assert_eq!(read(GOOD).unwrap().get("mine").unwrap().limits, UnpackLimits::default());
        let unknown = read(GOOD).unwrap().get("yours").unwrap_err().to_string();
        assert!(unknown.contains("yours") && unknown.contains("mine"), "{unknown}");

        let checksum = "md5 = \"900150983cd24fb0d6963f7d28e17f72\"";
        std::fs::write(folder.path().join("bad.md5"), "900150983cd24fb0d6963f7d28e17f72  a\nno\n").unwrap();
        std::fs::write(folder.path().join("good.md5"), "900150983cd24fb0d6963f7d28e17f72  a\n").unwrap();
        for (from, to, reason) in [
            ("\"a.zip\"", "\"../a.zip\"", "must consist of letters"),
            ("\"a.zip\"", "\".zip\"", "must consist of letters"),
            ("\"a.zip\"", "\"a.rar\"", "must end in .zip"),
            ("http://", "ftp://", "must begin with https://"),
            ("md5 = \"9001", "md5 = \"", "must be 32 hexadecimal digits"),
            ("md5 =", "sha256 =", "must be 64 hexadecimal digits"),
            (checksum, "", "exactly one of md5, sha256 and checksums"),
            (checksum, "checksums = \"bad.md5\"", "bad.md5, line 2"),
            (checksum, "checksums = \"none.md5\"", "none.md5"),
            (checksum, "checksums = \"good.md5\"\nonly = \"b\"", "no file to unpack"),
            (checksum, "checksums = \"good.md5\"\nonly = \"(\"", "regex"),
            (checksum, &format!("{checksum}\nonly = \"a\""), "only with checksums"),
            ("title", "tittle", "tittle"),
            ("strip", "strip", ""),
        ] {
            let text = GOOD.replacen(from, to, 1);
            match read(&text) {
                Ok(_) => assert!(reason.is_empty(), "{to} was taken"),
                Err(error) => assert!(error.to_string().contains(reason) && !reason.is_empty(), "{to}: {error}"),
            }
        }
    }
}
