//! A test download in a separate folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use earmark_download::{DownloadError, DownloadOptions, Downloaded, Event, Network, Registry, Step, download};
use tempfile::TempDir;

use crate::archives::md5;

/// A folder with a table of one data set, `mine`, and the events of a download.
pub struct Trial {
    folder: TempDir,
    registry: Registry,
    pub options: DownloadOptions,
    pub notes: Vec<String>,
    /// The reported progress of fetching, in bytes.
    pub fetched: Vec<u64>,
}

impl Trial {
    /// `archives` is TOML: `[[mine.archives]]`, `[mine.limits]` and so on.
    pub fn new(archives: &str) -> Self {
        Self::with_files(archives, &[])
    }

    /// The same with lists of checksums next to the table.
    pub fn with_files(archives: &str, files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let terms = r#"title = "Mine"
            about = "two clips"
            home = "http://localhost"
            licence = "CC0 1.0"
            licence_url = "https://creativecommons.org/publicdomain/zero/1.0/"
            credit = "nobody""#;
        let path = folder.path().join("sets.toml");
        std::fs::write(&path, format!("[mine]\n{terms}\n{archives}")).unwrap();
        let registry = Registry::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let network = Network {
            attempts: 3,
            wait: Duration::from_millis(2),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(20),
            proxies: false,
        };
        let options = DownloadOptions { network, ..DownloadOptions::default() };
        Self { folder, registry, options, notes: Vec::new(), fetched: Vec::new() }
    }

    /// A data set of one zip archive at `url`, verified by its MD5; `more` contains additional keys
    /// of the archive.
    pub fn of_zip(url: &str, bytes: &[u8], more: &str) -> Self {
        let md5 = md5(bytes);
        Self::new(&format!("[[mine.archives]]\nname = \"a.zip\"\nurl = \"{url}/a.zip\"\nmd5 = \"{md5}\"\n{more}"))
    }

    pub fn to(&self) -> PathBuf {
        self.folder.path().join("data/mine")
    }

    /// The path of a file in the working folder.
    pub fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join("data/mine.download").join(name)
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.work(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn run(&mut self) -> Result<Downloaded, DownloadError> {
        let (notes, fetched) = (&mut self.notes, &mut self.fetched);
        let folder = self.folder.path().join("data/mine");
        download(self.registry.get("mine")?, &folder, &self.options, &mut |event| match event {
            Event::Note(text) => notes.push(text.to_owned()),
            Event::Progress { step: Step::Fetch, done, .. } => fetched.push(done),
            Event::Progress { .. } => {}
        })
    }

    /// Asserts that the download succeeds with exactly these files, and leaves nothing in the
    /// working folder.
    #[track_caller]
    pub fn succeeds(&mut self, files: &[(&str, &[u8])]) {
        let done = self.run().unwrap_or_else(|error| panic!("{error}\n{:?}", self.notes));
        assert!(!done.already_there);
        assert_eq!(done.folder, self.to());
        assert_eq!(
            (done.files, done.bytes),
            (files.len() as u64, files.iter().map(|(_, data)| data.len() as u64).sum())
        );
        let mut found = tree(&self.to());
        assert!(found.remove("earmark-download.toml").is_some(), "no mark");
        let wanted: BTreeMap<_, _> = files.iter().map(|(name, data)| (name.to_string(), data.to_vec())).collect();
        assert!(found == wanted, "found {:?}", found.keys());
        assert_eq!(self.left(), [""; 0], "left behind");
    }

    /// Asserts that the download fails for these reasons, and that there is no data set.
    #[track_caller]
    pub fn fails(&mut self, reasons: &[&str]) -> DownloadError {
        let error = self.run().map(|_| panic!("it succeeded")).unwrap_err();
        let text = error.to_string();
        for reason in reasons {
            assert!(text.contains(reason), "no \"{reason}\" in: {text}");
        }
        assert!(!self.to().exists(), "there is a data set after: {text}");
        assert!(!self.work("unpacking").exists(), "half a data set is left");
        error
    }

    /// The files that are left in the working folder, without the lock.
    pub fn left(&self) -> Vec<String> {
        tree(&self.work("")).into_keys().filter(|name| name != "lock").collect()
    }
}

/// Every file below a folder.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
    }
    found
}
