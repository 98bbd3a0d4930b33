//! `earmark bundle`: what is in a bundle, and whether it can be used.

use std::collections::BTreeMap;
use std::path::Path;

use earmark_features::{Activation, FrontEnd, Layers, Windowing};
use earmark_tables::{counted, printable, size};
use earmark_tagging::{Bundle, Embedding, Learner, ModelStore, Network, Origin, StackKind, Verified};
use serde::Serialize;

use crate::args;
use crate::output;

/// Runs the command.
pub fn run(command: &args::Bundle) -> anyhow::Result<()> {
    let (args::Bundle::Verify { bundle } | args::Bundle::Info { bundle, .. }) = command;
    let folder = ModelStore::open()?.resolve(bundle, Path::new(""))?;
    match command {
        args::Bundle::Verify { .. } => print_verified(&folder, &earmark_tagging::verify(&folder)?),
        args::Bundle::Info { json, .. } => {
            let (bundle, files) = Bundle::read(&folder)?;
            print_info(&Info::new(&folder, &bundle, &files, None), *json)
        }
    }
}

/// Prints what was checked.
pub fn print_verified(folder: &Path, verified: &Verified) -> anyhow::Result<()> {
    let Verified { bundle, files, unlisted } = verified;
    let models = bundle.models().len();
    let bytes = files.iter().map(|(_, bytes)| bytes).sum();
    let mut lines = vec![
        format!("{}: good", folder.display()),
        format!("  format {}, written by Earmark {}", bundle.format(), printable(bundle.written_by())),
        format!("  {}, {}: each is inside the folder and has its checksum", counted(files.len(), "file"), size(bytes)),
        format!("  {}: all weights inside, only ONNX's operators", counted(models, "ONNX model")),
        format!("  {}: every network and the stack have as many outputs", counted(bundle.labels.len(), "label")),
        "  a second of noise: every output is a number".to_owned(),
    ];
    if !unlisted.is_empty() {
        let names: Vec<String> = unlisted.iter().map(|name| printable(name)).collect();
        lines.push(format!("  not listed in SHA256SUMS, so never read: {}", names.join(", ")));
    }
    output::print(&(lines.join("\n") + "\n"))
}

/// Prints what is in a bundle.
pub fn print_info(info: &Info<'_>, as_json: bool) -> anyhow::Result<()> {
    if as_json { output::print_json(info) } else { output::print(&info.text()) }
}

/// What is in a bundle, as `--json` has it.
#[derive(Serialize)]
pub struct Info<'a> {
    #[serde(flatten)]
    installed: Option<Installed<'a>>,
    folder: &'a Path,
    format: u32,
    earmark: &'a str,
    task: &'static str,
    classes: usize,
    labels: &'a [String],
    thresholds: Option<&'a [f32]>,
    learners: Vec<LearnerInfo<'a>>,
    embeddings: Vec<EmbeddingInfo<'a>>,
    /// Number of statistics that the stack takes.
    statistics: usize,
    stack: Option<StackKind>,
    files: BTreeMap<&'a str, usize>,
    origin: Option<&'a Origin>,
}

/// The name of an installed model, and whether `tag` uses it by default.
#[derive(Serialize)]
pub struct Installed<'a> {
    pub name: &'a str,
    pub default: bool,
}

#[derive(Serialize)]
struct LearnerInfo<'a> {
    name: &'a str,
    arch: &'a str,
    networks: usize,
    bytes: usize,
    #[serde(flatten)]
    input: Input<'a>,
}

#[derive(Serialize)]
struct EmbeddingInfo<'a> {
    name: &'a str,
    layers: Layers,
    size: usize,
    #[serde(flatten)]
    input: Input<'a>,
}

/// What a network gets.
#[derive(Serialize)]
struct Input<'a> {
    features: &'a FrontEnd,
    sample_rate: u32,
    /// Of a window; none if the whole clip is one.
    window_seconds: Option<f64>,
    hop_seconds: Option<f64>,
}

