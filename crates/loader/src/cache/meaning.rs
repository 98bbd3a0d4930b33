//! The version of the code that computes features from a file's bytes.

/// Part of every key. Must change when decoding, resampling or a front end returns other values for
/// the same bytes and settings; all features are then recomputed. A test compares it with the
/// pinned values of two clips.
pub(super) const MEANING: u32 = 1;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use earmark_features::{DeltaSettings, FrontEnd, MelSettings, MfccStatistics};

    use super::MEANING;
    use crate::{FeatureCache, FeatureRequest};

    /// Mean, root mean square and six values of each front end and of the statistics, for each
    /// clip.
    type Pins = [[f64; 8]; 10];

    /// The number that [`PINS`] belong to.
    const PINNED: u32 = 1;
    const PINS: Pins = [
        [-13.2189, 28.8077, -67.5194, -65.8847, -71.9042, -69.1517, -66.6919, -57.8924],
        [-5.0419, 40.6868, -245.0159, -249.7158, -282.1025, -296.1522, -300.2013, -302.2400],
        [0.0014, 0.2095, 0.2511, 0.0412, -0.0132, 0.1790, -0.4181, -0.1233],
        [-0.1409, 38.9620, -71.9042, -52.4459, 16.4793, 1.6357, 26.0542, 33.0710],
        [235.4274, 761.2943, 1.8956, -107.2244, 4.3344, 1329.7083, 16.6408, -0.2244],
        [-10.7079, 22.4526, -8.0033, -34.7429, -0.1900, -36.1336, 7.0345, -0.3154],
        [-3.7514, 31.6912, 3.2391, -22.2833, -6.6817, -0.2036, 2.0127, 0.5071],
        [0.0018, 0.2067, 0.0281, 0.2594, -0.3185, 0.4441, -0.0100, -0.3611],
        [0.5822, 30.8636, -71.0928, -37.9301, 8.2725, 0.9445, 27.9698, 17.0052],
        [176.7655, 900.0312, -6.8841, -52.4603, 5.8196, 257.4392, 5.7228, -0.5595],
    ];

    fn pins() -> Pins {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/audio");
        let clips: Vec<PathBuf> = ["lame_22k_stereo.mp3", "vorbis_48k.ogg"].map(|name| golden.join(name)).to_vec();
        let sums: Vec<String> = clips.iter().map(|path| earmark_files::sha256_file(path).unwrap()).collect();
        let clips: Vec<(&Path, &str)> =
            clips.iter().map(PathBuf::as_path).zip(sums.iter().map(String::as_str)).collect();
        // Explicit settings: changed defaults change the keys anyway.
        let (sr, n_fft, hop_length, n_mels) = (16_000, 512, 160, 40);
        let (fmin, fmax, top_db) = (50.0, Some(7_000.0), Some(80.0));
        let mel = MelSettings { sr, n_fft, hop_length, n_mels, fmin, fmax, top_db, ..MelSettings::default() };
        let delta = DeltaSettings::default;
        let front_ends = [
            FrontEnd::LogMel { mel: mel.clone(), deltas: true, delta: delta() },
            FrontEnd::Mfcc { n_mfcc: 20, mel: mel.clone(), deltas: true, delta: delta() },
            FrontEnd::Wave { sr: 44_100, channels: 1 },
            FrontEnd::Summary { n_mfcc: 20, mel: mel.clone() },
        ];
        let statistics = MfccStatistics { n_mfcc: 20, mel, ..MfccStatistics::default() };
        let request = FeatureRequest {
            front_ends: front_ends.iter().collect(),
            statistics: Some(&statistics),
            ..FeatureRequest::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let report = FeatureCache::open(folder.path(), false).unwrap().load(&clips, &request, || {}).unwrap();
        let mut pins = Vec::new();
        for clip in report.clips {
            let clip = clip.unwrap();
            for features in &clip.features {
                let view = features.view();
                let mut values = vec![0.0; view.width() * view.frames()];
                view.read(0, &mut values);
                pins.push(pin(&values));
            }
            pins.push(pin(&clip.statistics));
        }
        pins.try_into().unwrap()
    }

    fn pin(values: &[f32]) -> [f64; 8] {
        let n = values.len();
        let sum = |of: fn(f64) -> f64| values.iter().map(|value| of(f64::from(*value))).sum::<f64>() / n as f64;
        let at = |seventh: usize| f64::from(values[seventh * n / 7]);
        [sum(|value| value), sum(|value| value * value).sqrt(), at(1), at(2), at(3), at(4), at(5), at(6)]
    }

    #[test]
    fn the_number_belongs_to_the_values() {
        let found = pins();
        // Instruction sets and math libraries differ by far less than this; a change of the code
        // rarely does.
        let near = |(found, pinned): (&f64, &f64)| (found - pinned).abs() <= 1e-3 * (1.0 + pinned.abs());
        let same = found.as_flattened().iter().zip(PINS.as_flattened()).all(near);
        assert!(
            same && MEANING == PINNED,
            "Features of the same bytes and settings {}, MEANING is {MEANING} and was pinned at {PINNED}. Where they \
             have \
             changed, raise MEANING by one, so that no cache gives the old ones; then set PINNED to it and PINS \
             to:\n{found:.4?}",
            if same { "are as before" } else { "have changed" }
        );
    }
}
