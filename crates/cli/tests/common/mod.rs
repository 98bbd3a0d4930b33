//! Shared by the tests of the binary: a folder to work in, the binary running there, a small data
//! set and a recipe.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The arguments that create the data set of most tests: 12 classes with five training clips each.
pub const SYNTH: &str = "synth --out data --seed 3 --train-clips 60 --test-clips 12";
/// The arguments that train on it. The numbers of jobs and threads are fixed, as results may depend
/// on threads.
pub const TRAIN: &str = "train --recipe recipe.toml --data data --out run --jobs 2 --threads 2";

/// The arguments that train some of its jobs, one after the other with one thread, like each of the
/// two concurrent jobs of [`TRAIN`].
pub const TRAIN_ALONE: &str = "train --recipe recipe.toml --data data --out run --jobs 1 --threads 1";

/// A recipe of two small learners, `a` and `b`, that is trained within seconds.
pub const RECIPE: &str = include_str!("../../../pipeline/tests/common/recipe.toml");

/// A separate folder in cargo's target folder, in which a test's commands run.
pub struct Place(PathBuf);

impl Place {
    /// An empty folder. Removes the leftovers of an earlier run of the test.
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A folder with the data set `data` and the recipe `recipe.toml`.
    pub fn with_data(name: &str) -> Self {
        static DATA: OnceLock<Place> = OnceLock::new();
        let data = DATA.get_or_init(|| {
            let place = Self::new(concat!(env!("CARGO_CRATE_NAME"), "-data"));
            place.run(SYNTH).done();
            place
        });
        let place = Self::new(name);
        place.copy_from(data, "data");
        place.write("recipe.toml", RECIPE);
        place
    }

    /// A folder that also has a finished run, `run`: a copy of the [`shared`] one.
    pub fn with_run(name: &str) -> Self {
        let place = Self::with_data(name);
        place.copy_from(shared(), "run");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// The contents of all files below a folder, including hidden ones, by their relative paths.
    pub fn tree(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(name);
        let mut found = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    found.insert(name, fs::read(path).unwrap());
                }
            }
        }
        found
    }

    /// Copies a folder from another place.
    pub fn copy_from(&self, other: &Place, folder: &str) {
        for (name, bytes) in other.tree(folder) {
            self.write(&format!("{folder}/{name}"), bytes);
        }
    }

    /// Copies a folder.
    pub fn copy(&self, from: &str, to: &str) {
        for (name, bytes) in self.tree(from) {
            self.write(&format!("{to}/{name}"), bytes);
        }
    }

    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }

    /// The number of finished epochs of a job, from its checkpoint.
    pub fn epochs(&self, job: &str) -> usize {
        let Ok(text) = fs::read(self.path(&format!("run/jobs/{job}/checkpoint.json"))) else { return 0 };
        // A checkpoint is never half-written.
        let checkpoint: serde_json::Value = serde_json::from_slice(&text).unwrap();
        checkpoint["history"].as_array().unwrap().len()
    }

    /// The tested binary in this folder, with its arguments in one string.
    pub fn command(&self, words: &str) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_earmark")), words)
    }

    /// A binary in this folder, without the environment variables that affect it, and without
    /// cargo's variables.
    pub fn command_of(&self, binary: &Path, words: &str) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(&self.0).args(words.split_whitespace()).stdin(Stdio::null());
        command.env_remove("LIBTORCH").env_remove("LD_LIBRARY_PATH");
        // Tests run concurrently: threads that spin while they wait would take CPU time from other
        // tests.
        command.env("OMP_WAIT_POLICY", "passive");
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("EARMARK_") {
                command.env_remove(variable);
            }
        }
        command
    }

    pub fn run(&self, words: &str) -> Ran {
        Ran::of(self.command(words), words)
    }
}

/// A folder with a data set and a finished run of it, trained once for all tests of a file. No test
/// changes it.
pub fn shared() -> &'static Place {
    static SHARED: OnceLock<Place> = OnceLock::new();
    SHARED.get_or_init(|| {
        let place = Place::with_data(concat!(env!("CARGO_CRATE_NAME"), "-shared"));
        place.run(TRAIN).done();
        place
    })
}

