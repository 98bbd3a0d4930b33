//! Embeds clips with the network of a bundle.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use earmark_audio::{AudioError, Clip, Limits, resample};
use earmark_features::{EmbeddingNetwork, EmbeddingNetworks, Extractor, FeatureView, FrontEnd, Layers};

use crate::bundle::{Bundle, Embedding};
use crate::names::CONFIG;
use crate::pool::Pool;
use crate::tagger::{copies, outputs, room};
use crate::{BundleFault, Model, Signature, TaggingError, Warning, clip};

/// A loaded embedding network; many threads may use it at once.
pub struct Embedder {
    embedding: Embedding,
    sha256: String,
    extractor: Extractor,
    pool: Pool<Model>,
    /// Limits for decoded files.
    pub limits: Limits,
}

/// The embedding of a part of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedWindow {
    /// Start of the part, in seconds from the start of the clip.
    pub start: f64,
    /// Its end, at most that of the clip.
    pub end: f64,
    /// The embedding, `[size]`.
    pub values: Vec<f32>,
}

/// The embeddings of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedFile {
    /// Those of its windows, or one of the whole clip.
    pub windows: Vec<EmbeddedWindow>,
    /// Reasons why they may be meaningless, if any.
    pub warnings: Vec<Warning>,
}

impl Embedder {
    /// Loads the embedding of a bundle of these layers, for at most `threads` clips at once. If the
    /// bundle has several, `name` selects one.
    ///
    /// # Errors
    /// A damaged bundle, no such embedding, or a missing ONNX Runtime.
    pub fn open(folder: &Path, name: Option<&str>, layers: Layers, threads: usize) -> Result<Self, TaggingError> {
        let (bundle, files) = Bundle::read(folder)?;
        let fits = |of: &&Embedding| of.layers == layers && name.is_none_or(|name| of.name == name);
        let mut found = bundle.embeddings.iter().filter(fits);
        let (first, second) = (found.next(), found.next());
        let names = || bundle.embeddings.iter().map(Embedding::shown).collect();
        let without = !bundle.embeddings.is_empty() && bundle.embeddings.iter().all(|of| of.layers != layers);
        let fault = || match without {
            true => BundleFault::Layers { layers, names: names() },
            false => {
                let of_layers = bundle.embeddings.iter().filter(|of| of.layers == layers);
                BundleFault::Embedding { names: of_layers.map(|of| of.name.clone()).collect() }
            }
        };
        let embedding = first.filter(|_| second.is_none());
        let embedding = embedding.ok_or_else(|| TaggingError::bundle(folder.join(CONFIG), fault()))?;
        Self::of_bundle(embedding, &files, folder, threads)
    }

    /// Loads the embedding of a bundle that has this many values, and whose ONNX file has this
    /// SHA-256; none if it has no such.
    ///
    /// # Errors
    /// A damaged bundle, or a missing ONNX Runtime.
    pub fn open_sha256(
        folder: &Path,
        (sha256, size): (&str, usize),
        threads: usize,
    ) -> Result<Option<Self>, TaggingError> {
        let (bundle, files) = Bundle::read(folder)?;
        let has = |file: &String| files.get(file).is_some_and(|bytes| earmark_files::sha256(bytes) == sha256);
        let found = bundle.embeddings.iter().find(|of| of.size == size && has(&of.network.file));
        found.map(|embedding| Self::of_bundle(embedding, &files, folder, threads)).transpose()
    }

    fn of_bundle(
        embedding: &Embedding,
        files: &BTreeMap<String, Vec<u8>>,
        folder: &Path,
        threads: usize,
    ) -> Result<Self, TaggingError> {
        let bytes = files.get(&embedding.network.file).map_or(0, Vec::len);
        let embedder = Self::new(embedding, files, copies(bytes as u64, threads));
        embedder.map_err(|error| error.of_bundle(folder))
    }

    /// Loads an embedding of a bundle with these files.
    pub(crate) fn new(
        embedding: &Embedding,
        files: &BTreeMap<String, Vec<u8>>,
        threads: usize,
    ) -> Result<Self, TaggingError> {
        let Embedding { layers, features, windows, network, size, .. } = embedding;
        let (channels, bins) = features.shape();
        let frames = windows.least_frames.is_none().then_some(windows.frames);
        let signature = Signature::embedding(channels, bins, frames, (*layers, *size));
        let bytes = files.get(&network.file).cloned().unwrap_or_default();
        let sha256 = earmark_files::sha256(&bytes);
        let file = network.file.clone();
        let load = move || Model::load(&file, &bytes, 1, signature.clone());
        let fault = |source| BundleFault::FrontEnd { of: format!("embeddings.{}", embedding.name), source };
        let extractor = features.extractor().map_err(|source| TaggingError::bundle(CONFIG, fault(source)))?;
        let (pool, limits) = (Pool::new(load, threads.max(1))?, Limits::default());
        Ok(Self { embedding: embedding.clone(), sha256, extractor, pool, limits })
    }

    /// The front end that computes this embedding.
    pub fn front_end(&self) -> FrontEnd {
        let Embedding { name, layers, size, features, .. } = &self.embedding;
        let (model, sha256, sr) = (name.clone(), self.sha256.clone(), features.sample_rate());
        FrontEnd::Embedding { model, layers: *layers, sha256, size: *size, sr }
    }

    /// Its description, to copy it into another bundle.
    pub fn description(&self) -> &Embedding {
        &self.embedding
    }

    /// The SHA-256 of its ONNX file.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Number of files processed at once.
    pub(crate) fn files_at_once(&self) -> usize {
        self.pool.most
    }

