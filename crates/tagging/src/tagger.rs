//! From a clip to its tags.

use std::path::{Path, PathBuf};

use earmark_audio::{Clip, Limits};
use earmark_features::Windowing;
use earmark_features::{
    Extractor, FeatureError, FeatureView, Features, FrontEnd, InputScaling, MelSettings, StatisticsExtractor,
};
use serde::Serialize;

use crate::bundle::Bundle;
use crate::cutter::{Cut, Piece, Rest};
use crate::names::CONFIG;
use crate::parallel::in_order;
use crate::parallelism::Parallelism;
use crate::pieces::{Part, Pieces};
use crate::pool::Pool;
use crate::sessions::{Sessions, Source};
use crate::{BundleFault, Model, TaggingError, Warning};

/// Windows per run of a network; more need more memory and are not faster.
const BATCH: usize = 16;
/// Maximum number of input values per run of a network; a larger window is processed alone. A run
/// needs about a hundred times the memory of its input.
const MOST_VALUES: usize = 1 << 19;
/// Maximum bytes of models for all files at once; a larger bundle is loaded fewer times, and more
/// threads work on each file.
const MODEL_BYTES: u64 = 4 << 30;
/// Maximum number of values of a clip's features: 2 GiB, some 7 hours of 64 bands and their deltas
/// every 10 ms.
const MOST_FEATURES: u64 = 1 << 29;

/// Longer sounds are cut into pieces of this length, whose probabilities are averaged.
pub const PIECE_SECONDS: u64 = 60;

/// A label and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tag {
    /// The class.
    pub label: String,
    /// Its probability, 0 to 1; those of all classes sum to 1 if the classes exclude each other.
    pub score: f32,
    /// The probability from which on the clip has the label, if it may have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
}

impl Tag {
    /// Whether the score is at least the threshold, or there is no threshold.
    pub fn is_given(&self) -> bool {
        self.threshold.is_none_or(|threshold| self.score >= threshold)
    }
}

/// The tags of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TaggedFile {
    /// A tag for each class, the most probable first.
    pub tags: Vec<Tag>,
    /// Its length, seconds.
    pub seconds: f64,
    /// Reasons why the tags may be meaningless, if any.
    pub warnings: Vec<Warning>,
}

/// A loaded bundle; many threads may use it at once.
///
/// A sound of more than a minute is cut into pieces of a minute, whose probabilities are averaged
/// with their lengths as weights, so memory does not grow with its length: one copy of the models
/// per file or piece that is processed at the same time (fewer if they would exceed 4 GiB of ONNX)
/// and, for each, a minute of samples at the rates of the front ends, and its features.
pub struct Tagger {
    bundle: Bundle,
    /// The front end of each learner.
    extractors: Vec<Extractor>,
    statistics: Option<(u32, StatisticsExtractor)>,
    pool: Pool<Sessions>,
    /// The sample rates that the front ends take.
    rates: Vec<u32>,
    /// Limits for decoded files.
    pub limits: Limits,
    /// The part of each file that is tagged; by default the whole file.
    pub part: Part,
}

