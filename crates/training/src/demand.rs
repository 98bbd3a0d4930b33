//! The memory that a step of training needs, counted from the graph.

use earmark_features::FrontEnd;
use tch::Device;

use crate::arithmetic::Arithmetic;
use crate::device::{arithmetic, gpu_memory, parse_device};
use crate::error::TrainingError;
use crate::memory::Demand;
use crate::settings::LearnerSettings;
use crate::{kernel, linear};

/// What a learner with this number of classes and training clips needs on a device.
pub(crate) fn demand(
    learner: &LearnerSettings,
    front_end: &FrontEnd,
    classes: usize,
    clips: usize,
    device: Device,
) -> Result<Demand, TrainingError> {
    let (channels, bins) = front_end.shape();
    if learner.is_of_whole_clips() {
        let fixed = match learner.is_kernel() {
            true => kernel::bytes(clips, channels),
            false => linear::bytes(clips, channels, classes),
        };
        return Ok(Demand { fixed, per_crop: 0 });
    }
    let graph = learner.graph(front_end, classes, clips)?;
    let longest = learner.windowing(front_end).frames as f32 * (1.0 + learner.augmentation.crop_length_jitter);
    let shapes = graph.shapes([1, channels, bins, longest.round() as usize]);
    let shapes = shapes.map_err(|source| TrainingError::Shape { learner: learner.name.clone(), source })?;
    let values: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
    let bytes = match arithmetic(learner.precision, device)? {
        Arithmetic::Bf16 => 2,
        Arithmetic::F32 => 4,
        Arithmetic::F64 => 8,
    };
    // A parameter, its gradient, all gradients in one tensor with two intermediate results of a
    // step, the optimizer state, and the average.
    let copies = 5 + learner.optimizer.memory().len() + usize::from(learner.ema_decay > 0.0);
    Ok(Demand { fixed: (copies * 4 * graph.parameter_count()) as u64, per_crop: bytes * values as u64 })
}

/// An estimate of the bytes of GPU memory that a learner needs for a step, or for the matrices of a
/// kernel; 0 on the CPU, where the system manages the memory.
///
/// # Errors
/// [`TrainingError::NeverFits`] if it cannot fit even if nothing else is on the GPU; the network
/// cannot take the features; the device is not available.
pub fn check_memory(
    learner: &LearnerSettings,
    front_end: &FrontEnd,
    classes: usize,
    clips: usize,
    device: &str,
) -> Result<u64, TrainingError> {
    let Some(gpu) = gpu_memory(device)? else { return Ok(0) };
    let demand = demand(learner, front_end, classes, clips, parse_device(device)?)?;
    match demand.can_never_fit(learner.batch_size, gpu.total) {
        false => Ok(demand.of_batch(learner.batch_size)),
        true => Err(TrainingError::NeverFits {
            learner: learner.name.clone(),
            device: device.to_owned(),
            batch_size: learner.batch_size,
            needs: demand.of_batch(learner.batch_size),
            total: gpu.total,
            fits: demand.largest_batch(gpu.total),
        }),
    }
}
