//! The folder that tagging needs and that a person can pass on.

use std::collections::BTreeMap;
use std::path::Path;

use earmark_datasets::Windowing;
use earmark_features::{FrontEnd, InputScaling, MfccStatistics};
use serde::{Deserialize, Serialize};

use crate::TaggingError;

/// The version of the bundle's form; one with another number is refused.
const FORMAT: u32 = 2;
const CONFIG: &str = "config.json";
/// What makes probabilities of a network's logits.
const ACTIVATION: &str = "softmax";
/// The file with the SHA-256 of every other file, as `sha256sum --check` reads it. Written last: a folder without it is
/// no bundle yet.
pub const SUMS: &str = "SHA256SUMS";

/// `config.json`: how sound becomes tags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Version of this form.
    format: u32,
    /// The version of Earmark that wrote it.
    earmark: String,
    /// The classes, in the order of the outputs.
    pub labels: Vec<String>,
    /// What makes probabilities of the networks' logits: `softmax`.
    activation: String,
    /// Level 1, in the order of the stack's columns.
    pub learners: Vec<Learner>,
    /// The statistics that follow the learners' probabilities in the stack's columns.
    pub statistics: Option<MfccStatistics>,
    /// The ONNX file of the stack: `x` `[batch, columns]` to `probabilities`. Without it, the learners' probabilities
    /// are averaged.
    pub stack: Option<String>,
}

/// A learner of the bundle, and what it hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learner {
    /// Its name in the recipe.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// Its front end.
    pub features: FrontEnd,
    /// How a clip is cut into windows, and their outputs averaged.
    pub windows: Windowing,
    /// Its networks, one or several; their probabilities are averaged.
    pub networks: Vec<Network>,
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

impl Bundle {
    /// The description of a bundle.
    pub fn new(
        labels: Vec<String>,
        learners: Vec<Learner>,
        statistics: Option<MfccStatistics>,
        stack: Option<String>,
    ) -> Self {
        let earmark = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, earmark, labels, activation: ACTIVATION.to_owned(), learners, statistics, stack }
    }

    /// Writes the bundle: `files` (ONNX, model card) by name, `config.json`, and at last the sums.
    ///
    /// # Errors
    /// The folder cannot be written to; then it holds no sums and is no bundle.
    pub fn write(&self, folder: &Path, mut files: BTreeMap<String, Vec<u8>>) -> Result<(), TaggingError> {
        let config = serde_json::to_vec_pretty(self).map_err(|error| unusable(folder, error))?;
        files.insert(CONFIG.to_owned(), config);
        let sums = folder.join(SUMS);
        if sums.exists() {
            // From here on until the end this is no bundle: its files are being replaced.
            std::fs::remove_file(&sums).map_err(|error| unusable(&sums, error))?;
        }
        for (name, bytes) in &files {
            earmark_files::write_atomic(&folder.join(name), bytes)?;
        }
        let lines = files.iter().map(|(name, bytes)| format!("{}  {name}\n", earmark_files::sha256(bytes)));
        earmark_files::write_atomic(&sums, lines.collect::<String>().as_bytes())?;
        Ok(())
    }

    /// Reads a bundle and checks every file of it; gives the description and the files' bytes by name.
    ///
    /// # Errors
    /// A file that is missing or has changed since it was written, or a form of another version.
    pub fn read(folder: &Path) -> Result<(Self, BTreeMap<String, Vec<u8>>), TaggingError> {
        let sums = folder.join(SUMS);
        if !sums.exists() {
            return Err(unusable(
                folder,
                format!("it has no {SUMS}; a bundle is the folder RUN/bundle of a finished run"),
            ));
        }
        let mut files = BTreeMap::new();
        for line in earmark_files::read_to_string(&sums)?.lines() {
            let (sum, name) =
                line.split_once("  ").ok_or_else(|| unusable(&sums, format!("no sum and name: {line:?}")))?;
            if name.contains(['/', '\\']) || name == ".." {
                return Err(unusable(&sums, format!("{name:?} lies outside the bundle")));
            }
            let path = folder.join(name);
            let bytes = earmark_files::read(&path)?;
            if earmark_files::sha256(&bytes) != sum {
                return Err(unusable(&path, format!("damaged or changed: its SHA-256 is not the one in {SUMS}")));
            }
            files.insert(name.to_owned(), bytes);
        }
        let config = files.get(CONFIG).ok_or_else(|| unusable(&sums, format!("it does not list {CONFIG}")))?;
        let path = folder.join(CONFIG);
        let version: Version = serde_json::from_slice(config).map_err(|error| unusable(&path, error))?;
        if version.format != FORMAT {
            let reason = format!("its form is of version {}, and this program reads version {FORMAT}", version.format);
            return Err(unusable(&path, reason));
        }
        let bundle: Self = serde_json::from_slice(config).map_err(|error| unusable(&path, error))?;
        if bundle.activation != ACTIVATION {
            let reason = format!("its activation is {:?}, and this program knows {ACTIVATION:?}", bundle.activation);
            return Err(unusable(&path, reason));
        }
        let networks = bundle.learners.iter().flat_map(|learner| &learner.networks);
        for name in networks.map(|network| &network.file).chain(&bundle.stack) {
            if !files.contains_key(name) {
                return Err(unusable(&path, format!("it names the file {name}, which {SUMS} does not list")));
            }
        }
        for Learner { name, features, networks, .. } in &bundle.learners {
            if networks.is_empty() {
                return Err(unusable(&path, format!("the learner {name} has no networks")));
            }
            let channels = features.shape().0;
            let wrong = |network: &Network| matches!(&network.scaling, InputScaling::Fixed(of) if !of.fits(channels));
            if networks.iter().any(wrong) {
                let reason =
                    format!("the scaling of {name} has no mean and deviation above 0 for each of its channels");
                return Err(unusable(&path, reason));
            }
        }
        if bundle.learners.is_empty() || bundle.labels.is_empty() {
            return Err(unusable(&path, "it has no learners or no labels"));
        }
        Ok((bundle, files))
    }
}

/// The one key that every version has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

pub(crate) fn unusable(path: &Path, reason: impl std::fmt::Display) -> TaggingError {
    TaggingError::Bundle { path: path.to_owned(), reason: reason.to_string() }
}