impl Tagger {
    /// Loads a bundle.
    ///
    /// # Errors
    /// A damaged bundle, settings out of range, models whose shapes differ from the description, or
    /// a missing ONNX Runtime.
    pub fn open(folder: &Path, parallelism: Parallelism) -> Result<Self, TaggingError> {
        let (bundle, files) = Bundle::read(folder)?;
        let fault = |of: &str, source| {
            TaggingError::bundle(folder.join(CONFIG), BundleFault::FrontEnd { of: of.to_owned(), source })
        };
        let bytes: usize = files.values().map(Vec::len).sum();
        let at_once = copies(bytes as u64, parallelism.files);
        let networks = bundle.networks(&files, at_once).map_err(|error| error.of_bundle(folder))?;
        let extractor = |learner: &crate::Learner| {
            learner
                .features
                .extractor_with(&networks)
                .map_err(|source| fault(&format!("learners.{}", learner.name), source))
        };
        let extractors = bundle.learners.iter().map(extractor).collect::<Result<_, TaggingError>>()?;
        let statistics = bundle.statistics.as_ref().map(|settings| {
            let extractor = settings.extractor().map_err(|source| fault("statistics", source))?;
            Ok::<_, TaggingError>((settings.mel.sr, extractor))
        });
        let statistics = statistics.transpose()?;
        let mut rates: Vec<u32> = bundle.learners.iter().map(|learner| learner.features.sample_rate()).collect();
        rates.extend(bundle.statistics.as_ref().map(|of| of.mel.sr));
        rates.sort_unstable();
        rates.dedup();
        let columns = bundle.statistics.as_ref().map_or(0, |of| of.n_mfcc * of.set.statistics().len());
        let threads = parallelism.files * parallelism.threads_per_file / at_once;
        let source = Source::new(&bundle, columns, files, threads);
        let pool = Pool::new(move || source.load(), at_once)?;
        Ok(Self { bundle, extractors, statistics, pool, rates, limits: Limits::default(), part: Part::default() })
    }

    /// The classes, in the order of [`Tagger::probabilities`].
    pub fn labels(&self) -> &[String] {
        &self.bundle.labels
    }

    /// Number of files, or pieces of a file, processed at once.
    pub(crate) fn at_once(&self) -> usize {
        self.pool.most
    }

    /// The threshold of each class, if a clip may have several labels.
    pub fn thresholds(&self) -> Option<&[f32]> {
        self.bundle.thresholds.as_deref()
    }

    /// The highest frequency that a front end takes, Hz.
    pub fn bandwidth(&self) -> f64 {
        f64::from(self.rates.iter().copied().max().unwrap_or(0)) / 2.0
    }

    /// The sample rates that the front ends take.
    pub(crate) fn rates(&self) -> &[u32] {
        &self.rates
    }

    /// The longest window that a network of the bundle takes, seconds; none if all take whole
    /// clips.
    pub(crate) fn longest_window(&self) -> Option<f64> {
        let of_parts = self.bundle.learners.iter().filter(|learner| !learner.features.is_of_whole_clips());
        let seconds = |of: &crate::Learner| of.windows.frames as f64 / of.features.frames_per_second();
        of_parts.map(seconds).max_by(f64::total_cmp)
    }

    /// The tags of a file. If more threads call this than the number of files processed at once,
    /// they wait.
    ///
    /// # Errors
    /// The file cannot be decoded or has no samples, or the output of a model is not finite.
    pub fn tag_file(&self, path: &Path) -> Result<TaggedFile, TaggingError> {
        let mut pieces = Pieces::of_file(path, &self.limits, self.part, &self.rates, whole)?;
        let mut mean = Mean::new(self.labels().len());
        for piece in pieces.by_ref() {
            let piece = piece?;
            mean.add(&self.infer(&piece, path)?, piece.length());
        }
        Ok(self.tagged(mean, &pieces))
    }

    /// [`Tagger::tag_file`] with the pieces of the file in parallel.
    pub(crate) fn tag_file_in_parallel(&self, path: &Path) -> Result<TaggedFile, TaggingError> {
        let mut pieces = Pieces::of_file(path, &self.limits, self.part, &self.rates, whole)?;
        let mut mean = Mean::new(self.labels().len());
        let infer = |piece: Result<Piece, _>, send: &mut dyn FnMut(_) -> bool| {
            let inferred = piece.and_then(|piece| Ok((self.infer(&piece, path)?, piece.length())));
            send(inferred);
        };
        let add = |_, inferred: Result<(Vec<f32>, u64), TaggingError>| {
            inferred.map(|(probabilities, samples)| mean.add(&probabilities, samples))
        };
        in_order(pieces.by_ref(), (self.at_once(), 2 * self.at_once()), infer, add)?;
        Ok(self.tagged(mean, &pieces))
    }

    fn tagged(&self, mean: Mean, pieces: &Pieces<'_>) -> TaggedFile {
        let mut tags = self.tags(&mean.values());
        // The sort is stable, so classes with equal scores keep their order.
        tags.sort_by(|a, b| b.score.total_cmp(&a.score));
        TaggedFile { tags, seconds: pieces.seconds(), warnings: pieces.warnings() }
    }

