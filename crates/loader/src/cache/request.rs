//! What is asked of the cache.

use earmark_audio::Limits;
use earmark_features::{FrontEnd, MfccStatistics};

/// What is to be known of each clip.
#[derive(Debug, Clone, Default)]
pub struct FeatureRequest<'a> {
    /// Front ends, in any order; each once.
    pub front_ends: Vec<&'a FrontEnd>,
    /// The MFCC statistics, if they are requested.
    pub statistics: Option<&'a MfccStatistics>,
    /// What a sound file may hold; also one of which entries were made under other limits.
    pub limits: Limits,
}
