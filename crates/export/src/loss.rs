//! The loss of precision, measured on sounds.

use std::path::PathBuf;

use earmark_audio::{Limits, decode, resample};
use earmark_tagging::ExportedModel;

use crate::{ExportError, Exported};

/// How the scores of a file differ from those of the same file in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Number of sounds.
    pub sounds: usize,
    /// The largest difference of a score.
    pub largest: f64,
    /// The mean difference of all scores.
    pub mean: f64,
    /// Number of sounds whose first label differs.
    pub changed: usize,
}

impl Loss {
    /// Compares the scores of sounds, which are decoded and resampled to the file's rate.
    ///
    /// # Errors
    /// There are no sounds; one of them cannot be decoded; ONNX Runtime cannot run a file.
    pub fn measure(
        exact: &Exported,
        encoded: &Exported,
        paths: &[PathBuf],
        limits: &Limits,
    ) -> Result<Self, ExportError> {
        if paths.is_empty() {
            return Err(ExportError::NoSounds);
        }
        let mut models = [
            ExportedModel::load("the file in 32 bits", &exact.bytes, 0)?,
            ExportedModel::load("the file", &encoded.bytes, 0)?,
        ];
        let mut loss = Self { sounds: paths.len(), largest: 0.0, mean: 0.0, changed: 0 };
        let values = (paths.len() * exact.labels.len().max(1)) as f64;
        for path in paths {
            let clip = resample(&decode(path, limits)?, exact.sample_rate)?;
            let [expected, scores] = models.each_mut().map(|model| model.scores(&clip.samples));
            let (expected, scores) = (expected?, scores?);
            for (expected, score) in expected.iter().zip(&scores) {
                let difference = (f64::from(*expected) - f64::from(*score)).abs();
                loss.largest = loss.largest.max(difference);
                loss.mean += difference / values;
            }
            loss.changed += usize::from(first(&expected) != first(&scores));
        }
        Ok(loss)
    }
}

/// The label with the greatest score.
fn first(scores: &[f32]) -> Option<usize> {
    (0..scores.len()).max_by(|&a, &b| {
        let score = |label: usize| scores.get(label).copied().unwrap_or_default();
        score(a).total_cmp(&score(b))
    })
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sounds, largest, mean, changed } = self;
        let share = 100.0 * *changed as f64 / (*sounds).max(1) as f64;
        write!(
            f,
            "against f32 on {sounds} {}: largest difference of a score {largest:.1e}, mean {mean:.1e}; the first \
             label differs for {changed} ({share:.1} %)",
            if *sounds == 1 { "sound" } else { "sounds" },
        )
    }
}
