//! Why a device cannot be used.

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// Not a name of a device.
    #[error("expected cpu, or cuda:0 for the first GPU, cuda:1 for the second, ...")]
    Unknown,
    /// The installed libtorch is the one for CPUs.
    #[error("this libtorch has no CUDA support; `cargo xtask setup --cuda` installs one that does")]
    NoCuda,
    /// libtorch's CUDA part does not load: a library that it needs is missing, or is of another
    /// version.
    #[error(
        "libtorch's CUDA part does not load: {reason}; its libraries must all be of the versions that `cargo \
        xtask setup --cuda` installs"
    )]
    Libraries {
        /// The system's message, which names the library.
        reason: String,
    },
    /// libtorch looked for its CUDA part before it was loaded.
    #[error(
        "this process has computed on the CPU before, and libtorch cannot use GPUs after that; check the device \
        first"
    )]
    TooLate,
    /// There is no NVIDIA driver.
    #[error(
        "this machine has no NVIDIA driver; install one that supports CUDA {needed} (a container needs `--gpus all`)"
    )]
    NoDriver {
        /// The version of CUDA that libtorch needs.
        needed: String,
    },
    /// The driver is too old for this libtorch.
    #[error("its driver supports CUDA up to {supported}, and this libtorch needs {needed}: update the NVIDIA driver")]
    OldDriver {
        /// The latest version of CUDA that the driver supports.
        supported: String,
        /// The version of CUDA that libtorch needs.
        needed: String,
    },
    /// There is no GPU with this number.
    #[error("CUDA finds {found} {} on this machine, numbered from 0; `nvidia-smi` lists those that the driver finds, \
        and CUDA_VISIBLE_DEVICES can hide some", if *found == 1 { "GPU" } else { "GPUs" })]
    Absent {
        /// How many there are.
        found: usize,
    },
    /// The GPU cannot be used now.
    #[error("CUDA cannot use the GPU: {reason}")]
    Unusable {
        /// CUDA's message.
        reason: String,
    },
    /// The GPU has no bf16 arithmetic.
    #[error("the GPU has compute capability {capability}, and bf16 needs 8.0: set `precision` to \"auto\" or \"f32\"")]
    NoBf16 {
        /// Its compute capability.
        capability: String,
    },
}
