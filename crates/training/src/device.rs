//! Devices, and the precision of their computations.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::sync::OnceLock;

use libloading::Library;
use tch::Device;

use crate::arithmetic::Arithmetic;
use crate::error::TrainingError;
use crate::settings::Precision;

/// The precision of training. The automatic choice depends on the machine alone, never on a
/// measurement, so that a resumed job computes as it did before; `docs/decisions/0001-engines.md`
/// has the measurements.
pub(crate) fn arithmetic(precision: Precision, device: Device) -> Arithmetic {
    match precision {
        Precision::Bf16 => Arithmetic::Bf16,
        Precision::Auto if device.is_cuda() || cpu_has_bf16() => Arithmetic::Bf16,
        Precision::F32 | Precision::Auto => Arithmetic::F32,
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has_bf16() -> bool {
    false
}

/// Checks that a device is known and available.
///
/// # Errors
/// A name other than `cpu` and `cuda:N`, or a GPU that is not available.
pub fn check_device(name: &str) -> Result<(), TrainingError> {
    parse_device(name).map(|_| ())
}

pub(crate) fn parse_device(name: &str) -> Result<Device, TrainingError> {
    let fault = |reason| TrainingError::Device { device: name.to_owned(), reason };
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let index = name.strip_prefix("cuda:").and_then(|index| index.parse().ok());
    // A device has only one name: `cuda:00` is invalid.
    let index: usize = index
        .filter(|index| format!("cuda:{index}") == name)
        .ok_or_else(|| fault("expected cpu, or cuda:0, cuda:1, ..."))?;
    if !has_cuda() {
        return Err(fault("this libtorch has no CUDA support; `cargo xtask setup --cuda` installs one that does"));
    }
    if index as i64 >= tch::Cuda::device_count() {
        return Err(fault("CUDA finds no such GPU on this machine; `nvidia-smi` lists those that its driver finds"));
    }
    Ok(Device::Cuda(index))
}

/// Whether libtorch supports GPUs. The library `torch_cuda` adds this support: it registers itself
/// with libtorch when it is loaded. Loading takes a second and a gigabyte of address space, so the
/// library is loaded when a GPU is first requested instead of linked. A linker would drop it
/// anyway, because no symbol of it is used.
#[allow(unsafe_code, reason = "the linker's interface to a library")]
fn has_cuda() -> bool {
    static CUDA: OnceLock<Option<Library>> = OnceLock::new();
    // The system searches for this name where it found libtorch itself: in LD_LIBRARY_PATH and in
    // the program's folder.
    let name = format!("{DLL_PREFIX}torch_cuda{DLL_SUFFIX}");
    // SAFETY: loading runs the library's initializers; it is part of the libtorch that this program
    // already uses.
    CUDA.get_or_init(|| unsafe { Library::new(name) }.ok()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_name() {
        assert_eq!(parse_device("cpu").unwrap(), Device::Cpu);
        for name in ["", "gpu", "cuda", "cuda:", "cuda:+1", "cuda:00", "cuda:0,cuda:1", "cuda:4096"] {
            let error = check_device(name).unwrap_err();
            assert!(matches!(&error, TrainingError::Device { device, .. } if device == name), "{error}");
        }
    }
}
