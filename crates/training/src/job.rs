//! A job: one learner on one split.

use std::path::Path;

use earmark_datasets::{Task, random};
use earmark_features::{FrontEnd, InputScaling, Windowing};
use earmark_files::sha256;
use earmark_loader::{BatchSettings, Example, Mixup};
use earmark_nets::Graph;

use crate::device_features::DeviceFeatures;
use crate::error::TrainingError;
use crate::fingerprint::with_former_names;
use crate::settings::LearnerSettings;
use crate::split::Split;
use crate::start::PretrainedWeights;

/// One learner on one split.
#[derive(Debug)]
pub struct Job<'a> {
    /// The learner.
    pub learner: &'a LearnerSettings,
    /// The weights that its network starts from; random ones if `None`.
    pub start: Option<&'a PretrainedWeights>,
    /// The learner's front end.
    pub front_end: &'a FrontEnd,
    /// The clips that it trains on and predicts.
    pub split: Split,
    /// Training clips; all have labels.
    pub train: Vec<Example<'a>>,
    /// Clips to predict.
    pub predict: Vec<Example<'a>>,
    /// Whether a clip may have several labels.
    pub task: Task,
    /// The names of the classes.
    pub labels: &'a [String],
    /// The run's seed.
    pub seed: u64,
    /// `cpu` or `cuda:N`.
    pub device: &'a str,
    /// The features of the clips, which jobs on a GPU share; `None`: the job has its own copy.
    pub shared: Option<&'a DeviceFeatures<'a>>,
    /// The job's own folder, for its checkpoint and history.
    pub folder: &'a Path,
}

impl Job<'_> {
    /// A hash of everything that determines the outcome: settings, seed, split, clips and classes,
    /// and the weights to start from.
    pub fn fingerprint(&self) -> String {
        let labels = |example: &Example| match self.task {
            Task::SingleLabel => serde_json::json!(example.label()),
            Task::MultiLabel => serde_json::json!(example.labels),
        };
        let named = |example: &Example| match example.verified {
            true => serde_json::json!([example.name, labels(example)]),
            false => serde_json::json!([example.name, labels(example), "unverified"]),
        };
        let names = |examples: &[Example]| examples.iter().map(named).collect::<Vec<_>>();
        let start = self.start.map(|start| &start.sha256);
        let all = serde_json::json!([
            with_former_names(serde_json::json!(self.learner)),
            self.front_end,
            self.split.to_string(),
            self.seed,
            self.labels,
            names(&self.train),
            names(&self.predict),
            start
        ]);
        sha256(all.to_string().as_bytes())
    }

    pub(crate) fn keys(&self) -> [u64; 2] {
        [random::key(&self.learner.name), random::key(&self.split.to_string())]
    }

    pub(crate) fn windowing(&self) -> Windowing {
        self.learner.windowing(self.front_end)
    }

    /// The learner's graph, checked against the shape of the features.
    pub(crate) fn graph(&self) -> Result<Graph, TrainingError> {
        self.learner.validate()?;
        self.learner.check_task(self.task)?;
        self.learner.check_classes(self.labels)?;
        self.learner.check_input(self.front_end)?;
        let clips = self.counting().count();
        if clips < 2 {
            return Err(TrainingError::TooFewClips { clips });
        }
        self.learner.graph(self.front_end, self.labels.len(), clips)
    }

    /// The training clips with a weight above 0.
    pub(crate) fn counting(&self) -> impl Iterator<Item = &Example<'_>> {
        self.train.iter().filter(|clip| self.learner.is_used(clip.verified))
    }

    /// The weight of a clip in the loss, apart from those of its classes.
    pub(crate) fn weight(&self, clip: &Example) -> f32 {
        if clip.verified { 1.0 } else { self.learner.unverified_weight }
    }

    /// The weight of each class in the loss, if the learner has any.
    pub(crate) fn class_weights(&self) -> Option<Vec<f32>> {
        let clips = self.counting().map(|clip| (clip.labels, self.weight(clip)));
        Some(self.learner.class_weight.as_ref()?.of_classes(self.labels, clips, self.task))
    }

    pub(crate) fn batch_settings<'a>(
        &self,
        windowing: &'a Windowing,
        scaling: &'a InputScaling,
        parallel: bool,
    ) -> BatchSettings<'a> {
        BatchSettings {
            classes: self.labels.len(),
            task: self.task,
            windowing,
            scaling,
            augmentation: self.learner.augmentation,
            mixup: Mixup { alpha: self.learner.mixup },
            label_smoothing: self.learner.label_smoothing,
            unverified_weight: self.learner.unverified_weight,
            sampling: self.learner.sampling,
            batch_size: self.learner.batch_size,
            seed: self.seed,
            keys: self.keys(),
            parallel,
        }
    }

    pub(crate) fn names(&self, members: &[usize]) -> Vec<String> {
        members.iter().map(|&member| self.train[member].name.to_owned()).collect()
    }
}