    /// A tag for each class, in their order, of these probabilities `[classes]`.
    pub fn tags(&self, probabilities: &[f32]) -> Vec<Tag> {
        let threshold = |class: usize| self.bundle.thresholds.as_ref().map(|thresholds| thresholds[class]);
        let tag = |(class, (label, &score)): (usize, (&String, &f32))| Tag {
            label: label.clone(),
            score,
            threshold: threshold(class),
        };
        self.bundle.labels.iter().zip(probabilities).enumerate().map(tag).collect()
    }

    /// A clip's probabilities, one per class; `path` is used in errors.
    ///
    /// # Errors
    /// No samples, samples or results that are not finite, or an error of ONNX Runtime.
    pub fn probabilities(&self, clip: &Clip, path: &Path) -> Result<Vec<f32>, TaggingError> {
        if clip.samples.is_empty() {
            return Err(features_error(path, FeatureError::Empty));
        }
        if let Some(index) = clip.samples.iter().position(|sample| !sample.is_finite()) {
            let source = FeatureError::NotFinite { index, value: clip.samples[index] };
            return Err(features_error(path, source));
        }
        let mut mean = Mean::new(self.labels().len());
        for piece in Pieces::of_clip(path, clip, &self.rates, whole)? {
            let piece = piece?;
            mean.add(&self.infer(&piece, path)?, piece.length());
        }
        Ok(mean.values())
    }

    /// The probabilities of a piece of a sound, as if it were a clip.
    pub(crate) fn infer(&self, piece: &Piece, path: &Path) -> Result<Vec<f32>, TaggingError> {
        self.pool.with(|sessions| self.infer_with(sessions, piece, path))
    }

    fn infer_with(&self, sessions: &mut Sessions, piece: &Piece, path: &Path) -> Result<Vec<f32>, TaggingError> {
        let classes = self.bundle.labels.len();
        let mut columns = Vec::new();
        let mut shared = SharedFeatures::default();
        let models = self.extractors.iter().zip(&mut sessions.learners);
        for (index, (learner, (extractor, models))) in self.bundle.learners.iter().zip(models).enumerate() {
            let features = shared.take(&learner.features, || {
                let samples = piece.at(learner.features.sample_rate());
                room(extractor.embedded().unwrap_or(&learner.features).mel(), samples.len(), path)?;
                extractor.extract(samples).map_err(|source| features_error(path, source))
            })?;
            let mut of_networks = Vec::with_capacity(models.len() * classes);
            for (network, model) in learner.networks.iter().zip(models) {
                let logits = outputs(&learner.windows, &network.scaling, model, features.view(), path)?;
                let probabilities = learner.windows.probabilities(&logits, classes, self.bundle.activation);
                of_networks.extend(finite(probabilities, "the probabilities", model, path)?);
            }
            columns.extend(average(&of_networks, classes));
            let later = &self.bundle.learners[index + 1..];
            if later.iter().any(|other| other.features == learner.features) {
                shared.keep(learner.features.clone(), features);
            }
        }
        let Some(stack) = &mut sessions.stack else {
            return Ok(average(&columns, classes));
        };
        if let Some((rate, extractor)) = &self.statistics {
            let samples = piece.at(*rate);
            room(self.bundle.statistics.as_ref().map(|of| &of.mel), samples.len(), path)?;
            columns.extend(extractor.extract(samples).map_err(|source| features_error(path, source))?);
        }
        let probabilities = stack.run(&columns, [1, columns.len()])?;
        finite(probabilities, "the probabilities", stack, path)
    }
}

/// A sound of up to [`PIECE_SECONDS`] is one piece; longer ones are cut.
fn whole(sample_rate: u32) -> Cut {
    let length = PIECE_SECONDS * u64::from(sample_rate);
    Cut { length, hop: length, rest: Rest::Shorter }
}

