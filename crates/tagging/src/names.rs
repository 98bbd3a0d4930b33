//! Names and numbers of the bundle format.

/// The version of the bundle format that is written; later ones are refused.
pub(crate) const FORMAT: u32 = 2;
pub(crate) const CONFIG: &str = "config.json";
/// The file with the SHA-256 of every other file, as `sha256sum --check` reads it. It is written
/// last: a folder without it is not a complete bundle.
pub const SUMS: &str = "SHA256SUMS";
/// The variable that names the folder of installed models.
pub(crate) const MODELS: &str = "EARMARK_MODELS";
