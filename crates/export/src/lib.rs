//! A bundle as one ONNX file: the samples of a sound in, a score for each label out.
//!
//! [`export`] builds the graph of everything that [`earmark_tagging::Tagger`] computes: resampling
//! to the rates of the front ends, pieces of a minute, front ends, windows, networks, averages and
//! level 2. It needs only operators of the ONNX standard, so that any language with an ONNX runtime
//! can tag. `docs/export.md` describes the file.
//!
//! ```no_run
//! use earmark_export::{Options, card, export};
//! use earmark_tagging::{Bundle, ExportedModel};
//! let (bundle, files) = Bundle::read("runs/first/bundle".as_ref())?;
//! let exported = export(&bundle, &files, &Options::default())?;
//! let mut model = ExportedModel::load("model.onnx", &exported.bytes, 0)?;
//! let silence = vec![0.0; exported.sample_rate as usize];
//! assert_eq!(model.scores(&silence)?.len(), bundle.labels.len());
//! println!("{}", card(&exported, "model.onnx", None));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod card;
mod deltas;
mod error;
mod front_end;
mod loss;
mod merge;
mod precision;
mod resample;
mod scope;
mod source;
mod spectrum;
mod summary;
mod whole;
mod windows;

use std::collections::BTreeMap;

use earmark_features::Activation;
use earmark_onnx::model_with;
use earmark_onnx::proto::{ML_OPSET, OPSET};
use earmark_tagging::{Bundle, Learner, Origin};

pub use card::{card, is_card};
pub use error::ExportError;
pub use loss::Loss;
pub use precision::Precision;

use source::Source;
use whole::Whole;

/// What the file has of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The precision of the networks' weights.
    pub precision: Precision,
    /// Only this learner, without the others and level 2.
    pub learner: Option<String>,
}

/// A bundle as one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The ONNX file.
    pub bytes: Vec<u8>,
    /// The sample rate of its input, Hz.
    pub sample_rate: u32,
    /// The labels, in the order of the scores.
    pub labels: Vec<String>,
    /// The score from which on a clip has a label, if it may have several.
    pub thresholds: Option<Vec<f32>>,
    /// Whether the labels exclude each other.
    pub is_single_label: bool,
    /// The learners in the file, with their architectures.
    pub learners: Vec<(String, String)>,
    /// Whether level 2 is in the file.
    pub has_stack: bool,
    /// The precision of the networks' weights.
    pub precision: Precision,
    /// Where the weights come from, if others have published them: of the bundle, and of the
    /// networks of embeddings.
    pub origin: Option<Origin>,
}

/// Builds the file of a bundle and its files, which [`Bundle::read`] returns.
///
/// # Errors
/// There is no such learner; an ONNX file of the bundle cannot become a part of another one, which
/// can only be if others than Earmark wrote it; a file of 2 GiB or more.
pub fn export(bundle: &Bundle, files: &BTreeMap<String, Vec<u8>>, options: &Options) -> Result<Exported, ExportError> {
    let source = source(bundle, files, options)?;
    match build(&source) {
        Err(error @ ExportError::Network { .. }) => {
            let alone = |learner: &&Learner| {
                let options = Options { learner: Some(learner.name.clone()), ..options.clone() };
                self::source(bundle, files, &options).and_then(|source| build(&source)).is_ok()
            };
            let able = bundle.learners.iter().filter(alone).map(|learner| learner.name.clone()).collect();
            Err(ExportError::Unable { source: Box::new(error), able })
        }
        built => built,
    }
}

fn source<'a>(
    bundle: &'a Bundle,
    files: &'a BTreeMap<String, Vec<u8>>,
    options: &Options,
) -> Result<Source<'a>, ExportError> {
    let is_chosen = |learner: &&Learner| options.learner.as_ref().is_none_or(|name| *name == learner.name);
    let learners: Vec<&Learner> = bundle.learners.iter().filter(is_chosen).collect();
    if let (true, Some(name)) = (learners.is_empty(), &options.learner) {
        let known = bundle.learners.iter().map(|learner| learner.name.clone()).collect();
        return Err(ExportError::Learner { name: name.clone(), known });
    }
    let stack = bundle.stack.as_deref().filter(|_| options.learner.is_none());
    Ok(Source { bundle, files, precision: options.precision, learners, stack })
}

fn build(source: &Source<'_>) -> Result<Exported, ExportError> {
    let Source { bundle, learners, precision, .. } = source;
    let Whole { graph, uses_trees } = source.graph()?;
    let sample_rate = source.rates().first().copied().unwrap_or(0);
    let mut exported = Exported {
        bytes: Vec::new(),
        sample_rate,
        labels: bundle.labels.clone(),
        thresholds: source.thresholds().map(<[f32]>::to_vec),
        is_single_label: bundle.activation == Activation::Softmax,
        learners: learners.iter().map(|learner| (learner.name.clone(), learner.arch.clone())).collect(),
        has_stack: source.stack.is_some(),
        precision: *precision,
        origin: bundle.origin.clone(),
    };
    let mut opsets = vec![("", OPSET)];
    opsets.extend(uses_trees.then_some((merge::ML, ML_OPSET)));
    exported.bytes = model_with(graph, &opsets, &metadata(&exported, bundle))?;
    Ok(exported)
}

/// The metadata of the file: strings, and lists as JSON.
fn metadata(exported: &Exported, bundle: &Bundle) -> Vec<(&'static str, String)> {
    let list = |values: serde_json::Value| values.to_string();
    let learners: Vec<&String> = exported.learners.iter().map(|(name, _)| name).collect();
    let task = if exported.is_single_label { "single_label" } else { "multi_label" };
    let mut entries = vec![
        ("input", "samples".to_owned()),
        ("sample_rate", exported.sample_rate.to_string()),
        ("task", task.to_owned()),
        ("labels", list(exported.labels.clone().into())),
        ("learners", list(serde_json::json!(learners))),
        ("precision", exported.precision.to_string()),
        ("earmark", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    if !bundle.ids.is_empty() {
        entries.push(("ids", list(bundle.ids.clone().into())));
    }
    if let Some(thresholds) = &exported.thresholds {
        entries.push(("thresholds", list(serde_json::json!(thresholds))));
    }
    if let Some(Origin { source, licence, paper, .. }) = &exported.origin {
        entries.push(("source", source.clone()));
        entries.extend(licence.clone().map(|licence| ("licence", licence)));
        entries.extend(paper.clone().map(|paper| ("paper", paper)));
    }
    entries
}
