//! Convolutions by libtorch, in bf16 where its kernels are correct.

use std::sync::OnceLock;

use earmark_nets::Window;
use tch::{Device, Kind, Tensor};

use crate::arithmetic::Arithmetic;
use crate::error::TrainingError;

/// The shape of a convolution, without batch and height, which no fault depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Number of groups; channels of different groups are not connected.
    pub groups: usize,
    /// Kernel, stride and padding.
    pub window: Window,
    /// Columns of the input.
    pub width: usize,
}

impl Shape {
    /// Whether the CPU's bf16 kernels are correct for this shape.
    ///
    /// Those of libtorch 2.11 (oneDNN 3.10) are not in the cases below: they read uninitialized
    /// memory, write past the end of their buffers, or never return. Each condition covers more
    /// than the shapes on which failures were observed; `docs/decisions/0004-bf16-gradients.md`
    /// describes the search and has a script for each case.
    fn is_safe_in_bf16(&self) -> bool {
        if !has_safe_kernels() {
            return false;
        }
        let Self { inputs, outputs, groups, window: Window { kernel, stride, .. }, width } = *self;
        let is_depthwise = groups > 1 && inputs == groups;
        // The weight gradient reads uninitialized memory: observed for one column with a stride of
        // 2, and three columns with a stride of 4.
        let is_narrow = kernel[1] > 1 && width < stride[1];
        // With fewer than 16 channels, the weight gradient writes past the end of its buffer.
        let is_strided_point = kernel == [1, 1] && stride != [1, 1] && inputs / groups < 16;
        // The forward pass reads uninitialized memory if only the columns have a stride.
        let is_multiplied = is_depthwise && outputs != inputs;
        // Kernels of 15 or more columns never return.
        let is_wide = is_depthwise && kernel[1] > 13;
        !(is_narrow || is_strided_point || is_multiplied || is_wide)
    }
}

/// The environment variable that limits the instruction sets that oneDNN uses.
const ISA: &str = "ONEDNN_MAX_CPU_ISA";
/// The values that disable AMX but keep bf16.
const WITHOUT_AMX: [&str; 2] = ["AVX512_CORE_BF16", "AVX512_CORE_FP16"];

/// Whether oneDNN's bf16 kernels are correct on this processor. Those for AMX, on Intel Xeons since
/// 2023, read uninitialized memory in strided convolutions of many shapes. `earmark` disables AMX
/// in oneDNN when it starts `earmark-train`; other programs can set the variable themselves.
fn has_safe_kernels() -> bool {
    static SAFE: OnceLock<bool> = OnceLock::new();
    *SAFE.get_or_init(|| !has_amx() || std::env::var(ISA).is_ok_and(|isa| WITHOUT_AMX.contains(&isa.as_str())))
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, unused_unsafe, reason = "a safe function since Rust 1.94")]
fn has_amx() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    // SAFETY: every x86-64 processor has the instruction; for leaves above the highest, it returns
    // the data of the highest.
    std::arch::is_x86_feature_detected!("avx512bf16")
        && unsafe { std::arch::x86_64::__cpuid_count(7, 0) }.edx & AMX_BF16 != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn has_amx() -> bool {
    false
}

/// The convolution of `x`, `[batch, inputs, height, width]`, in the precision of the arithmetic, or
/// in f32 where bf16 would be wrong: such layers are small, or do not occur in any network of the
/// registry.
pub(crate) fn convolution(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: Window,
    groups: usize,
    arithmetic: Arithmetic,
) -> Result<Tensor, TrainingError> {
    let size = |tensor: &Tensor, at: usize| tensor.size().get(at).map_or(0, |&side| side as usize);
    let shape = Shape { inputs: size(x, 1), outputs: size(weight, 0), groups, window, width: size(x, 3) };
    let kind = match arithmetic {
        Arithmetic::Bf16 if x.device() == Device::Cpu && !shape.is_safe_in_bf16() => Kind::Float,
        Arithmetic::Bf16 => Kind::BFloat16,
        Arithmetic::F32 => Kind::Float,
        Arithmetic::F64 => Kind::Double,
    };
    let [stride, padding] = [window.stride, window.padding].map(|pair| pair.map(|side| side as i64));
    let bias = bias.map(|bias| bias.f_to_kind(kind)).transpose()?;
    Ok(x.f_to_kind(kind)?.f_conv2d(&weight.f_to_kind(kind)?, bias, stride, padding, [1, 1], groups as i64)?)
}

#[cfg(test)]
mod tests;
