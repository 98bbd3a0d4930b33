//! Feature extraction from samples: log-mel, MFCC, deltas and statistics, equal to librosa's.
//!
//! A [`FrontEnd`] contains the settings, as written in recipes and bundles; [`FrontEnd::extractor`]
//! creates the [`Extractor`], which serves many clips and many threads. The names and the meaning
//! of the settings are librosa's (0.11).
//!
//! ```
//! use earmark_features::FrontEnd;
//! let front_end = FrontEnd::default(); // log-mel with deltas, as the reference system has it
//! let extractor = front_end.extractor()?;
//! let second: Vec<f32> = (0..22_050).map(|n| (0.1 * n as f32).sin()).collect();
//! let features = extractor.extract(&second)?;
//! assert_eq!((features.channels, features.bins, features.frames), (3, 64, 101));
//! # Ok::<(), earmark_features::FeatureError>(())
//! ```

mod crops;
mod db;
mod delta;
mod embedding;
mod extract;
mod features;
mod frame_buffer;
mod front_end;
mod layers;
mod mel;
mod mfcc;
mod moments;
mod npy;
mod npy_writer;
mod powers;
mod scaling;
mod setting_fault;
mod settings;
mod spectrogram;
mod statistics;
mod stft;
mod stream;
mod summary;
mod view;
mod windowing;

pub use crops::{CropPosition, CropSpec, Padding, fixed_crop, windows};
pub use db::power_to_db;
pub use delta::{DeltaFilter, DeltaMode, DeltaSettings, DeltaWeights, delta};
pub use embedding::{EmbeddingNetwork, EmbeddingNetworks};
pub use extract::Extractor;
pub use features::Features;
pub use front_end::FrontEnd;
pub use layers::Layers;
pub use mel::{hz_to_mel, mel_to_hz};
pub use mfcc::dct_matrix;
pub use npy::npy;
pub use npy_writer::NpyWriter;
pub use powers::melspectrogram;
pub use scaling::{InputScaling, Scaling};
pub use setting_fault::setting_fault;
pub use settings::{Bands, MelSettings, Norm, PadMode, Reference, Window};
pub use statistics::{
    MfccStatistics, Statistic, StatisticSet, StatisticsExtractor, StatisticsStream, mfcc_statistics,
    mfcc_statistics_names,
};
pub use stream::FeatureStream;
pub use summary::{SUMMARY, SummaryConstants};
pub use view::{FeatureView, Values};
pub use windowing::{Activation, WindowAggregation, Windowing};

/// Why features could not be extracted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A setting is out of its range.
    #[error("`{key}` = {value} is out of range ({allowed})")]
    Setting {
        /// The setting's name, as in the recipe.
        key: &'static str,
        /// Its value.
        value: String,
        /// The allowed range or values.
        allowed: String,
    },
    /// The clip has no samples.
    #[error("the clip has no samples")]
    Empty,
    /// A sample is NaN or infinite.
    #[error("sample {index} of the clip is {value}, not a finite number")]
    NotFinite {
        /// Index of the first such sample, from 0.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// The clip has no complete frame: without centering it must fill one, and pre-emphasis drops
    /// its first sample.
    #[error("the clip is too short for these features: samples: {samples}, at least {needed} are needed")]
    TooShort {
        /// Samples in the clip.
        samples: usize,
        /// Samples of the shortest clip with a frame.
        needed: usize,
    },
    /// The network of an embedding is missing.
    #[error("the embedding of {model} needs its network, which this command does not have")]
    NoNetwork {
        /// The model that it belongs to.
        model: String,
    },
    /// The network of an embedding failed.
    #[error("the network of the embedding failed: {reason}")]
    Embedding {
        /// The reason.
        reason: String,
    },
    /// Samples were pushed into a finished stream.
    #[error("samples came after the stream was finished")]
    Finished,
}
