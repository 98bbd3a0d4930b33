//! Arguments of `earmark export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::LimitOptions;

/// `earmark export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The bundle, such as the folder RUN/bundle, or the name of an installed model
    #[arg(value_name = "BUNDLE|NAME")]
    pub model: String,
    /// The file to write; its model card, with examples in Python, JavaScript and C++, is written
    /// beside it, as X.md
    #[arg(long, value_name = "X.onnx")]
    pub out: PathBuf,
    /// The precision of the networks' weights; with f16 and int8 the file is smaller, not faster,
    /// and --calibration measures the loss
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    pub precision: Precision,
    /// Sounds, or folders of them, on which the scores are compared with those of f32
    #[arg(long, value_name = "PATH", num_args = 1..)]
    #[arg(required_if_eq_any = [("precision", "f16"), ("precision", "int8")])]
    pub calibration: Vec<PathBuf>,
    /// Only this learner of the bundle, without the others and level 2
    #[arg(long, value_name = "NAME")]
    pub learner: Option<String>,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// [`earmark_export::Precision`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 32-bit floats
    F32,
    /// 16-bit floats: half the size
    F16,
    /// 8-bit integers with a factor for each channel: a quarter of the size
    Int8,
}

impl From<Precision> for earmark_export::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
            Precision::Int8 => Self::Int8,
        }
    }
}
