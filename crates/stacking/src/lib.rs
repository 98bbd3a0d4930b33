//! Level 2: the stack of learners (XGBoost, logistic regression, a mean, or the one of these that
//! suits the data), its ONNX export, and the metrics.
//!
//! Workflow: each learner's probabilities and the statistics are a [`Table`]; [`StackFeatures`]
//! combines them, [`out_of_fold`] predicts every training clip by a stack that was not fitted on
//! it, [`Stack::fit`] fits the final stack ([`Choice`] chooses its kind), [`Stack::to_onnx`]
//! exports it for tagging, and [`score`] computes the metrics.
//!
//! XGBoost's library is loaded when trees are first fitted or read; tables, averages, metrics and
//! ONNX do not need it.

pub mod averages;
mod booster;
mod candidates;
mod choice;
mod criterion;
mod error;
mod features;
mod importance;
mod judged;
mod label;
mod link;
mod logistic;
mod matrix;
mod metrics;
mod one_vs_rest;
mod onnx;
mod parallel;
mod record;
mod rewrite;
mod rows;
mod settings;
mod stack;
mod table;
mod temperature;
mod trees;
mod verdict;
mod weighted;
mod xgboost;

pub use booster::Booster;
pub use candidates::Candidate;
pub use choice::Choice;
pub use error::{Result, StackError};
pub use features::{FeatureKind, Layout, STATISTICS, StackFeatures};
pub use importance::Importance;
pub use label::Label;
pub use link::Link;
pub use logistic::Logistic;
pub use matrix::Matrix;
pub use metrics::{
    CALIBRATION_BINS, ClassDetectionScore, ClassScore, Counts, DetectionScore, DetectionScores, Difference,
    Differences, Event, EventScores, EventSettings, Interval, Intervals, LATEST_EVENT, MacroScore,
    MultiLabelClassScore, MultiLabelDifferences, MultiLabelIntervals, MultiLabelScores, PairedClass, PairedScore,
    PairedScores, RecordingEvents, ReliabilityBin, Resampling, Scores, best_thresholds, bootstrap,
    bootstrap_difference, bootstrap_mean, bootstrap_multi_label, bootstrap_multi_label_difference, calibration_error,
    co_occurrence, compare, compare_multi_label, confusion, most_probable, reliability, reliability_multi_label, score,
    score_events, score_multi_label,
};
pub use onnx::to_onnx;
pub use record::{CandidateScores, ChoiceRecord, Excluded, FoldChoice, Merits};
pub use rows::{TrainingRows, check_folds};
pub use settings::{StackKind, StackSettings, TestFrom};
pub use stack::{Stack, out_of_fold};
pub use table::Table;
pub use verdict::PairedDifference;
pub use weighted::WeightedMean;
