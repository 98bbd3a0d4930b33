//! The bundle of a run: its networks and trees as ONNX, with everything that tagging needs.

use std::collections::BTreeMap;

use earmark_features::Activation;
use earmark_nets::{kernel, to_onnx};
use earmark_stacking::TestFrom;
use earmark_tables::counted;
use earmark_tagging::{Bundle, Learner, Network, Origin};
use earmark_training::Split;

use crate::embeddings::BundledEmbedding;
use crate::error::{Context, Result};
use crate::pretrained::WeightsSources;
use crate::recipe::Recipe;
use crate::run::Run;

const STACK: &str = "stack.onnx";

/// What a bundle has of level 2.
pub(crate) struct Level2 {
    /// Its ONNX.
    pub stack: Vec<u8>,
    /// What it is, for people.
    pub combination: String,
    /// Whether it takes the MFCC statistics.
    pub statistics: bool,
    /// How the learners' logits become probabilities.
    pub activation: Activation,
    /// The probability from which on a label is given, if a clip may have several.
    pub thresholds: Option<Vec<f32>>,
    /// The scores of the run, for the model card.
    pub scores: String,
}

/// Writes `RUN/bundle` from the weights of the networks that predict the test clips.
pub(crate) fn write(run: &Run, recipe: &Recipe, labels: &[String], folds: usize, level2: Level2) -> Result<()> {
    let Level2 { stack, combination, statistics, activation, thresholds, scores } = level2;
    let sources = run.weights_sources()?;
    let mut files = BTreeMap::new();
    let (mut embeddings, mut origins) = (Vec::new(), String::new());
    for BundledEmbedding { embedding, onnx, origin } in run.embeddings(recipe)? {
        // Several embeddings can be of one network.
        if files.insert(embedding.network.file.clone(), onnx).is_none() {
            origins += &origin_line(&embedding.name, &origin.unwrap_or_default());
        }
        embeddings.push(embedding);
    }
    let mut learners = Vec::new();
    for settings in &recipe.learners {
        let features = recipe.features[&settings.features].clone();
        let (name, arch) = (settings.name.clone(), settings.arch.clone());
        let mut networks = Vec::new();
        for split in recipe.test_splits(folds) {
            let (weights, scaling) = run.weights(&name, split)?;
            let graph = settings.graph(&features, labels.len(), kernel::centres(&weights).unwrap_or(0))?;
            let of = if split == Split::Full { String::new() } else { format!("-{split}") };
            let file = format!("learner-{name}{of}.onnx");
            files.insert(file.clone(), to_onnx(&graph, &weights).with_context(|| name.clone())?);
            networks.push(Network { file, scaling });
        }
        let windows = settings.windowing(&features);
        learners.push(Learner { name, arch, features, windows, networks });
    }
    files.insert(STACK.to_owned(), stack);
    let of_level2 = (combination.as_str(), scores.as_str(), thresholds.is_some());
    let origins = (&sources, origins.as_str());
    files.insert("README.md".to_owned(), card(recipe, labels, of_level2, origins).into_bytes());
    let statistics = statistics.then(|| recipe.statistics.clone());
    let mut bundle = Bundle::new(labels.to_vec(), learners, statistics, Some(STACK.to_owned()));
    (bundle.embeddings, bundle.activation, bundle.thresholds) = (embeddings, activation, thresholds);
    Ok(bundle.write(&run.path("bundle"), files)?)
}

/// The line of the model card about the source of an embedding.
fn origin_line(name: &str, Origin { source, licence, paper, .. }: &Origin) -> String {
    let licence = licence.as_deref().unwrap_or("licence unknown");
    let paper = paper.as_deref().map_or(String::new(), |paper| format!("; {paper}"));
    format!("- the embedding `{name}`: {source} ({licence}){paper}\n")
}

/// The model card.
fn card(
    recipe: &Recipe,
    labels: &[String],
    (combination, scores, several): (&str, &str, bool),
    (sources, embeddings): (&WeightsSources, &str),
) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let learners = recipe.learners.iter().map(|learner| {
        let mixup = if learner.mixup > 0.0 { format!(", mixup Beta({0}, {0})", learner.mixup) } else { String::new() };
        let start = sources.get(&learner.name).map_or(String::new(), |source| {
            let licence = source.licence.as_deref().unwrap_or("licence unknown");
            format!(", from the weights of {} ({licence})", source.source)
        });
        if learner.is_of_whole_clips() {
            let what = if learner.is_kernel() { "kernel ridge regression" } else { "logistic regression" };
            return format!("- `{}`: {what} on {}\n", learner.name, learner.features);
        }
        format!(
            "- `{}`: {} on {}, crops of {} s{mixup}, {}{start}\n",
            learner.name,
            learner.arch,
            learner.features,
            learner.crop_seconds,
            counted(learner.epochs, "epoch")
        )
    });
    let learners: String = learners.collect();
    let labels: String = labels.iter().map(|label| format!("- {label}\n")).collect();
    let (tags, limit) = match several {
        false => ("one of the labels", "any sound gets one of them"),
        true => ("any number of the labels", "a sound of something else may get one of them"),
    };
    let networks = match recipe.stack.test_from {
        TestFrom::Full => "The bundle's networks were trained on all training clips.",
        TestFrom::Folds => "The bundle's networks are those of the folds; a learner's probabilities are their mean.",
    };
    format!(
        "# An audio tagger made by Earmark {version}\n\n\
         Tags sound with {tags} below: `earmark tag SOUND --model .` Networks are `learner-*.onnx` (input \
         `x`, `[batch, channels, bins, frames]`; output `logits`), the stack ({combination}) is `{STACK}` (input `x`: \
         the learners' probabilities, then the statistics if there are any; output `probabilities`). `config.json` has \
         the settings of features, resampling and windows; `docs/bundle.md` of Earmark's repository specifies it for \
         other programs. `SHA256SUMS` has the checksums of all files.\n\n\
         ## Labels\n\n{labels}\n## Learners\n\n{learners}{embeddings}\n\
         ## Scores\n\nOut of fold: each training clip is scored by models that were not trained on it. \
         {networks}\n\n```\n{scores}```\n\n\
         ## Limits\n\nIt knows its labels and nothing else: {limit}. The rights in the sounds that \
         it \
         was trained on, and in the weights that it started from, decide what it may be used for.\n"
    )
}
