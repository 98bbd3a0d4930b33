//! Devices, and the precision of their computations.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::error::Error;
use std::ffi::c_int;
use std::path::Path;
use std::sync::OnceLock;

use libloading::Library;
use serde::Serialize;
use tch::Device;

use crate::arithmetic::Arithmetic;
use crate::device_fault::DeviceFault;
use crate::engine::{self, GpuMemory};
use crate::error::TrainingError;
use crate::settings::Precision;

/// The precision of training. The automatic choice depends on the machine alone, never on a
/// measurement, so that a resumed job computes as it did before; `docs/decisions/0001-engines.md`
/// has the measurements.
pub(crate) fn arithmetic(precision: Precision, device: Device) -> Result<Arithmetic, TrainingError> {
    let chosen = match device {
        Device::Cuda(index) => Cuda::get().and_then(|cuda| of_gpu(precision, cuda.capability(index))),
        _ if precision == Precision::Bf16 || precision == Precision::Auto && cpu_has_bf16() => Ok(Arithmetic::Bf16),
        _ => Ok(Arithmetic::F32),
    };
    chosen.map_err(|fault| TrainingError::Device { device: name(device), fault })
}

/// The precision on a GPU of this compute capability.
fn of_gpu(precision: Precision, capability: (c_int, c_int)) -> Result<Arithmetic, DeviceFault> {
    match precision {
        Precision::F32 => Ok(Arithmetic::F32),
        Precision::Bf16 | Precision::Auto if capability >= BF16 => Ok(Arithmetic::Bf16),
        Precision::Auto => Ok(Arithmetic::F32),
        Precision::Bf16 => Err(DeviceFault::NoBf16 { capability: format!("{}.{}", capability.0, capability.1) }),
    }
}

fn name(device: Device) -> String {
    if let Device::Cuda(index) = device { format!("cuda:{index}") } else { "cpu".to_owned() }
}

/// The compute capability from which on GPUs have bf16 arithmetic.
const BF16: (c_int, c_int) = (8, 0);

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
    find(name).map_err(|fault| TrainingError::Device { device: name.to_owned(), fault })
}

fn find(name: &str) -> Result<Device, DeviceFault> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let index = name.strip_prefix("cuda:").and_then(|index| index.parse().ok());
    // A device has only one name: `cuda:00` is invalid.
    let index: usize = index.filter(|index| format!("cuda:{index}") == name).ok_or(DeviceFault::Unknown)?;
    let found = Cuda::get()?.count()?;
    if index < found { Ok(Device::Cuda(index)) } else { Err(DeviceFault::Absent { found }) }
}

/// The versions of the libraries that compute on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// libtorch.
    pub libtorch: &'static str,
    /// The CUDA runtime; `None` for the CPU, as for the rest.
    pub cuda: Option<String>,
    /// cuDNN.
    pub cudnn: Option<String>,
    /// The latest version of CUDA that the driver supports.
    pub driver: Option<String>,
    /// The compute capability of the GPU.
    pub capability: Option<String>,
    /// Bytes of the GPU's memory.
    pub memory_bytes: Option<u64>,
}

/// The versions of the libraries that compute on a device, and its properties.
///
/// # Errors
/// As [`check_device`].
pub fn versions(device: &str) -> Result<Versions, TrainingError> {
    let Device::Cuda(index) = parse_device(device)? else {
        let (cuda, cudnn, driver, capability) = Default::default();
        return Ok(Versions { libtorch: crate::LIBTORCH, cuda, cudnn, driver, capability, memory_bytes: None });
    };
    let cuda = Cuda::get().map_err(|fault| TrainingError::Device { device: device.to_owned(), fault })?;
    let (major, minor) = cuda.capability(index);
    let cudnn = tch::utils::version_cudnn();
    Ok(Versions {
        libtorch: crate::LIBTORCH,
        cuda: Some(cuda_version(cuda.runtime())),
        cudnn: Some(format!("{}.{}.{}", cudnn / 10_000, cudnn / 100 % 100, cudnn % 100)),
        driver: Some(cuda_version(cuda.driver())),
        capability: Some(format!("{major}.{minor}")),
        memory_bytes: Some(engine::memory(index)?.total),
    })
}

/// The memory of a GPU now; `None` for the CPU.
///
/// # Errors
/// As [`check_device`].
pub fn gpu_memory(device: &str) -> Result<Option<GpuMemory>, TrainingError> {
    match parse_device(device)? {
        Device::Cuda(index) => engine::memory(index).map(Some),
        _ => Ok(None),
    }
}

/// The text of a version in CUDA's numbers: 13000 is 13.0.
fn cuda_version(number: c_int) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// libtorch's library `torch_cuda`, which adds GPUs to libtorch: it registers itself when it is
/// loaded. Loading takes a second and a gigabyte of address space, so the library is loaded when a
/// GPU is first requested instead of linked. A linker would drop it anyway, because no symbol of it
/// is used.
struct Cuda(Library);

