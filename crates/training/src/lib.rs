//! Training and prediction: from graphs to trained weights and predicted probabilities, on
//! libtorch.
//!
//! A [`Job`] trains one learner on one split and predicts the clips it has not seen. Every random
//! number is derived from the seed, the learner, the split, the epoch and the clip, and the state
//! is saved after epochs, as often as that takes little of the time. So a job that was killed, or
//! stopped at any batch, can resume and, on a CPU, ends with the same bits as an uninterrupted one.
//!
//! Only this crate uses libtorch, and its public interface does not expose it.

mod ahead;
mod arithmetic;
mod checkpoint;
mod convolution;
mod demand;
mod device;
mod device_fault;
mod device_features;
mod dropout;
mod engine;
mod error;
mod events;
mod fingerprint;
mod flat;
#[cfg(test)]
mod golden;
mod history;
mod inputs;
mod job;
mod kernel;
mod linear;
mod long;
mod loss;
mod memory;
mod network;
mod optimizer;
mod pass;
mod platt;
mod predictor;
mod progress;
mod rows;
mod run;
mod settings;
mod split;
mod start;
mod table;
mod tensors;
mod trainer;
mod trial;
mod whole_clips;

/// The version of libtorch that this crate is built against; the bindings refuse to build against
/// any other.
pub const LIBTORCH: &str = "2.11.0";

pub use arithmetic::Arithmetic;
pub use checkpoint::SAVE_PACE;
pub use demand::check_memory;
pub use device::{Versions, check_device, gpu_memory, versions};
pub use device_fault::DeviceFault;
pub use device_features::DeviceFeatures;
pub use earmark_datasets::Task;
pub use earmark_loader::Example;
pub use engine::{GpuMemory, GpuSettings, configure};
pub use error::TrainingError;
pub use job::Job;
pub use kernel::MOST_CLIPS;
pub use network::{Gradients, evaluate, gradients, set_threads};
pub use predictor::activation;
pub use progress::{Learning, OnProgress, Progress};
pub use run::Outcome;
pub use settings::{
    Balanced, CheckpointPolicy, ClassWeight, Kernels, LearnerSettings, Linear, Loss, Method, Normalization, Precision,
    Prediction,
};
pub use split::{Split, UnknownSplit};
pub use start::{PretrainedWeights, initial_weights};