impl<'a> Info<'a> {
    /// What is in the bundle with these files.
    pub fn new(
        folder: &'a Path,
        bundle: &'a Bundle,
        files: &'a BTreeMap<String, Vec<u8>>,
        installed: Option<Installed<'a>>,
    ) -> Self {
        let bytes = |network: &Network| files.get(&network.file).map_or(0, Vec::len);
        let learner = |learner: &'a Learner| LearnerInfo {
            name: &learner.name,
            arch: &learner.arch,
            networks: learner.networks.len(),
            bytes: learner.networks.iter().map(bytes).sum(),
            input: Input::new(&learner.features, &learner.windows),
        };
        let embedding = |embedding: &'a Embedding| EmbeddingInfo {
            name: &embedding.name,
            layers: embedding.layers,
            size: embedding.size,
            input: Input::new(&embedding.features, &embedding.windows),
        };
        Self {
            installed,
            folder,
            format: bundle.format(),
            earmark: bundle.written_by(),
            task: match bundle.activation {
                Activation::Softmax => "single_label",
                Activation::Sigmoid => "multi_label",
            },
            classes: bundle.labels.len(),
            labels: &bundle.labels,
            thresholds: bundle.thresholds.as_deref(),
            learners: bundle.learners.iter().map(learner).collect(),
            embeddings: bundle.embeddings.iter().map(embedding).collect(),
            statistics: bundle.statistics.as_ref().map_or(0, |of| of.n_mfcc * of.set.statistics().len()),
            stack: bundle.stack_kind(files),
            files: files.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect(),
            origin: bundle.origin.as_ref(),
        }
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        let mut line = |key: &str, value: &str| lines.push(format!("{key:<11} {}\n", printable(value)));
        if let Some(Installed { name, default }) = &self.installed {
            line("name", &format!("{name}{}", if *default { ", tags by default" } else { "" }));
        }
        line("folder", &self.folder.display().to_string());
        line("format", &format!("{}, written by Earmark {}", self.format, self.earmark));
        line("task", if self.task == "multi_label" { "several labels a clip" } else { "one label a clip" });
        line("classes", &format!("{}: {}", self.classes, listed(self.labels)));
        line("thresholds", &self.thresholds.map_or("none".to_owned(), range));
        for learner in &self.learners {
            let LearnerInfo { name, arch, networks, bytes, input } = learner;
            let networks = counted(*networks, "network");
            line("learner", &format!("{name}: {arch}, {input}, {networks}, {}", size(*bytes as u64)));
        }
        for EmbeddingInfo { name, layers, size, input } in &self.embeddings {
            let stages = if layers.is_last() { "" } else { " (stages)" };
            line("embedding", &format!("{name}{stages}: {}, {input}", counted(*size, "value")));
        }
        let statistics = match self.statistics {
            0 => String::new(),
            count => format!(", also of {}", counted(count, "statistic")),
        };
        line(
            "stack",
            &self.stack.map_or("none: mean of the learners".to_owned(), |kind| format!("{kind}{statistics}")),
        );
        let bytes: usize = self.files.values().sum();
        line("size", &format!("{} in {}", size(bytes as u64), counted(self.files.len(), "file")));
        if let Some(Origin { source, sha256, licence, paper }) = self.origin {
            line("source", source);
            line("sha256", sha256);
            line("licence", licence.as_deref().unwrap_or("not known"));
            line("paper", paper.as_deref().unwrap_or("not known"));
        }
        lines.concat()
    }
}

impl<'a> Input<'a> {
    fn new(features: &'a FrontEnd, windows: &Windowing) -> Self {
        let rate = features.frames_per_second();
        let seconds = |frames: usize| (rate > 0.0).then(|| frames as f64 / rate);
        let (window_seconds, hop_seconds) = (seconds(windows.frames), seconds(windows.hop));
        Self { features, sample_rate: features.sample_rate(), window_seconds, hop_seconds }
    }
}

impl std::fmt::Display for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.features {
            FrontEnd::LogMel { mel, .. } => format!("log-mel of {} bands", mel.n_mels),
            FrontEnd::Mfcc { n_mfcc, .. } => format!("{n_mfcc} MFCC"),
            FrontEnd::Summary { .. } => "summary".to_owned(),
            FrontEnd::Embedding { model, .. } => format!("embedding by {model}"),
            FrontEnd::Wave { .. } => "wave".to_owned(),
        };
        write!(f, "{kind} at {} Hz, ", self.sample_rate)?;
        match (self.window_seconds, self.hop_seconds) {
            (Some(window), Some(hop)) => write!(f, "windows of {window:.2} s every {hop:.2} s"),
            _ => f.write_str("whole clips"),
        }
    }
}

/// The first labels.
fn listed(labels: &[String]) -> String {
    let shown = labels.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    if labels.len() > 5 { format!("{shown}, ...") } else { shown }
}

/// The least and the greatest threshold.
fn range(thresholds: &[f32]) -> String {
    let [least, most] = [f32::min, f32::max].map(|of| thresholds.iter().copied().reduce(of).unwrap_or(0.0));
    format!("{least:.3} to {most:.3}, one a class")
}
