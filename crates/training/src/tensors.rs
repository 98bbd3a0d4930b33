//! Tensors and the arrays of weights.

use tch::{Device, Kind, Tensor};

use crate::error::TrainingError;

/// A tensor's values in row-major order, as `f32` in memory.
pub(crate) fn values(tensor: &Tensor) -> Result<Vec<f32>, TrainingError> {
    let flat = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_reshape([-1])?;
    let mut out = vec![0.0; flat.numel()];
    flat.f_copy_data(&mut out, flat.numel())?;
    Ok(out)
}

pub(crate) fn array(tensor: &Tensor, shape: &[usize]) -> Result<earmark_nets::Array, TrainingError> {
    Ok(earmark_nets::Array { shape: shape.to_vec(), data: values(&tensor.f_detach()?)? })
}

/// The same values in channels-last memory format, which is fastest for CPU and GPU kernels; only
/// arrays of four dimensions have such a format.
pub(crate) fn channels_last(tensor: &Tensor) -> Result<Tensor, TrainingError> {
    if tensor.dim() != 4 {
        return Ok(tensor.shallow_clone());
    }
    Ok(tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}