    /// The embeddings of a file: one of each of its windows, or one of the whole clip. If more
    /// threads call this than the embedder was opened for, they wait.
    ///
    /// # Errors
    /// The file cannot be decoded; those of [`Embedder::windows`].
    pub fn embed_file(&self, path: &Path, windows: bool) -> Result<EmbeddedFile, TaggingError> {
        let (clip, warnings) = clip::decode(path, &self.limits)?;
        let windows = match windows {
            true => self.windows(&clip, path)?,
            false => vec![EmbeddedWindow { start: 0.0, end: clip.seconds(), values: self.embed_clip(&clip, path)? }],
        };
        Ok(EmbeddedFile { windows, warnings })
    }

    /// The embeddings of the windows of a clip of any rate; `path` is used in errors.
    ///
    /// # Errors
    /// A clip without samples, with samples that are not finite, or with more features than fit
    /// into memory; an error of ONNX Runtime.
    pub fn windows(&self, clip: &Clip, path: &Path) -> Result<Vec<EmbeddedWindow>, TaggingError> {
        let front_end = &self.embedding.features;
        let resampled = (clip.sample_rate != front_end.sample_rate() && !clip.samples.is_empty())
            .then(|| resample(clip, front_end.sample_rate()))
            .transpose();
        let failed = |source: AudioError| TaggingError::Resampling { path: path.to_owned(), source };
        let resampled = resampled.map_err(failed)?;
        let samples = resampled.as_ref().map_or(&clip.samples, |clip| &clip.samples);
        room(front_end.mel(), samples.len(), path)?;
        let features = self.extractor.extract(samples);
        let features = features.map_err(|source| TaggingError::Features { path: path.to_owned(), source })?;
        let (view, windows) = (features.view(), &self.embedding.windows);
        let rows = self.rows(view, path)?;
        let (per_second, whole) = (front_end.frames_per_second(), clip.seconds());
        let length = windows.length(view) as f64 / per_second;
        let of = |(start, values): (usize, &[f32])| {
            let start = start as f64 / per_second;
            EmbeddedWindow { start, end: (start + length).min(whole).max(start), values: values.to_vec() }
        };
        Ok(windows.starts(view).into_iter().zip(rows.chunks_exact(self.embedding.size)).map(of).collect())
    }

    /// The embedding of a whole clip of any rate, `[size]`.
    ///
    /// # Errors
    /// Those of [`Embedder::windows`].
    pub fn embed_clip(&self, clip: &Clip, path: &Path) -> Result<Vec<f32>, TaggingError> {
        let windows = self.windows(clip, path)?;
        Ok(mean(windows.iter().map(|window| window.values.as_slice()), self.embedding.size))
    }

    /// The embeddings of a clip's windows, `[windows, size]`.
    fn rows(&self, features: FeatureView<'_>, path: &Path) -> Result<Vec<f32>, TaggingError> {
        let Embedding { windows, network, .. } = &self.embedding;
        self.pool.with(|model| outputs(windows, &network.scaling, model, features, path))
    }
}

impl EmbeddingNetwork for Embedder {
    fn front_end(&self) -> &FrontEnd {
        &self.embedding.features
    }

    fn embed(&self, features: FeatureView<'_>) -> Result<Vec<f32>, String> {
        let rows = self.rows(features, Path::new(&self.embedding.name)).map_err(|error| error.to_string())?;
        Ok(mean(rows.chunks_exact(self.embedding.size), self.embedding.size))
    }
}

/// The mean of rows.
fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, size: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0; size], 0.0);
    for row in rows {
        count += 1.0;
        sums.iter_mut().zip(row).for_each(|(sum, value): (&mut f64, _)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum| (sum / f64::max(count, 1.0)) as f32).collect()
}

impl Bundle {
    /// The embedding that a front end names, if it is one.
    ///
    /// # Errors
    /// What the bundle has instead.
    pub(crate) fn embedding_of(
        &self,
        features: &FrontEnd,
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Option<&Embedding>, String> {
        let FrontEnd::Embedding { model, layers, sha256, size, sr } = features else { return Ok(None) };
        let fits = |embedding: &&Embedding| {
            let bytes = files.get(&embedding.network.file);
            (&embedding.name, embedding.layers) == (model, *layers)
                && (embedding.size, embedding.features.sample_rate()) == (*size, *sr)
                && bytes.is_some_and(|bytes| earmark_files::sha256(bytes) == *sha256)
        };
        let names = || self.embeddings.iter().map(Embedding::shown).collect::<Vec<_>>();
        let missing = || format!("one of `embeddings`, with its size, rate and SHA-256: {}", names().join(", "));
        self.embeddings.iter().find(fits).map(Some).ok_or_else(missing)
    }

    /// The networks of the embeddings that learners use, for at most `threads` clips at once. The
    /// bundle has been checked, so a name is enough to find each.
    pub(crate) fn networks(
        &self,
        files: &BTreeMap<String, Vec<u8>>,
        threads: usize,
    ) -> Result<EmbeddingNetworks, TaggingError> {
        let mut networks = EmbeddingNetworks::new();
        for learner in &self.learners {
            let FrontEnd::Embedding { model, layers, sha256, .. } = &learner.features else { continue };
            let fits = |of: &&Embedding| (&of.name, of.layers) == (model, *layers);
            let key = (sha256.clone(), *layers);
            if let Some(embedding) = self.embeddings.iter().find(fits).filter(|_| !networks.contains_key(&key)) {
                networks.insert(key, Arc::new(Embedder::new(embedding, files, threads)?));
            }
        }
        Ok(networks)
    }
}
