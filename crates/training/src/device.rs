//! Devices, and what they compute in.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::sync::OnceLock;

use libloading::Library;
use tch::Device;

use crate::arithmetic::Arithmetic;
use crate::error::TrainingError;
use crate::settings::Precision;

/// What training computes in. The automatic choice depends on the machine alone, never on a
/// measurement, so that a resumed job computes as it did before; `docs/decisions/0001-engines.md`
/// has the figures behind it.
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

/// Whether a device is known and there.
///
/// # Errors
/// A name other than `cpu` and `cuda:N`, or a GPU that is not there.
pub fn check_device(name: &str) -> Result<(), TrainingError> {
    parse_device(name).map(|_| ())
}

pub(crate) fn parse_device(name: &str) -> Result<Device, TrainingError> {
    let fault = |reason| TrainingError::Device { device: name.to_owned(), reason };
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let index = name.strip_prefix("cuda:").and_then(|index| index.parse().ok());
    // A device has one name: `cuda:00` is none.
    let index: usize = index
        .filter(|index| format!("cuda:{index}") == name)
        .ok_or_else(|| fault("expected cpu, or cuda:0, cuda:1, ..."))?;
    if !has_cuda() {
        return Err(fault("this libtorch has no part for GPUs; `cargo xtask setup --cuda` installs one that has"));
    }
    if index as i64 >= tch::Cuda::device_count() {
        return Err(fault("CUDA finds no such GPU on this machine; `nvidia-smi` lists those that its driver finds"));
    }
    Ok(Device::Cuda(index))
}

/// Whether libtorch drives GPUs, which the library `torch_cuda` does. It registers itself with
/// libtorch when it is opened. That takes a second and a gigabyte of address space, so it is opened
/// when a GPU is first named, and not linked: a linker drops a library of which it uses no symbol
/// anyway.
#[allow(unsafe_code, reason = "the linker's interface to a library")]
fn has_cuda() -> bool {
    static CUDA: OnceLock<Option<Library>> = OnceLock::new();
    // The system looks for this name where it found libtorch itself: in LD_LIBRARY_PATH and beside
    // the program.
    let name = format!("{DLL_PREFIX}torch_cuda{DLL_SUFFIX}");
    // SAFETY: the library's initialisers run; it is part of the libtorch that this program runs on
    // already.
    CUDA.get_or_init(|| unsafe { Library::new(name) }.ok()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_name() {
        assert_eq!(parse_device("cpu").unwrap(), Device::Cpu);
        for (name, reason) in [
            ("", "expected cpu"),
            ("gpu", "expected cpu"),
            ("cuda", "expected cpu"),
            ("cuda:", "expected cpu"),
            ("cuda:+1", "expected cpu"),
            ("cuda:00", "expected cpu"),
            ("cuda:0,cuda:1", "expected cpu"),
            ("cuda:4096", "GPU"),
        ] {
            let message = check_device(name).unwrap_err().to_string();
            assert!(message.contains(&format!("{name:?}")) && message.contains(reason), "{message}");
        }
    }
}
