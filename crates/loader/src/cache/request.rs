//! Requests to the cache.

use earmark_audio::Limits;
use earmark_features::{EmbeddingNetworks, FrontEnd, MfccStatistics};

/// The features to load for each clip.
#[derive(Clone, Default)]
pub struct FeatureRequest<'a> {
    /// Front ends, in any order and without duplicates.
    pub front_ends: Vec<&'a FrontEnd>,
    /// The networks of the front ends that are embeddings.
    pub networks: EmbeddingNetworks,
    /// The MFCC statistics, if they are requested.
    pub statistics: Option<&'a MfccStatistics>,
    /// Limits of a sound file; they also apply to files whose entries were computed under other
    /// limits.
    pub limits: Limits,
}
