//! What a network computes in.

use tch::Kind;

/// What a network computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32 bits, and 16 (bfloat16) in convolutions.
    Bf16,
    /// 32 bits.
    F32,
    /// 64 bits: for comparisons of gradients. In 32 bits, a deep network has values so near the
    /// corner of a ReLU that rounding puts them on either side.
    F64,
}

impl Arithmetic {
    /// Of all but convolutions.
    pub(crate) fn kind(self) -> Kind {
        if self == Self::F64 { Kind::Double } else { Kind::Float }
    }
}
