//! Shared by the tests of runs: folders to train in, a data set, and a finished run.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use earmark_datasets::synth::{self, SynthOptions};
use earmark_pipeline::{CancelToken, Silent, TrainOptions, train};

/// Two small networks. The splits `fold0` and `fold1` have two batches per epoch, `full` has four.
pub const RECIPE: &str = include_str!("recipe.toml");

/// The jobs of the recipe.
pub const JOBS: [&str; 6] = ["a/fold0", "a/fold1", "a/full", "b/fold0", "b/fold1", "b/full"];

/// A folder with a recipe, for one run.
pub struct Workspace(PathBuf);

impl Workspace {
    /// An empty folder with the recipe. The data set already exists, and its features are cached.
    pub fn new(name: &str) -> Self {
        finished();
        Self::empty(name)
    }

    /// An empty folder with the recipe.
    fn empty(name: &str) -> Self {
        let workspace = Self::at(root().join(name));
        workspace.write("recipe.toml", RECIPE);
        workspace
    }

    /// A folder with the recipe and a data set of its own, `data`.
    pub fn with_data(name: &str) -> Self {
        // Before the folder is written: the first call removes what is there.
        let data = data();
        let workspace = Self::empty(name);
        for (name, bytes) in files(&data) {
            workspace.write(&format!("data/{name}"), bytes);
        }
        workspace
    }

    /// An existing workspace.
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder of the run.
    pub fn run(&self) -> PathBuf {
        self.path("run")
    }

    /// Writes a file, and creates its folder if that is missing.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Options with this number of jobs at once, each with one thread: results depend on the number
    /// of threads of a job.
    pub fn options(&self, jobs: usize) -> TrainOptions {
        let own = self.path("data");
        let data = if own.exists() { own } else { root().join("data") };
        let options = TrainOptions::new(self.path("recipe.toml"), data, self.run());
        TrainOptions { cache: Some(root().join("cache")), jobs: Some(jobs), threads: Some(jobs), ..options }
    }

    /// Trains the rest of the run, two jobs at once.
    pub fn finish(&self) {
        train(&self.options(2), &Silent, &CancelToken::new()).unwrap();
    }

    /// Asserts that the run has the same files with the same bytes as the finished one.
    #[track_caller]
    pub fn assert_same(&self) {
        let (ours, finished) = (files(&self.run()), files(&finished().run()));
        assert!(ours.keys().eq(finished.keys()), "{:?} instead of {:?}", ours.keys(), finished.keys());
        for part in ["weights.safetensors", "predictions.csv", "booster.json", "learner-a.onnx", "SHA256SUMS"] {
            assert!(finished.keys().any(|name| name.ends_with(part)), "{part} is compared");
        }
        let differ = finished.iter().filter(|(name, bytes)| ours[*name] != **bytes);
        let differ: Vec<_> = differ.map(|(name, _)| name).collect();
        assert!(differ.is_empty(), "these files differ: {differ:?}");
    }
}

/// The folder of all workspaces of a test file, in cargo's target folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!("pipeline-", env!("CARGO_CRATE_NAME")))
}

/// The data set of all tests: 12 classes, 60 training clips and 12 test clips. Removes the
/// leftovers of earlier tests.
fn data() -> PathBuf {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    let write = || {
        let _ = fs::remove_dir_all(root());
        let data = root().join("data");
        synth::write(&data, &SynthOptions { seed: 3, train_clips: 60, test_clips: 12, multi_label: false }).unwrap();
        data
    };
    DATA.get_or_init(write).clone()
}

/// A run that was never interrupted. No test changes it.
fn finished() -> &'static Workspace {
    static FINISHED: OnceLock<Workspace> = OnceLock::new();
    FINISHED.get_or_init(|| {
        data();
        let workspace = Workspace::empty("finished");
        workspace.finish();
        workspace
    })
}

/// The files of a folder by their paths in it, except files of a run that contain times and, in the
/// run's own folder, the temporary files of killed processes, which are removed after a day.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with(".earmark-") && !has_times(&name) {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn has_times(name: &str) -> bool {
    name.ends_with("/history.csv") || name.ends_with("/events.out.tfevents.earmark")
}
