//! What can go wrong while a network learns.

use std::path::PathBuf;

use earmark_files::FileError;
use earmark_nets::{ShapeError, UnknownVariant, WeightsError};

/// What can go wrong while a network learns.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A setting out of its range.
    #[error("learner {learner}: {key} = {value} is out of range: {range}")]
    Setting {
        /// The learner's name.
        learner: String,
        /// The key in the recipe.
        key: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        range: &'static str,
    },
    /// No such network.
    #[error("learner {learner}: {source}")]
    Architecture {
        /// The learner's name.
        learner: String,
        /// The name that is unknown, and the nearest ones.
        source: UnknownVariant,
    },
    /// The network cannot work on crops of this shape.
    #[error("learner {learner}: {source}")]
    Shape {
        /// The learner's name.
        learner: String,
        /// What does not fit.
        source: ShapeError,
    },
    /// A kernel machine takes whole clips, and networks take none.
    #[error("learner {learner}: {}", kinds(arch, *is_summary))]
    Summary {
        /// The learner's name.
        learner: String,
        /// Its architecture.
        arch: String,
        /// Whether its features are a summary.
        is_summary: bool,
    },
    /// A setting of which a kernel machine has no use.
    #[error("learner {learner}: {key} = {value} must be left out: a kernel learns at once, from whole clips")]
    Useless {
        /// The learner's name.
        learner: String,
        /// The key in the recipe.
        key: String,
        /// Its value.
        value: String,
    },
    /// A kernel machine's table of nearness does not fit into memory.
    #[error("the memory of {device} is used up by a kernel of {clips} clips, which needs {:.1} GB: run fewer jobs at once, or take a network. libtorch: {reason}", *bytes as f64 / 1e9)]
    KernelMemory {
        /// Where it was to be.
        device: String,
        /// The clips to learn from.
        clips: usize,
        /// What their tables take.
        bytes: u64,
        /// What libtorch said.
        reason: String,
    },
    /// A kernel machine's equations cannot be solved.
    #[error("the equations of the kernel cannot be solved: a larger kernel.ridge may help. libtorch: {reason}")]
    Unsolvable {
        /// What libtorch said.
        reason: String,
    },
    /// More clips than a kernel machine can learn from.
    #[error("{clips} clips are more than the {most} that a kernel can learn from; take a network")]
    TooManyClips {
        /// How many there are.
        clips: usize,
        /// How many it takes.
        most: usize,
    },
    /// A checkpoint that was changed or damaged after it was written.
    #[error("{} is damaged: {reason}; remove the folder {} to train this job anew", path.display(), path.parent().unwrap_or(path).display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder holds a job of another recipe.
    #[error("{} was begun with other settings, labels or clips; use another --out, or remove this folder", folder.display())]
    OtherJob {
        /// The job's folder.
        folder: PathBuf,
    },
    /// The file of weights to start with cannot be read, or is another network's.
    #[error("learner {learner}: pretrained: {}: {source}", path.display())]
    Start {
        /// The learner's name.
        learner: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
    /// The file of weights to start with changed while the run was under way.
    #[error("learner {learner}: pretrained: {} is not the file any more that it was when the run began", path.display())]
    OtherStart {
        /// The learner's name.
        learner: String,
        /// The file.
        path: PathBuf,
    },
    /// The loss is no number any more.
    #[error("the loss is {loss} in epoch {epoch}; try a lower learning_rate. The batch: {}", clips.join(", "))]
    Diverged {
        /// NaN or infinite.
        loss: f64,
        /// Counted from 1.
        epoch: usize,
        /// The names of the batch's clips.
        clips: Vec<String>,
    },
    /// The weights are no numbers any more, after a last step whose loss still was one.
    #[error("the weights are no finite numbers after a step of epoch {epoch}; try a lower learning_rate. The batch: {}", clips.join(", "))]
    DivergedWeights {
        /// Counted from 1.
        epoch: usize,
        /// The names of the batch's clips.
        clips: Vec<String>,
    },
    /// The job was told to stop. It is saved.
    #[error("stopped")]
    Stopped,
    /// Too few clips to learn from.
    #[error("there are {clips} clips to train on, and batch norm needs at least 2")]
    TooFewClips {
        /// How many there are.
        clips: usize,
    },
    /// The device is unknown or absent.
    #[error("device {device:?}: {reason}")]
    Device {
        /// As asked for.
        device: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The GPU's memory is used up.
    #[error("the memory of {device} is used up with batch_size = {batch_size}; {}. libtorch: {reason}", advice(*fits))]
    OutOfMemory {
        /// The device.
        device: String,
        /// The batch that did not fit.
        batch_size: usize,
        /// One that would, as far as one can tell.
        fits: Option<usize>,
        /// What libtorch says.
        reason: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The weights are not the network's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// libtorch reports a fault.
    #[error("libtorch: {0}")]
    Torch(String),
}

fn kinds(arch: &str, is_summary: bool) -> String {
    if is_summary {
        return format!("{arch} takes no features of kind = \"summary\", which are one frame; arch = \"kernel\" does");
    }
    format!("{arch} takes features of whole clips: kind = \"summary\"")
}

fn advice(fits: Option<usize>) -> String {
    match fits {
        Some(fits) => format!("batch_size = {fits} would fit"),
        None => "not even 2 would fit: try shorter crops, a smaller network, or fewer --jobs".to_owned(),
    }
}

impl From<tch::TchError> for TrainingError {
    fn from(error: tch::TchError) -> Self {
        // libtorch appends its own stack, which says nothing to a person.
        let text = error.to_string();
        Self::Torch(text.lines().next().unwrap_or_default().to_owned())
    }
}
