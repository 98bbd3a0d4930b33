//! A folder to train in, the data set of all tests, and a finished run to compare with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use earmark_datasets::synth::{self, SynthOptions};
use earmark_pipeline::{CancelToken, Silent, TrainOptions, train};

/// Two small networks. Each of their splits `fold0` and `fold1` has two batches an epoch, `full`
/// has four.
pub const RECIPE: &str = r#"seed = 7

[data]
folds = 2

[features.logmel]
kind = "logmel"

[[learners]]
name = "a"
arch = "resnet_nano"
features = "logmel"
crop_seconds = 0.5
mixup = 3.0
epochs = 2
batch_size = 16
learning_rate = 0.02
prediction = { hop_seconds = 1.0 }

[[learners]]
name = "b"
arch = "resnext_nano"
features = "logmel"
crop_seconds = 0.5
normalization = "channel"
epochs = 2
batch_size = 16
learning_rate = 0.02
prediction = { hop_seconds = 1.0 }

[stack]
rounds = 5
"#;

/// The jobs of the recipe.
pub const JOBS: [&str; 6] = ["a/fold0", "a/fold1", "a/full", "b/fold0", "b/fold1", "b/full"];

/// A folder with a recipe, for one run.
pub struct Workspace(PathBuf);

impl Workspace {
    /// An empty folder with the recipe. The data set exists by then, and its features are cached.
    pub fn new(name: &str) -> Self {
        finished();
        Self::empty(name)
    }

    /// The folder of this name; a run that earlier tests have left there is removed.
    fn empty(name: &str) -> Self {
        let workspace = Self::at(root().join(name));
        let _ = fs::remove_dir_all(&workspace.0);
        workspace.write("recipe.toml", RECIPE);
        workspace
    }

    /// A workspace that exists.
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

    /// Writes a file, and its folder where that is missing.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// What to train, with so many jobs at once of one thread each: results depend on the threads
    /// of a job.
    pub fn options(&self, jobs: usize) -> TrainOptions {
        let options = TrainOptions::new(self.path("recipe.toml"), root().join("data"), self.run());
        TrainOptions { cache: Some(root().join("cache")), jobs: Some(jobs), threads: Some(jobs), ..options }
    }

    /// Trains what is left of the run, two jobs at once.
    pub fn finish(&self) {
        train(&self.options(2), &Silent, &CancelToken::new()).unwrap();
    }

    /// The run has the files and the bytes of the finished one.
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

/// The folder of all workspaces of these tests, below cargo's target folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("pipeline-resume")
}

/// A run that nothing has interrupted. No test changes it.
fn finished() -> &'static Workspace {
    static FINISHED: OnceLock<Workspace> = OnceLock::new();
    FINISHED.get_or_init(|| {
        let _ = fs::remove_dir_all(root());
        let clips = SynthOptions { seed: 3, train_clips: 60, test_clips: 12 };
        synth::write(&root().join("data"), &clips).unwrap();
        let workspace = Workspace::empty("finished");
        workspace.finish();
        workspace
    })
}

/// The files of a run by their paths in it, without those that hold times and, in the run's own
/// folder, the temporary files of killed processes, which are removed after a day.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.strip_prefix(run).unwrap().to_str().unwrap().replace('\\', "/");
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