/// The result of a command.
pub struct Ran {
    pub words: String,
    /// The folder where it ran.
    folder: PathBuf,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end. It must not panic.
    pub fn of(mut command: Command, words: &str) -> Self {
        let folder = command.get_current_dir().unwrap().to_owned();
        let output = command.output().unwrap_or_else(|error| panic!("{words}: {error}"));
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let ran = Self { words: words.to_owned(), folder, code: output.status.code(), stdout, stderr };
        assert!(!ran.stderr.contains("panicked"), "{ran}");
        ran
    }

    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// It must have done its work, with the warnings of the snapshot.
    #[track_caller]
    pub fn warned(self) -> Self {
        let ran = self.done();
        ran.assert_snapshot();
        ran
    }

    /// It must have failed, with the errors and warnings of the snapshot.
    #[track_caller]
    pub fn failed(self) -> Self {
        let ran = self.failed_naming(&[]);
        ran.assert_snapshot();
        ran
    }

    /// It must have failed, with an error that differs between machines or runs but has all of
    /// `names`.
    #[track_caller]
    pub fn failed_naming(self, names: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{self}");
        assert!(self.stderr.contains("error: "), "{self}");
        for name in names {
            assert!(self.stderr.contains(name), "not named: {name}\n{self}");
        }
        self
    }

