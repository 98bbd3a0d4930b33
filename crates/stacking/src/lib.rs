//! Level 2: the stack of learners by XGBoost, its ONNX, and the metrics.

pub mod averages;
mod error;
mod metrics;
mod table;

pub use error::{Result, StackError};
pub use metrics::{ClassScore, Scores, score};
pub use table::Table;