/// The mean of the probabilities of pieces, weighted by their lengths.
struct Mean {
    sums: Vec<f64>,
    samples: f64,
}

impl Mean {
    fn new(classes: usize) -> Self {
        Self { sums: vec![0.0; classes], samples: 0.0 }
    }

    fn add(&mut self, probabilities: &[f32], samples: u64) {
        self.samples += samples as f64;
        let weighted = probabilities.iter().map(|&probability| f64::from(probability) * samples as f64);
        self.sums.iter_mut().zip(weighted).for_each(|(sum, weighted)| *sum += weighted);
    }

    fn values(&self) -> Vec<f32> {
        self.sums.iter().map(|sum| (sum / self.samples.max(1.0)) as f32).collect()
    }
}

/// The number of copies of models of this many bytes, `wanted` or as many as fit into
/// [`MODEL_BYTES`].
pub(crate) fn copies(bytes: u64, wanted: usize) -> usize {
    let fit = usize::try_from(MODEL_BYTES / bytes.max(1)).unwrap_or(usize::MAX);
    wanted.clamp(1, fit.max(1))
}

/// Checks that the bands of a clip with this number of samples fit into memory. The bundle
/// determines their number, and bands that do not fit must fail the file, not the process.
///
/// # Errors
/// [`TaggingError::TooLarge`].
pub(crate) fn room(mel: Option<&MelSettings>, samples: usize, path: &Path) -> Result<(), TaggingError> {
    let values = mel.map_or(0, |mel| mel.frames(samples) as u64 * 3 * mel.n_mels as u64);
    if values <= MOST_FEATURES {
        return Ok(());
    }
    Err(TaggingError::TooLarge { path: path.to_owned(), values, most: MOST_FEATURES })
}

/// Features of a clip that several learners take.
#[derive(Default)]
struct SharedFeatures {
    kept: Vec<(FrontEnd, Features)>,
}

impl SharedFeatures {
    /// The features of a front end, computed unless an earlier learner took them, too.
    fn take(
        &mut self,
        front_end: &FrontEnd,
        compute: impl FnOnce() -> Result<Features, TaggingError>,
    ) -> Result<Features, TaggingError> {
        match self.kept.iter().position(|(kept, _)| kept == front_end) {
            Some(index) => Ok(self.kept.swap_remove(index).1),
            None => compute(),
        }
    }

    fn keep(&mut self, front_end: FrontEnd, features: Features) {
        self.kept.push((front_end, features));
    }
}

/// A network's outputs for a clip's windows, `[windows, width]`.
pub(crate) fn outputs(
    windows: &Windowing,
    scaling: &InputScaling,
    model: &mut Model,
    features: FeatureView<'_>,
    path: &Path,
) -> Result<Vec<f32>, TaggingError> {
    let scaling = scaling.of_clip(features);
    let mut outputs = Vec::new();
    let frames = windows.length(features);
    let batch = (MOST_VALUES / (features.width() * frames).max(1)).clamp(1, BATCH);
    for starts in windows.starts(features).chunks(batch) {
        let x = windows.cut(features, scaling.as_deref(), starts);
        let x = finite(x, "the scaled features", model, path)?;
        let shape = [starts.len(), features.channels(), features.bins(), frames];
        outputs.extend(finite(model.run(&x, shape)?, "the outputs", model, path)?);
    }
    Ok(outputs)
}

/// Returns the values if all are finite.
fn finite(values: Vec<f32>, what: &'static str, model: &Model, path: &Path) -> Result<Vec<f32>, TaggingError> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(TaggingError::NotFinite { path: path.to_owned(), what, model: model.name().to_owned() })
}

/// Mean of rows of probabilities.
fn average(rows: &[f32], classes: usize) -> Vec<f32> {
    let count = (rows.len() / classes).max(1) as f32;
    (0..classes).map(|class| rows.iter().skip(class).step_by(classes).sum::<f32>() / count).collect()
}

fn features_error(path: &Path, source: FeatureError) -> TaggingError {
    TaggingError::Features { path: PathBuf::from(path), source }
}
