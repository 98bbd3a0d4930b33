//! The precision in which a network computes.

use tch::Kind;

/// The precision in which a network computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// 32 bits, and 16 (bfloat16) in convolutions.
    Bf16,
    /// 32 bits.
    F32,
    /// 64 bits, for comparisons of gradients. In 32 bits, a deep network has values so close to the
    /// kink of a ReLU that rounding puts them on either side.
    F64,
}

impl Arithmetic {
    /// The kind of all operations except convolutions.
    pub(crate) fn kind(self) -> Kind {
        if self == Self::F64 { Kind::Double } else { Kind::Float }
    }
}
