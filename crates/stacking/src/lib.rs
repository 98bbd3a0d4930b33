//! Level 2: the stack of learners by XGBoost, its ONNX, and the metrics.
//!
//! The way: learners' probabilities and statistics as a [`Table`] each, [`Table::hstack`] puts them side by side,
//! [`out_of_fold`] predicts every training clip by trees that never saw it, [`fit_full`] makes the trees that are
//! kept, [`to_onnx`] writes them for tagging, [`score`] judges.
//!
//! XGBoost's library is opened when trees are first learned or read; tables, averages, metrics and ONNX need none.

pub mod averages;
mod booster;
mod error;
mod matrix;
mod metrics;
mod onnx;
mod rewrite;
mod settings;
mod stack;
mod table;
mod trees;
mod xgboost;

pub use booster::Booster;
pub use error::{Result, StackError};
pub use matrix::Matrix;
pub use metrics::{
    CALIBRATION_BINS, ClassScore, Difference, Differences, Interval, Intervals, ReliabilityBin, Resampling, Scores,
    bootstrap, bootstrap_difference, bootstrap_mean, confusion, reliability, score,
};
pub use onnx::to_onnx;
pub use settings::{StackSettings, TestFrom};
pub use stack::{fit_full, out_of_fold};
pub use table::Table;
