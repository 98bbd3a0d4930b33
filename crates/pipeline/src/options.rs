//! The options of a training.

use std::path::{Path, PathBuf};
use std::thread;

use earmark_datasets::{Manifest, OpenOptions};
use earmark_training::{GpuSettings, check_device, check_memory, configure};

use crate::error::{PipelineError, Result};
use crate::recipe::Recipe;
use crate::run::{CLIPS, RECIPE};
use crate::schedule::{CPU, Shard, check_together, shared_gpus, workers};

/// The hub that published weights are downloaded from.
pub const HUB: &str = "https://huggingface.co";

/// What to train on, where to write, and how much of the machine to use. [`TrainOptions::new`] has
/// the defaults of `earmark train`.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// The recipe's file; weights that it names are relative to its folder. `None`: that of the run
    /// if it has begun, else the one of Earmark's own that suits the data and the installed models.
    pub recipe: Option<PathBuf>,
    /// The sounds and labels: a folder in one of the known layouts, or a CSV file.
    pub data: PathBuf,
    /// How to read the data, beyond what the layout implies. Patterns of folds and groups override
    /// those of the recipe.
    pub open: OpenOptions,
    /// The run's folder. An existing run is continued.
    pub out: PathBuf,
    /// The feature cache, which several runs can share; `None`: a folder in the run's folder.
    pub cache: Option<PathBuf>,
    /// A finished run: an unverified clip counts as verified if the stack of that run predicts its
    /// label out of fold.
    pub verified_by: Option<PathBuf>,
    /// The address of the hub that published weights are downloaded from.
    pub hub: String,
    /// `cpu`, or GPUs: `cuda:0`, `cuda:1`. The jobs are distributed over them.
    pub devices: Vec<String>,
    /// Which jobs to train.
    pub selection: JobSelection,
    /// Jobs at once; `None`: one per thread on a CPU, one per GPU.
    pub jobs: Option<usize>,
    /// Threads of all jobs together; `None`: one per core.
    pub threads: Option<usize>,
}

/// Which jobs of a run to train. If only some are trained, the learners are not stacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum JobSelection {
    /// All, and then level 2.
    #[default]
    All,
    /// The job of this name, `LEARNER/SPLIT`.
    One(String),
    /// One of several shards of about the same cost.
    Shard(Shard),
}

impl TrainOptions {
    /// Options that train a recipe on data into a run's folder, on the CPU.
    pub fn new(recipe: impl Into<PathBuf>, data: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            recipe: Some(recipe.into()),
            data: data.into(),
            open: OpenOptions::default(),
            out: out.into(),
            cache: None,
            verified_by: None,
            hub: HUB.to_owned(),
            devices: vec![CPU.to_owned()],
            selection: JobSelection::All,
            jobs: None,
            threads: None,
        }
    }

    /// Checks everything that can be checked before any file is read.
    ///
    /// # Errors
    /// Devices do not exist or cannot be combined; the run's folder is the folder of the data,
    /// where the next training would read its files as data.
    pub(crate) fn check(&self) -> Result<()> {
        let folders = self.data.canonicalize().ok().zip(self.out.canonicalize().ok());
        if folders.is_some_and(|(data, out)| data == out) {
            let reason = "--out is the data folder; choose another folder for the run";
            return Err(PipelineError::Options(reason.to_owned()));
        }
        if self.devices.is_empty() {
            return Err(PipelineError::Options("--device: no device is named".to_owned()));
        }
        check_together(&self.devices)?;
        Ok(self.devices.iter().try_for_each(|device| check_device(device))?)
    }

    /// The device of each worker, and the number of threads of each.
    pub(crate) fn workers(&self, jobs: usize) -> (Vec<&str>, usize) {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores).max(1);
        let devices = workers(&self.devices, self.jobs, threads, jobs);
        let each = (threads / devices.len()).max(1);
        (devices, each)
    }

    /// Applies the recipe's settings of GPUs, if the workers use any. cuDNN does not time its
    /// algorithms while jobs share a GPU: the memory that it tries them with would be missing
    /// there.
    pub(crate) fn configure(&self, recipe: &Recipe, workers: &[&str]) -> Result<()> {
        if workers.iter().all(|&device| device == CPU) {
            return Ok(());
        }
        let settings = recipe.gpu_settings();
        let cudnn_benchmark = settings.cudnn_benchmark && shared_gpus(workers).is_empty();
        let settings = GpuSettings { cudnn_benchmark, ..settings };
        tracing::info!(?settings, "GPUs are configured");
        Ok(configure(settings)?)
    }

    /// The bytes of a GPU's memory that any learner needs for a step, by estimate.
    ///
    /// # Errors
    /// A learner whose batch cannot fit on one of the GPUs.
    pub(crate) fn check_memory(&self, recipe: &Recipe, manifest: &Manifest) -> Result<u64> {
        let (classes, clips) = (manifest.labels.len(), manifest.train.len());
        let mut most = 0;
        for learner in &recipe.learners {
            let front_end = recipe.front_end(&learner.name)?;
            for device in &self.devices {
                most = check_memory(learner, front_end, classes, clips, device)?.max(most);
            }
        }
        Ok(most)
    }

    /// The folder of the feature cache.
    pub(crate) fn cache_folder(&self) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| self.out.join(crate::run::CACHE))
    }

    /// The folder that the clips' names are relative to.
    pub(crate) fn sounds_folder(&self) -> &Path {
        let beside = || if self.data.is_dir() { Some(&*self.data) } else { self.data.parent() };
        self.open.audio_dir.as_deref().or_else(beside).unwrap_or(Path::new(""))
    }

    /// The recipe's file, if there is one.
    pub(crate) fn recipe_file(&self) -> Option<PathBuf> {
        let of_run = || Some(self.out.join(RECIPE)).filter(|_| self.out.join(CLIPS).exists());
        self.recipe.clone().or_else(of_run)
    }

    /// The folder of the recipe.
    pub(crate) fn recipe_folder(&self) -> &Path {
        self.recipe.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }
}
