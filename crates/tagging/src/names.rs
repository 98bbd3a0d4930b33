//! Names and numbers that a bundle has.

/// The version of the bundle's form; one with another number is refused.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const CONFIG: &str = "config.json";
/// What makes probabilities of a network's logits.
pub(crate) const ACTIVATION: &str = "softmax";
/// The file with the SHA-256 of every other file, as `sha256sum --check` reads it. Written last: a
/// folder without it is no bundle yet.
pub const SUMS: &str = "SHA256SUMS";