impl Cuda {
    /// Loads the library.
    #[allow(unsafe_code, reason = "the linker's interface to a library")]
    fn get() -> Result<&'static Self, DeviceFault> {
        static CUDA: OnceLock<Result<Cuda, DeviceFault>> = OnceLock::new();
        // The system searches for this name where it found libtorch itself: in LD_LIBRARY_PATH and
        // in the program's folder.
        let name = format!("{DLL_PREFIX}torch_cuda{DLL_SUFFIX}");
        // SAFETY: loading runs the library's initializers; it is part of the libtorch that this
        // program already uses.
        let load = || {
            let library = unsafe { Library::new(&name) }.map_err(|error| load_fault(&name, &error))?;
            load_compiler();
            if engine::knows_cuda() { Ok(Cuda(library)) } else { Err(DeviceFault::TooLate) }
        };
        CUDA.get_or_init(load).as_ref().map_err(Clone::clone)
    }

    /// Number of GPUs.
    fn count(&self) -> Result<usize, DeviceFault> {
        /// Error codes of the CUDA runtime.
        const INSUFFICIENT_DRIVER: c_int = 35;
        const NO_DEVICE: c_int = 100;
        let needed = || cuda_version(self.runtime());
        match self.number("cudaGetDeviceCount") {
            Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
            Err(NO_DEVICE) => Ok(0),
            Err(INSUFFICIENT_DRIVER) => Err(match self.driver() {
                0 => DeviceFault::NoDriver { needed: needed() },
                driver => DeviceFault::OldDriver { supported: cuda_version(driver), needed: needed() },
            }),
            Err(code) => Err(DeviceFault::Unusable { reason: format!("error {code} of cudaGetDeviceCount") }),
        }
    }

    fn runtime(&self) -> c_int {
        self.number("cudaRuntimeGetVersion").unwrap_or(0)
    }

    fn driver(&self) -> c_int {
        self.number("cudaDriverGetVersion").unwrap_or(0)
    }

    /// A GPU's compute capability; the lowest one if it cannot be read.
    #[allow(unsafe_code, reason = "a function of the CUDA runtime")]
    fn capability(&self, gpu: usize) -> (c_int, c_int) {
        type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
        let attribute = |number: c_int| -> Option<c_int> {
            let (mut value, gpu) = (0, c_int::try_from(gpu).ok()?);
            // SAFETY: this is the function's type; it writes one number.
            unsafe {
                let function = self.0.get::<Attribute>(c"cudaDeviceGetAttribute").ok()?;
                (function(&raw mut value, number, gpu) == 0).then_some(value)
            }
        };
        // cudaDevAttrComputeCapabilityMajor and Minor.
        attribute(75).zip(attribute(76)).unwrap_or_default()
    }

    /// The number that a function of the CUDA runtime writes, or the code of its error. A library's
    /// symbols include those of the libraries that it needs.
    #[allow(unsafe_code, reason = "a function of the CUDA runtime")]
    fn number(&self, function: &str) -> Result<c_int, c_int> {
        type Number = unsafe extern "C" fn(*mut c_int) -> c_int;
        let mut value = 0;
        // SAFETY: all functions that are asked for have this type, and write one number.
        let code = unsafe {
            let Ok(function) = self.0.get::<Number>(function) else { return Err(-1) };
            function(&raw mut value)
        };
        if code == 0 { Ok(value) } else { Err(code) }
    }
}

/// Loads CUDA's run-time compiler, which some of cuDNN's convolutions need. It opens a library
/// beside it by name, which the system finds only if it is loaded already. PyTorch does the same.
#[allow(unsafe_code, reason = "the linker's interface to a library")]
fn load_compiler() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths = maps.split_whitespace().map(Path::new);
    let runtime =
        paths.find(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"libcudart.so")));
    let Some(folder) = runtime.and_then(Path::parent) else { return };
    let names: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    for start in ["libnvrtc-builtins.so.", "libnvrtc.so."] {
        for name in names.iter().filter(|name| name.as_encoded_bytes().starts_with(start.as_bytes())) {
            // SAFETY: these are libraries of the CUDA that is loaded. Without them, cuDNN uses
            // other convolutions.
            unsafe { Library::new(folder.join(name)) }.map(std::mem::forget).unwrap_or_default();
        }
    }
}

/// Why the library was not loaded: it is not installed, or something that it needs is missing.
fn load_fault(name: &str, error: &libloading::Error) -> DeviceFault {
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    // The message begins with the file that was not found.
    match reason.starts_with(name) && reason.contains("No such file") {
        true => DeviceFault::NoCuda,
        false => DeviceFault::Libraries { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_name() {
        assert_eq!(parse_device("cpu").unwrap(), Device::Cpu);
        for name in ["", "gpu", "cuda", "cuda:", "cuda:+1", "cuda:00", "cuda:0,cuda:1"] {
            assert_eq!(find(name), Err(DeviceFault::Unknown), "{name}");
        }
        let error = check_device("cuda:4096").unwrap_err();
        assert!(matches!(&error, TrainingError::Device { device, .. } if device == "cuda:4096"), "{error}");
    }

    #[test]
    fn old_gpus_have_no_bf16() {
        let all = [Precision::Auto, Precision::F32, Precision::Bf16];
        assert_eq!(
            all.map(|precision| of_gpu(precision, (8, 0))),
            [Ok(Arithmetic::Bf16), Ok(Arithmetic::F32), Ok(Arithmetic::Bf16)]
        );
        let none = Err(DeviceFault::NoBf16 { capability: "7.5".to_owned() });
        assert_eq!(all.map(|precision| of_gpu(precision, (7, 5))), [Ok(Arithmetic::F32), Ok(Arithmetic::F32), none]);
    }

    #[test]
    fn versions_are_text() {
        assert_eq!([13_000, 12_040, 0].map(cuda_version), ["13.0", "12.4", "0.0"]);
        assert_eq!(versions("cpu").unwrap().cuda, None);
    }
}
