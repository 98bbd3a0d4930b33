//! Samples to features: log-mel, MFCC, deltas, statistics, equal to librosa's.
//!
//! A [`FrontEnd`] is the setting, written in recipes and bundles; [`FrontEnd::extractor`] makes the
//! [`Extractor`] that does the work, once for many clips and from many threads. Names and meaning
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
mod extract;
mod features;
mod front_end;
mod mel;
mod mfcc;
mod moments;
mod npy;
mod npy_writer;
mod powers;
mod rows;
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

pub use crops::{CropSpec, Padding, crop_at, fixed_crop, shifted_crop_at, windows};
pub use db::power_to_db;
pub use delta::{DeltaFilter, DeltaMode, DeltaSettings, delta};
pub use extract::Extractor;
pub use features::Features;
pub use front_end::FrontEnd;
pub use mel::{hz_to_mel, mel_to_hz};
pub use mfcc::dct_matrix;
pub use npy::npy;
pub use npy_writer::NpyWriter;
pub use powers::melspectrogram;
pub use scaling::{InputScaling, Scaling};
pub use setting_fault::setting_fault;
pub use settings::{MelSettings, Norm, PadMode, Reference, Window};
pub use statistics::{
    MfccStatistics, Statistic, StatisticSet, StatisticsExtractor, StatisticsStream, mfcc_statistics,
    mfcc_statistics_names,
};
pub use stream::FeatureStream;
pub use view::{FeatureView, Values};
pub use windowing::{WindowAggregation, Windowing};

/// Why no features could be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A setting is out of its range.
    #[error("the front end's `{key}` is {value}, allowed is {allowed}")]
    Setting {
        /// The setting's name, as in the recipe.
        key: &'static str,
        /// Its value.
        value: String,
        /// The range or the values that are allowed.
        allowed: String,
    },
    /// There is no sample to look at.
    #[error("the clip has no samples")]
    Empty,
    /// A sample is NaN or infinite.
    #[error("sample {index} of the clip is {value}, not a finite number")]
    NotFinite {
        /// Position of the first such sample, from 0.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// Without centring, a clip must fill one frame.
    #[error("the clip has {samples} samples, one frame without centring takes {needed}")]
    TooShort {
        /// Samples in the clip.
        samples: usize,
        /// Samples in a frame, `n_fft`.
        needed: usize,
    },
    /// Samples were pushed into a stream that was finished.
    #[error("samples came after the stream was finished")]
    Finished,
}
