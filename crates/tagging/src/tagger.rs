//! From a clip to its tags.

use std::path::{Path, PathBuf};

use earmark_audio::{Clip, Limits, decode, resample};
use earmark_datasets::Windowing;
use earmark_features::{Extractor, FeatureError, FeatureView, InputScaling, StatisticsExtractor};
use serde::Serialize;

use crate::bundle::{Bundle, unusable};
use crate::{Model, TaggingError};

/// Windows that go through a network at once; more make no difference to speed, only to memory.
const BATCH: usize = 16;

/// A label and how sure we are of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tag {
    /// The class.
    pub label: String,
    /// Its probability, 0 to 1; those of all classes add up to 1.
    pub score: f32,
}

/// A bundle, loaded and ready.
pub struct Tagger {
    bundle: Bundle,
    /// Of each learner: its front end and its networks.
    learners: Vec<(Extractor, Vec<Model>)>,
    statistics: Option<(u32, StatisticsExtractor)>,
    stack: Option<Model>,
    /// Limits of the files that are decoded.
    pub limits: Limits,
}

impl Tagger {
    /// Loads a bundle; `threads` (0: all cores) work on one clip.
    ///
    /// # Errors
    /// A damaged bundle, settings that are out of range, ONNX Runtime missing.
    pub fn open(folder: &Path, threads: usize) -> Result<Self, TaggingError> {
        let (bundle, files) = Bundle::read(folder)?;
        let load = |file: &String| Model::load(file, &files[file], threads);
        let learners = bundle.learners.iter().map(|learner| {
            let extractor = learner.features.extractor().map_err(|error| unusable(folder, error))?;
            let models = learner.networks.iter().map(|network| load(&network.file));
            Ok((extractor, models.collect::<Result<_, TaggingError>>()?))
        });
        let learners = learners.collect::<Result<_, TaggingError>>()?;
        let statistics = bundle.statistics.as_ref().map(|settings| {
            let extractor = settings.extractor().map_err(|error| unusable(folder, error))?;
            Ok::<_, TaggingError>((settings.mel.sr, extractor))
        });
        let statistics = statistics.transpose()?;
        let stack = bundle.stack.as_ref().map(load).transpose()?;
        Ok(Self { bundle, learners, statistics, stack, limits: Limits::default() })
    }

    /// The classes, in the order of [`Tagger::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.bundle.labels
    }

    /// A file's tags, the surest first.
    ///
    /// # Errors
    /// The file cannot be decoded or holds nothing to hear.
    pub fn tag_file(&mut self, path: &Path) -> Result<Vec<Tag>, TaggingError> {
        let clip = decode(path, &self.limits)?;
        let probabilities = self.probabilities(&clip, path)?;
        let labels = self.bundle.labels.iter().cloned();
        let mut tags: Vec<Tag> = labels.zip(probabilities).map(|(label, score)| Tag { label, score }).collect();
        // The sort is stable: of equals, the first class stays first.
        tags.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(tags)
    }

    /// A clip's probabilities, one per class; `path` stands in errors.
    ///
    /// # Errors
    /// No samples, samples that are not finite, or a fault of ONNX Runtime.
    pub fn probabilities(&mut self, clip: &Clip, path: &Path) -> Result<Vec<f32>, TaggingError> {
        let mut heard = Heard { clip, path, at_rates: Vec::new() };
        let classes = self.bundle.labels.len();
        let mut columns = Vec::new();
        for (learner, (extractor, models)) in self.bundle.learners.iter().zip(&mut self.learners) {
            let samples = heard.at(learner.features.sample_rate())?;
            let features = extractor.extract(samples).map_err(|source| features_error(path, source))?;
            let mut of_networks = Vec::with_capacity(models.len() * classes);
            for (network, model) in learner.networks.iter().zip(models) {
                let logits = logits(&learner.windows, &network.scaling, model, features.view())?;
                of_networks.extend(learner.windows.probabilities(&logits, classes));
            }
            columns.extend(average(&of_networks, classes));
        }
        let Some(stack) = &mut self.stack else {
            return Ok(average(&columns, classes));
        };
        if let Some((rate, extractor)) = &self.statistics {
            let samples = heard.at(*rate)?;
            columns.extend(extractor.extract(samples).map_err(|source| features_error(path, source))?);
        }
        let width = columns.len();
        stack.run(&columns, [1, width], "probabilities")
    }
}

/// A network's logits of a clip's windows.
fn logits(
    windows: &Windowing,
    scaling: &InputScaling,
    model: &mut Model,
    features: FeatureView<'_>,
) -> Result<Vec<f32>, TaggingError> {
    let scaling = scaling.of_clip(features);
    let mut logits = Vec::new();
    for starts in windows.starts(features).chunks(BATCH) {
        let x = windows.cut(features, scaling.as_deref(), starts);
        let shape = [starts.len(), features.channels(), features.bins(), windows.frames];
        logits.extend(model.run(&x, shape, "logits")?);
    }
    Ok(logits)
}

/// Mean of rows of probabilities.
fn average(rows: &[f32], classes: usize) -> Vec<f32> {
    let count = (rows.len() / classes).max(1) as f32;
    (0..classes).map(|class| rows.iter().skip(class).step_by(classes).sum::<f32>() / count).collect()
}

/// A clip at every sampling rate that was asked for, each made once.
struct Heard<'a> {
    clip: &'a Clip,
    path: &'a Path,
    at_rates: Vec<Clip>,
}

impl Heard<'_> {
    fn at(&mut self, rate: u32) -> Result<&[f32], TaggingError> {
        if rate == self.clip.sample_rate {
            return Ok(&self.clip.samples);
        }
        let found = self.at_rates.iter().position(|clip| clip.sample_rate == rate);
        let index = match found {
            Some(index) => index,
            None => {
                let samples = &self.clip.samples;
                if samples.is_empty() {
                    return Err(features_error(self.path, FeatureError::Empty));
                }
                if let Some(index) = samples.iter().position(|sample| !sample.is_finite()) {
                    let source = FeatureError::NotFinite { index, value: samples[index] };
                    return Err(features_error(self.path, source));
                }
                let resampled = resample(self.clip, rate);
                let failed = |source| TaggingError::Resampling { path: self.path.to_owned(), source };
                self.at_rates.push(resampled.map_err(failed)?);
                self.at_rates.len() - 1
            }
        };
        Ok(&self.at_rates[index].samples)
    }
}

fn features_error(path: &Path, source: FeatureError) -> TaggingError {
    TaggingError::Features { path: PathBuf::from(path), source }
}
