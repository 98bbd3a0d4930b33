//! What is made of a clip: the features of one front end, or the statistics.

use earmark_features::{
    Extractor, FeatureError, FeatureStream, FrontEnd, MelSettings, MfccStatistics, StatisticsExtractor,
    StatisticsStream, mfcc_statistics_names,
};

use super::entry::Precision;
use super::{FeatureCache, Wanted};

/// One entry of each clip, and what makes it.
pub(super) enum Part<'a> {
    Features(&'a FrontEnd, Extractor),
    Statistics(&'a MfccStatistics, StatisticsExtractor),
}

/// A part of one clip in the making.
pub(super) enum PartStream<'a> {
    Features(FeatureStream<'a>),
    Statistics(Box<StatisticsStream<'a>>),
}

impl<'a> Part<'a> {
    /// The front ends in their order, then the statistics.
    pub(super) fn all(wanted: &Wanted<'a>) -> Result<Vec<Self>, FeatureError> {
        let features = wanted.front_ends.iter().map(|front_end| Ok(Part::Features(front_end, front_end.extractor()?)));
        let statistics = wanted.statistics.map(|settings| Ok(Part::Statistics(settings, settings.extractor()?)));
        features.chain(statistics).collect()
    }

    /// The name of its entry of a sound.
    pub(super) fn key(&self, cache: &FeatureCache, sound: &str) -> String {
        match self {
            Part::Features(front_end, _) => cache.key_of_features(sound, front_end),
            Part::Statistics(settings, _) => super::key(sound, Precision::Single, "statistics", settings),
        }
    }

    /// Statistics are few numbers, and kept as they are.
    pub(super) fn precision(&self, cache: &FeatureCache) -> Precision {
        match self {
            Part::Features(..) => cache.precision,
            Part::Statistics(..) => Precision::Single,
        }
    }

    /// Channels and bins.
    pub(super) fn shape(&self) -> (usize, usize) {
        match self {
            Part::Features(front_end, _) => front_end.shape(),
            Part::Statistics(settings, _) => (1, mfcc_statistics_names(settings).len()),
        }
    }

    /// Sample rate, Hz.
    pub(super) fn rate(&self) -> u32 {
        match self {
            Part::Features(front_end, _) => front_end.sample_rate(),
            Part::Statistics(settings, _) => settings.mel.sr,
        }
    }

    /// Bytes that its stream keeps until the clip's end, for each second of the clip.
    pub(super) fn kept(&self) -> f64 {
        let mel: &MelSettings = match self {
            Part::Features(FrontEnd::LogMel { mel, .. } | FrontEnd::Mfcc { mel, .. }, _) => mel,
            Part::Statistics(settings, _) => &settings.mel,
            Part::Features(FrontEnd::Wave { .. }, _) => return 0.0,
        };
        4.0 * mel.n_mels as f64 * f64::from(mel.sr) / mel.hop_length as f64
    }

    pub(super) fn stream(&self) -> PartStream<'_> {
        match self {
            Part::Features(_, extractor) => PartStream::Features(extractor.stream()),
            Part::Statistics(_, extractor) => PartStream::Statistics(Box::new(extractor.stream())),
        }
    }
}
