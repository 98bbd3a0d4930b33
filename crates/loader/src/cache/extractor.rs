//! A part of a clip's entries: the features of one front end, or the statistics.

use earmark_features::{
    Extractor, FeatureError, FeatureStream, FrontEnd, MelSettings, MfccStatistics, StatisticsExtractor,
    StatisticsStream, mfcc_statistics_names,
};

use super::entry::Precision;
use super::key::key;
use super::request::FeatureRequest;

/// One entry of each clip, and the extractor that computes it.
pub(super) enum EntryExtractor<'a> {
    Features(&'a FrontEnd, Extractor),
    Statistics(&'a MfccStatistics, StatisticsExtractor),
}

/// A part of one clip that is being computed.
pub(super) enum EntryStream<'a> {
    Features(FeatureStream<'a>),
    Statistics(Box<StatisticsStream<'a>>),
}

impl<'a> EntryExtractor<'a> {
    /// The front ends in the requested order, then the statistics.
    pub(super) fn all(request: &FeatureRequest<'a>) -> Result<Vec<Self>, FeatureError> {
        let features = request
            .front_ends
            .iter()
            .map(|front_end| Ok(EntryExtractor::Features(front_end, front_end.extractor_with(&request.networks)?)));
        let statistics =
            request.statistics.map(|settings| Ok(EntryExtractor::Statistics(settings, settings.extractor()?)));
        features.chain(statistics).collect()
    }

    /// The name of its entry for a sound.
    pub(super) fn key(&self, precision: Precision, sound: &str) -> String {
        match self {
            EntryExtractor::Features(front_end, _) => key(sound, precision, "features", front_end),
            EntryExtractor::Statistics(settings, _) => key(sound, Precision::Single, "statistics", settings),
        }
    }

    /// The precision of its entry. Statistics and features of whole clips have few values and keep
    /// full precision.
    pub(super) fn precision(&self, of_cache: Precision) -> Precision {
        match self {
            EntryExtractor::Features(front_end, _) if !front_end.is_of_whole_clips() => of_cache,
            EntryExtractor::Features(..) | EntryExtractor::Statistics(..) => Precision::Single,
        }
    }

    /// Channels and bins.
    pub(super) fn shape(&self) -> (usize, usize) {
        match self {
            EntryExtractor::Features(front_end, _) => front_end.shape(),
            EntryExtractor::Statistics(settings, _) => (1, mfcc_statistics_names(settings).len()),
        }
    }

    /// Sample rate, Hz.
    pub(super) fn rate(&self) -> u32 {
        match self {
            EntryExtractor::Features(front_end, _) => front_end.sample_rate(),
            EntryExtractor::Statistics(settings, _) => settings.mel.sr,
        }
    }

    /// Bytes that its stream keeps until the clip's end, per second of the clip.
    pub(super) fn kept(&self) -> f64 {
        if let EntryExtractor::Features(FrontEnd::Summary { mel, n_mfcc }, _) = self {
            // Its bands, and all its rows in 64 bits, some of them stored twice.
            let bytes = 4 * mel.n_mels + 16 * (mel.n_mels + n_mfcc);
            return bytes as f64 * f64::from(mel.sr) / mel.hop_length as f64;
        }
        if let EntryExtractor::Features(_, extractor) = self
            && let Some(front_end) = extractor.embedded()
        {
            // Its features, and the bands from which they are made at the end.
            let (channels, bins) = front_end.shape();
            return 8.0 * (channels * bins) as f64 * front_end.frames_per_second();
        }
        let (mel, waits): (&MelSettings, bool) = match self {
            EntryExtractor::Features(
                FrontEnd::LogMel { mel, deltas, delta } | FrontEnd::Mfcc { mel, deltas, delta, .. },
                _,
            ) => (mel, *deltas && delta.wraps()),
            EntryExtractor::Statistics(settings, _) => (&settings.mel, false),
            EntryExtractor::Features(_, _) => return 0.0,
        };
        if !mel.needs_greatest() && !waits {
            return 0.0;
        }
        4.0 * mel.n_mels as f64 * f64::from(mel.sr) / mel.hop_length as f64
    }

    pub(super) fn stream(&self) -> EntryStream<'_> {
        match self {
            EntryExtractor::Features(_, extractor) => EntryStream::Features(extractor.stream()),
            EntryExtractor::Statistics(_, extractor) => EntryStream::Statistics(Box::new(extractor.stream())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earmark_features::{DeltaFilter, DeltaMode, DeltaSettings, Reference};

    #[test]
    fn only_who_waits_for_the_end_keeps_what_came() {
        let whole = MelSettings { sr: 16_000, hop_length: 160, n_mels: 10, ..MelSettings::default() };
        let flat = MelSettings { top_db: None, ..whole.clone() };
        let of_max = MelSettings { r#ref: Reference::Max, ..flat.clone() };
        let wrap = DeltaSettings { delta_mode: DeltaMode::Wrap, ..DeltaSettings::default() };
        let fir = DeltaSettings { delta: DeltaFilter::Fir, ..wrap.clone() };
        let logmel = |mel: &MelSettings, deltas, delta: &DeltaSettings| FrontEnd::LogMel {
            mel: mel.clone(),
            deltas,
            delta: delta.clone(),
        };
        let plain = DeltaSettings::default();
        let mfcc = FrontEnd::Mfcc { n_mfcc: 4, mel: flat.clone(), deltas: true, delta: wrap.clone() };
        let cases = [
            (logmel(&whole, true, &plain), 4_000.0),
            (logmel(&flat, true, &plain), 0.0),
            (logmel(&of_max, false, &plain), 4_000.0),
            (logmel(&flat, true, &wrap), 4_000.0),
            (logmel(&flat, false, &wrap), 0.0),
            (logmel(&flat, true, &fir), 0.0),
            (mfcc, 4_000.0),
            (FrontEnd::Summary { n_mfcc: 4, mel: flat.clone() }, 26_400.0),
            (FrontEnd::wave(), 0.0),
        ];
        for (front_end, kept) in cases {
            let part = EntryExtractor::Features(&front_end, front_end.extractor().unwrap());
            assert_eq!(part.kept(), kept, "{front_end:?}");
        }
        for (mel, kept) in [(&whole, 4_000.0), (&flat, 0.0)] {
            let statistics = MfccStatistics { n_mfcc: 4, mel: mel.clone(), ..MfccStatistics::default() };
            assert_eq!(EntryExtractor::Statistics(&statistics, statistics.extractor().unwrap()).kept(), kept);
        }
    }
}