    /// Compares the warnings and errors with the snapshot: of a place and its n-th call. To accept
    /// what differs, run the tests with `INSTA_UPDATE=always`.
    #[track_caller]
    fn assert_snapshot(&self) {
        static CALLS: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());
        let place = self.folder.file_name().unwrap().to_str().unwrap();
        assert!(!place.ends_with("-shared"), "the order of the calls of several tests is not defined");
        let call = {
            let mut calls = CALLS.lock().unwrap();
            let call = calls.entry(self.folder.clone()).or_default();
            *call += 1;
            *call
        };
        let start = ["error: ", "warning: "].iter().filter_map(|word| self.stderr.find(word)).min();
        let text = &self.stderr[start.unwrap_or_else(|| panic!("neither error nor warning: {self}"))..];
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let known = [(&self.folder, ""), (&PathBuf::from(env!("CARGO_TARGET_TMPDIR")), "[tmp]/"), (&root, "[root]/")];
        let portable = |text: &str| {
            known.iter().fold(text.to_owned(), |text, (path, name)| text.replace(&format!("{}/", path.display()), name))
        };
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("../snapshots");
        settings.set_omit_expression(true);
        settings.set_description(format!("earmark {}", portable(&self.words)));
        settings.bind(|| insta::assert_snapshot!(format!("{place}-{call:02}"), portable(text)));
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { words, code, stdout, stderr, .. } = self;
        write!(f, "earmark {words}\nexit code {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A running command; it is killed on drop, on Unix by SIGKILL.
pub struct Running {
    words: String,
    folder: PathBuf,
    child: Child,
}

impl Running {
    pub fn start(place: &Place, words: &str) -> Self {
        let mut command = place.command(words);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        Self { words: words.to_owned(), folder: place.0.clone(), child }
    }

    /// Waits until a condition holds. The command must not end before.
    #[track_caller]
    pub fn wait_until(&mut self, moment: impl Fn() -> bool) {
        let start = Instant::now();
        while !moment() {
            assert!(self.child.try_wait().unwrap().is_none(), "{} has ended", self.words);
            assert!(start.elapsed() < Duration::from_secs(300), "{} does not come so far", self.words);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal, given as an option of `kill`.
    #[cfg(unix)]
    pub fn send(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the command ends.
    pub fn end(mut self) -> Ran {
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{stderr}");
        let code = self.child.wait().unwrap().code();
        Ran { words: self.words.clone(), folder: self.folder.clone(), code, stdout: String::new(), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a file of a run contains times or paths, and so differs between otherwise equal runs.
pub fn has_times(file: &str) -> bool {
    let parts = ["history.csv", "events.out.tfevents.", "data.json", "report.html", "log.jsonl"];
    parts.iter().any(|part| file.contains(part))
}

/// A CSV file's header and rows.
pub fn csv(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let owned = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = owned(reader.headers().unwrap());
    (header, reader.records().map(|record| owned(&record.unwrap())).collect())
}

/// A table of probabilities: its columns, and each clip's row by name. Fails if a clip is
/// duplicated.
pub fn probabilities(text: &str) -> (Vec<String>, BTreeMap<String, Vec<f64>>) {
    let (header, rows) = csv(text);
    assert_eq!(header[0], "fname");
    let mut table = BTreeMap::new();
    for row in rows {
        let values = row[1..].iter().map(|value| value.parse().unwrap()).collect();
        assert!(table.insert(row[0].clone(), values).is_none(), "{} stands twice", row[0]);
    }
    (header[1..].to_vec(), table)
}

/// Checks that the tags that a binary predicts for the test clips of `run` are those of level 2,
/// within 1e-5.
pub fn tags_are_those_of_level2(place: &Place, binary: &Path) {
    let largest = distance_of_tags_to_level2(place, binary);
    assert!(largest < 1e-5, "a tag is {largest:.2e} from level 2");
}

/// The largest difference between the tags that a binary predicts for the test clips of `run` and
/// the predictions of level 2.
pub fn distance_of_tags_to_level2(place: &Place, binary: &Path) -> f64 {
    let (labels, table) = probabilities(&place.text("run/level2/test.csv"));
    // The folder of clips with one label, or with several.
    let (folder, most) = match place.path("data/audio_test").exists() {
        true => ("data/audio_test/", "--top 12"),
        false => ("data/test/", "--all"),
    };
    let words = format!("tag --model run/bundle {folder} --json {most}");
    let answers = Ran::of(place.command_of(binary, &words), &words).done().json();
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), table.len());
    let mut largest: f64 = 0.0;
    for answer in answers {
        let name = answer["path"].as_str().unwrap().strip_prefix(folder).unwrap();
        let tags = answer["tags"].as_array().unwrap();
        assert_eq!(tags.len(), labels.len());
        for tag in tags {
            let column = labels.iter().position(|label| tag["label"] == **label).unwrap();
            let (tagged, expected) = (tag["score"].as_f64().unwrap(), table[name][column]);
            largest = largest.max((tagged - expected).abs());
        }
    }
    println!("largest distance of tags to level 2: {largest:.1e}");
    largest
}

/// The training or test clips of a run by name, with label and fold.
pub fn clips(place: &Place, run: &str, set: &str) -> BTreeMap<String, (String, String)> {
    let (header, rows) = csv(&place.text(&format!("{run}/splits.csv")));
    assert_eq!(header, ["fname", "set", "label", "verified", "fold", "sha256"]);
    let rows = rows.into_iter().filter(|row| row[1] == set);
    rows.map(|row| (row[0].clone(), (row[2].clone(), row[4].clone()))).collect()
}

/// A mono WAV file of 32-bit floats at 44,100 Hz.
pub fn float_wav(samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    wav(3, 32, &data)
}

/// A mono WAV file at 44,100 Hz; `form` is 1 for integers, 3 for floats.
pub fn wav(form: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let bytes = bits / 8;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0");
    wav.extend([form.to_le_bytes(), 1u16.to_le_bytes()].concat());
    wav.extend([44_100u32.to_le_bytes(), (44_100 * u32::from(bytes)).to_le_bytes()].concat());
    wav.extend([bytes.to_le_bytes(), bits.to_le_bytes()].concat());
    wav.extend(b"data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

/// The path in an environment variable; without it the test is skipped, but in continuous
/// integration it fails.
pub fn from_environment(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    if path.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI is set, and {variable} is not");
        eprintln!("{variable} is not set: skipped");
    }
    path.map(PathBuf::from)
}

/// A Python that has these modules: that of EARMARK_PYTHON, else `python3`. Without one the test is
/// skipped, but in continuous integration it fails.
pub fn python(modules: &str) -> Option<PathBuf> {
    let python = std::env::var_os("EARMARK_PYTHON").filter(|name| !name.is_empty()).unwrap_or("python3".into());
    let imported = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if imported.as_ref().is_ok_and(|output| output.status.success()) {
        return Some(python.into());
    }
    assert!(std::env::var_os("CI").is_none(), "CI is set, and {} has not all of {modules}", python.display());
    eprintln!("{} has not all of {modules} (EARMARK_PYTHON can name another): skipped", python.display());
    None
}
