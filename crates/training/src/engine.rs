//! Settings of libtorch's GPU engines, the memory of GPUs, and streams: the interface to
//! `engine.cpp`.
#![allow(unsafe_code, reason = "calls of functions in C++")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_int};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::error::TrainingError;

/// How libtorch computes on GPUs; it applies to all jobs of the process. None of this affects the
/// CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "expected a table such as [gpu] with `tf32 = false`")]
pub struct GpuSettings {
    /// Whether cuDNN times its algorithms for each new shape and keeps the fastest. Learners with
    /// `crop_length_jitter` have a new shape in each batch, so with them it stays off.
    pub cudnn_benchmark: bool,
    /// Whether convolutions and matrix products in 32 bits round their inputs to TF32, 11
    /// significant bits.
    pub tf32: bool,
    /// Whether images are stored channel by channel within a pixel, which is the fastest order for
    /// bf16.
    pub channels_last: bool,
    /// Whether only deterministic kernels are used: two runs on the same GPU with the same
    /// libraries are then bit-identical. Slower; an operation without such a kernel warns.
    pub deterministic: bool,
    /// Whether the features of all clips stay in a GPU's memory, if they fit.
    pub resident_features: bool,
}

const DEFAULT: GpuSettings = GpuSettings {
    cudnn_benchmark: true,
    tf32: true,
    channels_last: true,
    deterministic: false,
    resident_features: true,
};

impl Default for GpuSettings {
    fn default() -> Self {
        DEFAULT
    }
}

/// The current settings.
static SETTINGS: RwLock<GpuSettings> = RwLock::new(DEFAULT);

/// Sets how libtorch computes on GPUs, for all later jobs of the process.
///
/// # Errors
/// libtorch refuses a setting.
pub fn configure(settings: GpuSettings) -> Result<(), TrainingError> {
    let GpuSettings { cudnn_benchmark, tf32, deterministic, .. } = settings;
    // cuDNN's choice by time differs from run to run.
    let benchmark = cudnn_benchmark && !deterministic;
    // SAFETY: the function takes values and keeps no pointer.
    check(unsafe { earmark_configure(benchmark, tf32, deterministic) })?;
    *SETTINGS.write().unwrap_or_else(PoisonError::into_inner) = settings;
    Ok(())
}

/// The settings of the last [`configure`], or the defaults.
pub(crate) fn settings() -> GpuSettings {
    *SETTINGS.read().unwrap_or_else(PoisonError::into_inner)
}

/// The memory of a GPU, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuMemory {
    /// Free on the GPU. Memory that libtorch keeps for later tensors is not free.
    pub free: u64,
    /// All of the GPU's memory.
    pub total: u64,
    /// Taken by libtorch in this process, for tensors and to keep for later ones.
    pub reserved: u64,
    /// The largest value of `reserved` so far, or since it was last reset.
    pub peak: u64,
}

/// The memory of a GPU now.
pub(crate) fn memory(gpu: usize) -> Result<GpuMemory, TrainingError> {
    let mut out = [0; 4];
    // SAFETY: the function writes four values, which `out` has room for.
    check(unsafe { earmark_memory(index(gpu), out.as_mut_ptr()) })?;
    let [free, total, reserved, peak] = out;
    Ok(GpuMemory { free, total, reserved, peak })
}

/// Starts a new peak of a GPU's memory.
pub(crate) fn start_peak(gpu: usize) -> Result<(), TrainingError> {
    // SAFETY: the function takes a value.
    check(unsafe { earmark_start_peak(index(gpu)) })
}

/// Returns the memory that libtorch keeps for later tensors.
pub(crate) fn empty_cache() -> Result<(), TrainingError> {
    // SAFETY: the function has no arguments.
    check(unsafe { earmark_empty_cache() })
}

/// Whether libtorch knows of its CUDA part, once that is loaded. If not, a computation on the CPU
/// came first, and libtorch had looked for it then.
pub(crate) fn knows_cuda() -> bool {
    // SAFETY: the function has no arguments.
    unsafe { earmark_knows_cuda() }
}

/// Waits until a GPU has finished all queued work.
pub(crate) fn synchronize(gpu: usize) -> Result<(), TrainingError> {
    // SAFETY: the function takes a value.
    check(unsafe { earmark_synchronize(index(gpu)) })
}

/// Gives the calling thread a stream of its own, so that a GPU can work on several jobs at once. A
/// thread keeps its stream, because memory that was used in one stream is not reused in another.
pub(crate) fn use_own_stream(device: Device) -> Result<(), TrainingError> {
    thread_local! {
        static OWN: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
    }
    let Device::Cuda(gpu) = device else { return Ok(()) };
    if !OWN.with_borrow(|own| own.contains(&gpu)) {
        // SAFETY: the function takes a value.
        check(unsafe { earmark_use_own_stream(index(gpu)) })?;
        OWN.with_borrow_mut(|own| own.insert(gpu));
    }
    Ok(())
}

