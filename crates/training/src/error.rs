//! What can go wrong in a training job.

use std::path::PathBuf;

use earmark_datasets::Task;
use earmark_files::{FileError, did_you_mean};
use earmark_nets::{ShapeError, UnknownVariant, WeightsError};

use crate::device_fault::DeviceFault;

/// What can go wrong in a training job.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// A setting is out of range.
    #[error("learner {learner}: `{key}` = {value} is out of range ({range})")]
    Setting {
        /// The learner's name.
        learner: String,
        /// The key in the recipe.
        key: &'static str,
        /// Its value.
        value: String,
        /// The allowed range.
        range: &'static str,
    },
    /// The loss does not fit the number of labels of a clip.
    #[error("learner {learner}: {}", loss_fault(*task))]
    Loss {
        /// The learner's name.
        learner: String,
        /// What the clips of the data set may have.
        task: Task,
    },
    /// `class_weight` names classes that the data set does not have.
    #[error("learner {learner}: `class_weight` names {}", unknown_classes(classes))]
    UnknownClasses {
        /// The learner's name.
        learner: String,
        /// The classes, each with the most similar ones of the data set, the most similar first.
        classes: Vec<(String, Vec<String>)>,
    },
    /// No network has this name.
    #[error("learner {learner}: {source}")]
    Architecture {
        /// The learner's name.
        learner: String,
        /// The unknown name, and the most similar ones.
        source: UnknownVariant,
    },
    /// The network cannot work on crops of this shape.
    #[error("learner {learner}: {source}")]
    Shape {
        /// The learner's name.
        learner: String,
        /// Why the network cannot use them.
        source: ShapeError,
    },
    /// A kernel needs features of whole clips, and a network cannot use them.
    #[error("learner {learner}: {}", kinds(arch, *of_whole_clips))]
    WholeClips {
        /// The learner's name.
        learner: String,
        /// Its architecture.
        arch: String,
        /// Whether its features are those of whole clips.
        of_whole_clips: bool,
    },
    /// A setting has no effect for this architecture or these features.
    #[error("learner {learner}: remove `{key}`: {reason}")]
    NotApplicable {
        /// The learner's name.
        learner: String,
        /// The key in the recipe.
        key: String,
        /// Why it does not apply.
        reason: &'static str,
    },
    /// Settings of networks, in a learner that is fitted at once.
    #[error("learner {learner}: remove {}: {} to arch = {arch:?}, which is fitted at once on features of whole clips",
        keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", "),
        if keys.len() == 1 { "it does not apply" } else { "they do not apply" })]
    OfNetworks {
        /// The learner's name.
        learner: String,
        /// Its architecture.
        arch: String,
        /// The keys in the recipe.
        keys: Vec<String>,
    },
    /// The matrices of a learner of whole clips do not fit into memory.
    #[error("{device} is out of memory: a fit on {clips} clips needs {:.1} GB; run fewer jobs at once (--jobs), or \
        use a network. libtorch: {reason}", *bytes as f64 / 1e9)]
    FitMemory {
        /// The device.
        device: String,
        /// Training clips.
        clips: usize,
        /// Size of the matrices.
        bytes: u64,
        /// libtorch's message.
        reason: String,
    },
    /// The kernel's linear system cannot be solved.
    #[error("the kernel's linear system cannot be solved; try a larger `kernel.alpha`. libtorch: {reason}")]
    Unsolvable {
        /// libtorch's message.
        reason: String,
    },
    /// A linear model does not converge.
    #[error("the linear model does not converge within {steps} steps; try a smaller `linear.c` than {c}")]
    NoConvergence {
        /// Its inverse weight of the penalty.
        c: f64,
        /// Steps.
        steps: usize,
    },
    /// There are more training clips than a kernel supports.
    #[error("{clips} training clips are too many for a kernel (at most {most}); use a network")]
    TooManyClips {
        /// The number of clips.
        clips: usize,
        /// The maximum number of clips.
        most: usize,
    },
    /// A checkpoint was changed or damaged after it was written.
    #[error("{} is damaged: {reason}; remove the folder {} to train this job \
        again", path.display(), path.parent().unwrap_or(path).display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder holds the checkpoint of another job.
    #[error("{} holds a checkpoint of other settings, labels or clips; use another --out, or remove this \
        folder", folder.display())]
    OtherJob {
        /// The job's folder.
        folder: PathBuf,
    },
    /// The pretrained weights cannot be read, or do not fit the network.
    #[error("learner {learner}: pretrained: {}: {source}", path.display())]
    Start {
        /// The learner's name.
        learner: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: WeightsError,
    },
    /// The file of pretrained weights changed during the run.
    #[error("learner {learner}: pretrained: {} changed since the run was started; restore it, or start a new \
        run", path.display())]
    OtherStart {
        /// The learner's name.
        learner: String,
        /// The file.
        path: PathBuf,
    },
    /// The loss became NaN or infinite.
    #[error("the loss became NaN or infinite in epoch {epoch}; {DIVERGED}. Last clips: {}", listed(clips))]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// The names of the clips of the batches since the loss was last known to be finite.
        clips: Vec<String>,
    },
    /// The weights became NaN or infinite, in a step whose loss was finite.
    #[error("the weights became NaN or infinite in epoch {epoch}; {DIVERGED}. Last clips: {}", listed(clips))]
    DivergedWeights {
        /// Counted from 1.
        epoch: usize,
        /// The names of the last batch's clips.
        clips: Vec<String>,
    },
    /// The job was asked to stop. Its state is saved.
    #[error("stopped")]
    Stopped,
    /// Too few training clips.
    #[error("too few training clips: {clips} (at least 2 are needed); add clips")]
    TooFewClips {
        /// The number of clips.
        clips: usize,
    },
    /// The device is unknown or not available.
    #[error("device {device:?}: {fault}")]
    Device {
        /// The requested device.
        device: String,
        /// What is wrong with it.
        fault: DeviceFault,
    },
    /// The GPU is out of memory.
    #[error("{device} is out of memory with `batch_size` = {batch_size}; {}{}. libtorch: {reason}", advice(*fits),
        of_others(*others))]
    OutOfMemory {
        /// The device.
        device: String,
        /// The batch size that did not fit.
        batch_size: usize,
        /// An estimate of a batch size that fits.
        fits: Option<usize>,
        /// Bytes of the GPU that other processes use, if they matter.
        others: Option<u64>,
        /// libtorch's message.
        reason: String,
    },
    /// A step needs more memory than the GPU has.
    #[error("learner {learner}: {} on {device} needs about {:.1} GB, and the GPU has {:.1} GB; {}",
        step(*batch_size), *needs as f64 / 1e9, *total as f64 / 1e9, remedy(*batch_size, *fits))]
    NeverFits {
        /// The learner's name.
        learner: String,
        /// The device.
        device: String,
        /// Crops per step; 0 for a kernel.
        batch_size: usize,
        /// An estimate of the bytes that it needs.
        needs: u64,
        /// All bytes of the GPU.
        total: u64,
        /// An estimate of a batch size that fits.
        fits: Option<usize>,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The weights do not fit the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An error of libtorch.
    #[error("libtorch: {0}")]
    Torch(String),
}

