//! The bundle of a run: its networks and trees as ONNX, with everything that tagging needs.

use std::collections::BTreeMap;

use earmark_nets::{kernel, to_onnx};
use earmark_stacking::{Layout, Stack, TestFrom};
use earmark_tagging::{Bundle, Learner, Network, Origin};
use earmark_training::Split;

use crate::embeddings::BundledEmbedding;
use crate::error::{Context, Result};
use crate::evaluate::Results;
use crate::pretrained::WeightsSources;
use crate::recipe::Recipe;
use crate::run::Run;

const STACK: &str = "stack.onnx";

/// Writes `RUN/bundle` from the weights of the networks that predict the test clips.
pub(crate) fn write(
    run: &Run,
    recipe: &Recipe,
    labels: &[String],
    folds: usize,
    (stack, layout, combination): (&Stack, &Layout, &str),
    results: &Results,
) -> Result<()> {
    let sources = run.weights_sources()?;
    let mut files = BTreeMap::new();
    let (mut embeddings, mut origins) = (Vec::new(), String::new());
    for BundledEmbedding { embedding, onnx, origin } in run.embeddings(recipe)? {
        origins += &origin_line(&embedding.name, &origin.unwrap_or_default());
        files.insert(embedding.network.file.clone(), onnx);
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
    files.insert(STACK.to_owned(), stack.to_onnx(layout)?);
    let about = (&sources, origins.as_str());
    files.insert("README.md".to_owned(), card(recipe, labels, (combination, results), about).into_bytes());
    let statistics = (layout.statistics > 0).then(|| recipe.statistics.clone());
    let mut bundle = Bundle::new(labels.to_vec(), learners, statistics, Some(STACK.to_owned()));
    bundle.embeddings = embeddings;
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
    (combination, results): (&str, &Results),
    (sources, embeddings): (&WeightsSources, &str),
) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let learners = recipe.learners.iter().map(|learner| {
        let mixup = if learner.mixup > 0.0 { format!(", mixup Beta({0}, {0})", learner.mixup) } else { String::new() };
        let start = sources.get(&learner.name).map_or(String::new(), |source| {
            let licence = source.licence.as_deref().unwrap_or("licence unknown");
            format!(", from the weights of {} ({licence})", source.source)
        });
        if learner.is_kernel() {
            return format!("- `{}`: kernel ridge regression on {}\n", learner.name, learner.features);
        }
        format!(
            "- `{}`: {} on {}, crops of {} s{mixup}, {} epochs{start}\n",
            learner.name, learner.arch, learner.features, learner.crop_seconds, learner.epochs
        )
    });
    let learners: String = learners.collect();
    let labels: String = labels.iter().map(|label| format!("- {label}\n")).collect();
    let scores = results.to_string();
    let networks = match recipe.stack.test_from {
        TestFrom::Full => "The bundle's networks were trained on all training clips.",
        TestFrom::Folds => "The bundle's networks are those of the folds; a learner's probabilities are their mean.",
    };
    format!(
        "# An audio tagger made by Earmark {version}\n\n\
         Tags sound with one of the labels below: `earmark tag SOUND --model .` Networks are `learner-*.onnx` (input \
         `x`, `[batch, channels, bins, frames]`; output `logits`), the stack ({combination}) is `{STACK}` (input `x`: \
         the learners' probabilities, then the statistics if there are any; output `probabilities`). `config.json` has \
         the settings of features, resampling and windows; `docs/bundle.md` of Earmark's repository specifies it for \
         other programs. `SHA256SUMS` has the checksums of all files.\n\n\
         ## Labels\n\n{labels}\n## Learners\n\n{learners}{embeddings}\n\
         ## Scores\n\nOut of fold: each training clip is scored by models that were not trained on it. \
         {networks}\n\n```\n{scores}```\n\n\
         ## Limits\n\nIt knows its labels and nothing else: any sound gets one of them. The rights in the sounds that \
         it \
         was trained on, and in the weights that it started from, decide what it may be used for.\n"
    )
}