/// A copy of a CPU tensor in page-locked memory, from which a GPU copies while the program
/// continues. For the CPU, the tensor itself.
pub(crate) fn pinned(tensor: Tensor, device: Device) -> Result<Tensor, TrainingError> {
    if !device.is_cuda() {
        return Ok(tensor);
    }
    let mut out = std::ptr::null_mut();
    // SAFETY: both pointers are valid during the call; on success, the function has made a tensor
    // that belongs to the caller.
    unsafe {
        check(earmark_pin(tensor.as_ptr(), &raw mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// The tensor on a device. A copy from page-locked memory does not wait for the GPU.
pub(crate) fn uploaded(tensor: &Tensor, device: Device) -> Result<Tensor, TrainingError> {
    match device.is_cuda() {
        true => Ok(tensor.f_internal_to_copy((tensor.kind(), device), true)?),
        false => Ok(tensor.shallow_clone()),
    }
}

/// Batch norm in training of `x`, `[batch, channels, height, width]` in channels-last memory, by
/// kernels that see rows of `repeats` pixels. `parameters` are scale, shift, running mean and
/// running variance; the last two are updated.
pub(crate) fn wide_batch_norm(
    x: &Tensor,
    parameters: [&Tensor; 4],
    momentum: f64,
    epsilon: f64,
    repeats: i64,
) -> Result<Tensor, TrainingError> {
    let [scale, shift, mean, variance] = parameters.map(Tensor::as_ptr);
    let mut out = std::ptr::null_mut();
    // SAFETY: all pointers are valid during the call; on success, the function has made a tensor
    // that belongs to the caller.
    unsafe {
        check(earmark_wide_batch_norm(
            x.as_ptr(),
            scale,
            shift,
            mean,
            variance,
            momentum,
            epsilon,
            repeats,
            &raw mut out,
        ))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// Performs a step of `torch.optim.SGD` in one operation.
pub(crate) fn fused_sgd(
    [parameters, gradient, velocity]: [&mut Tensor; 3],
    weight_decay: f64,
    momentum: f64,
    rate: f64,
    nesterov: bool,
) -> Result<(), TrainingError> {
    let [parameters, gradient, velocity] = [parameters, gradient, velocity].map(Tensor::as_mut_ptr);
    // SAFETY: the tensors are valid during the call, which changes their values.
    check(unsafe { earmark_fused_sgd(parameters, gradient, velocity, weight_decay, momentum, rate, nesterov) })
}

/// Performs a step of `torch.optim.AdamW` in one operation. `steps` counts the steps, this one
/// included; `decays` are those of the two moments.
pub(crate) fn fused_adamw(
    [parameters, gradient, mean, square, steps]: [&mut Tensor; 5],
    rate: f64,
    decays: [f64; 2],
    weight_decay: f64,
    epsilon: f64,
) -> Result<(), TrainingError> {
    let [parameters, gradient, mean, square, steps] =
        [parameters, gradient, mean, square, steps].map(Tensor::as_mut_ptr);
    let [of_mean, of_square] = decays;
    // SAFETY: as above.
    check(unsafe {
        earmark_fused_adamw(parameters, gradient, mean, square, steps, rate, of_mean, of_square, weight_decay, epsilon)
    })
}

fn index(gpu: usize) -> c_int {
    c_int::try_from(gpu).unwrap_or(c_int::MAX)
}

fn check(message: *mut c_char) -> Result<(), TrainingError> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message is a string that ends with a zero, and belongs to the caller, who releases
    // it once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        earmark_free(message);
        text
    };
    Err(TrainingError::torch(&text))
}

unsafe extern "C" {
    fn earmark_free(text: *mut c_char);
    fn earmark_configure(benchmark: bool, tf32: bool, deterministic: bool) -> *mut c_char;
    fn earmark_memory(index: c_int, out: *mut u64) -> *mut c_char;
    fn earmark_start_peak(index: c_int) -> *mut c_char;
    fn earmark_empty_cache() -> *mut c_char;
    fn earmark_use_own_stream(index: c_int) -> *mut c_char;
    fn earmark_knows_cuda() -> bool;
    fn earmark_synchronize(index: c_int) -> *mut c_char;
    fn earmark_fused_sgd(
        parameters: *mut C_tensor,
        gradient: *mut C_tensor,
        velocity: *mut C_tensor,
        weight_decay: f64,
        momentum: f64,
        rate: f64,
        nesterov: bool,
    ) -> *mut c_char;
    fn earmark_fused_adamw(
        parameters: *mut C_tensor,
        gradient: *mut C_tensor,
        mean: *mut C_tensor,
        square: *mut C_tensor,
        steps: *mut C_tensor,
        rate: f64,
        mean_decay: f64,
        square_decay: f64,
        weight_decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
    fn earmark_wide_batch_norm(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        running_mean: *const C_tensor,
        running_variance: *const C_tensor,
        momentum: f64,
        epsilon: f64,
        repeats: i64,
        out: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn earmark_pin(tensor: *const C_tensor, out: *mut *mut C_tensor) -> *mut c_char;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_there_is_an_error_and_no_abort() {
        configure(GpuSettings::default()).unwrap();
        assert_eq!(settings(), GpuSettings::default());
        use_own_stream(Device::Cpu).unwrap();
        if crate::check_device("cuda:0").is_err() {
            for result in
                [memory(0).map(|_| ()), start_peak(0), empty_cache(), synchronize(0), use_own_stream(Device::Cuda(0))]
            {
                assert!(matches!(result, Err(TrainingError::Torch(_))), "{result:?}");
            }
        }
    }

    #[test]
    fn the_defaults_in_a_recipe_are_those_of_the_process() {
        assert_eq!(serde_json::from_str::<GpuSettings>("{}").unwrap(), GpuSettings::default());
    }
}