fn loss_fault(task: Task) -> &'static str {
    match task {
        Task::SingleLabel => {
            "`loss` = \"bce\" is for clips that may have several labels, but each clip of this data set has one; \
             remove `loss`, or name the separator of the labels (--label-separator) or their columns (--label-columns)"
        }
        Task::MultiLabel => {
            "the clips of this data set may have several labels, which a softmax cannot express; set `loss` = \"bce\""
        }
    }
}

fn unknown_classes(classes: &[(String, Vec<String>)]) -> String {
    match classes {
        [(class, nearest)] => format!("the class {class:?}, which no clip has{}", did_you_mean(class, nearest)),
        _ => {
            let class = |(class, nearest): &(String, Vec<String>)| match nearest.is_empty() {
                true => format!("{class:?}"),
                false => format!("{class:?} (similar: {})", nearest.join(", ")),
            };
            let listed = classes.iter().map(class).collect::<Vec<_>>().join(", ");
            format!("{} classes that no clip has: {listed}", classes.len())
        }
    }
}

fn kinds(arch: &str, of_whole_clips: bool) -> String {
    if of_whole_clips {
        return format!(
            "{arch} cannot use features of whole clips, which have one frame; use arch = \"kernel\" or \"linear\""
        );
    }
    format!("{arch} needs features of whole clips; use kind = \"summary\" or \"embedding\"")
}

fn advice(fits: Option<usize>) -> String {
    match fits {
        Some(fits) => format!("`batch_size` = {fits} should fit"),
        None => "not even 2 fits: use shorter crops, a smaller network, or fewer --jobs".to_owned(),
    }
}

fn step(batch_size: usize) -> String {
    match batch_size {
        0 => "the kernel matrix".to_owned(),
        _ => format!("a step with `batch_size` = {batch_size}"),
    }
}

fn remedy(batch_size: usize, fits: Option<usize>) -> String {
    if batch_size == 0 { "use a network, or the CPU".to_owned() } else { advice(fits) }
}

fn of_others(bytes: Option<u64>) -> String {
    bytes.map_or(String::new(), |bytes| {
        format!("; other processes use {:.1} GB of it (`nvidia-smi` lists them)", bytes as f64 / 1e9)
    })
}

/// Advice for training that diverges, in the order in which to try it.
const DIVERGED: &str = "try a lower `learning_rate` or more `warmup_epochs`, then `precision` = \"f32\", and check the \
    clips below for extreme values";

/// At most 32 names: a batch may have thousands.
fn listed(clips: &[String]) -> String {
    const MOST: usize = 32;
    let named = clips[..clips.len().min(MOST)].join(", ");
    match clips.len().checked_sub(MOST) {
        None | Some(0) => named,
        Some(more) => format!("{named} and {more} more"),
    }
}

impl TrainingError {
    /// libtorch's message, without the stack trace that it appends.
    pub(crate) fn torch(message: &str) -> Self {
        Self::Torch(message.lines().next().unwrap_or_default().to_owned())
    }
}

impl From<tch::TchError> for TrainingError {
    fn from(error: tch::TchError) -> Self {
        Self::torch(&error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_32_clips_are_listed() {
        let clips = |count: usize| (0..count).map(|clip| clip.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&clips(3)), "0, 1, 2");
        assert!(listed(&clips(32)).ends_with("30, 31"));
        assert!(listed(&clips(40)).ends_with("30, 31 and 8 more"));
    }
}
