//! The bundle: a self-contained folder for tagging that can be distributed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use earmark_features::{Activation, FrontEnd, InputScaling, Layers, MfccStatistics, Windowing};
use earmark_files::FileError;
use serde::{Deserialize, Serialize};

use crate::error::TaggingError;
use crate::names::{CONFIG, FORMAT, SUMS};
use crate::onnx;
use crate::resampler::Resampler;

/// `config.json`: how to compute tags from sound. `docs/bundle.md` specifies it for other programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Version of this format.
    format: u32,
    /// The version of Earmark that wrote it.
    earmark: String,
    /// The classes, in the order of the outputs.
    pub labels: Vec<String>,
    /// The classes' ids in an ontology, such as AudioSet's `/m/0bt9lr`, in the order of the labels;
    /// empty if they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Where its weights come from, if others have published them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The activation that converts the networks' logits to probabilities.
    pub activation: Activation,
    /// For each class, the probability from which on a clip is given its label; none if each clip
    /// has one label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f32>>,
    /// How sound is resampled to the front ends' rates.
    pub resampler: Resampler,
    /// Networks that embed clips: for learners whose front end is an embedding, and for other
    /// programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<Embedding>,
    /// Level 1, in the order of the stack's columns.
    pub learners: Vec<Learner>,
    /// The statistics that follow the learners' probabilities in the stack's columns.
    pub statistics: Option<MfccStatistics>,
    /// The ONNX file of the stack: `x` `[batch, columns]` to `probabilities`. Without it, the
    /// learners' probabilities are averaged.
    pub stack: Option<String>,
}

/// A learner of the bundle, with its front end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learner {
    /// Its name in the recipe.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// Its front end.
    pub features: FrontEnd,
    /// How a clip is cut into windows, and how their outputs are averaged.
    pub windows: Windowing,
    /// Its networks, one or several; their probabilities are averaged.
    pub networks: Vec<Network>,
}

/// How a stack computes probabilities from those of the learners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StackKind {
    /// Boosted trees.
    Trees,
    /// Logistic regression.
    LogisticRegression,
    /// A mean with a weight for each learner.
    WeightedMean,
    /// Something that Earmark does not write.
    Other,
}

impl std::fmt::Display for StackKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Trees => "boosted trees",
            Self::LogisticRegression => "logistic regression",
            Self::WeightedMean => "weighted mean",
            Self::Other => "another kind",
        })
    }
}

/// Where weights come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The address, or the name of a file.
    pub source: String,
    /// The SHA-256 of the file of weights.
    pub sha256: String,
    /// The licence of the weights, if it is known.
    pub licence: Option<String>,
    /// The paper, if it is known.
    pub paper: Option<String>,
}

/// A network that embeds clips: the embedding of a clip is the mean of those of its windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    /// Its name, as `model` of [`FrontEnd::Embedding`].
    pub name: String,
    /// Its layers; an embedding is named by them and its name.
    #[serde(default, skip_serializing_if = "Layers::is_last")]
    pub layers: Layers,
    /// Number of values.
    pub size: usize,
    /// Its front end.
    pub features: FrontEnd,
    /// How a clip is cut into windows.
    pub windows: Windowing,
    /// Its ONNX file has the output `embedding`, or `stages` for [`Layers::Stages`]: `[batch,
    /// size]`.
    pub network: Network,
}

/// A network of a learner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its ONNX file: `x` `[batch, channels, bins, frames]` to `logits`.
    pub file: String,
    /// The scaling between front end and network.
    #[serde(default)]
    pub scaling: InputScaling,
}

impl Embedding {
    /// Its name in messages.
    pub(crate) fn shown(&self) -> String {
        match self.layers {
            Layers::Last => self.name.clone(),
            Layers::Stages => format!("{} (stages)", self.name),
        }
    }
}

impl Bundle {
    /// The description of a bundle whose classes exclude each other, without ids and embeddings.
    pub fn new(
        labels: Vec<String>,
        learners: Vec<Learner>,
        statistics: Option<MfccStatistics>,
        stack: Option<String>,
    ) -> Self {
        let earmark = env!("CARGO_PKG_VERSION").to_owned();
        let (activation, resampler) = (Activation::Softmax, Resampler::default());
        let (ids, origin, thresholds, embeddings) = (Vec::new(), None, None, Vec::new());
        Self {
            format: FORMAT,
            earmark,
            labels,
            ids,
            origin,
            activation,
            thresholds,
            resampler,
            embeddings,
            learners,
            statistics,
            stack,
        }
    }

    /// The version of the bundle's format.
    pub fn format(&self) -> u32 {
        self.format
    }

    /// The version of Earmark that wrote the bundle.
    pub fn written_by(&self) -> &str {
        &self.earmark
    }

    /// The names of its ONNX files, each once.
    pub fn models(&self) -> BTreeSet<&str> {
        let networks = self.learners.iter().flat_map(|learner| &learner.networks);
        let networks = networks.chain(self.embeddings.iter().map(|embedding| &embedding.network));
        networks.map(|network| &network.file).chain(&self.stack).map(String::as_str).collect()
    }

    /// The kind of the stack, by the operators of its file, one of `files`; none without a stack.
    pub fn stack_kind(&self, files: &BTreeMap<String, Vec<u8>>) -> Option<StackKind> {
        let bytes = files.get(self.stack.as_ref()?).map_or(&[][..], Vec::as_slice);
        let kinds = [
            ("TreeEnsemble", StackKind::Trees),
            ("Gemm", StackKind::LogisticRegression),
            ("MatMul", StackKind::WeightedMean),
        ];
        let found = kinds.into_iter().find(|(operator, _)| onnx::has_operator(bytes, operator));
        Some(found.map_or(StackKind::Other, |(_, kind)| kind))
    }

    /// Writes the bundle: `files` (ONNX, model card) by name, `config.json`, and finally the
    /// checksums.
    ///
    /// # Errors
    /// The folder cannot be written to; it then has no checksums and is not a bundle.
    pub fn write(&self, folder: &Path, mut files: BTreeMap<String, Vec<u8>>) -> Result<(), TaggingError> {
        let config = serde_json::to_vec_pretty(self).map_err(|error| TaggingError::bundle(folder, error))?;
        files.insert(CONFIG.to_owned(), config);
        let sums = folder.join(SUMS);
        if sums.exists() {
            // From here until the end, this is not a bundle: its files are being replaced.
            std::fs::remove_file(&sums).map_err(FileError::of("remove", &sums))?;
        }
        for (name, bytes) in &files {
            earmark_files::write_atomic(&folder.join(name), bytes)?;
        }
        let lines = files.iter().map(|(name, bytes)| format!("{}  {name}\n", earmark_files::sha256(bytes)));
        earmark_files::write_atomic(&sums, lines.collect::<String>().as_bytes())?;
        Ok(())
    }
}
