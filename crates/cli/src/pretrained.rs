//! The weights from elsewhere that networks start with: found or fetched before any sound is
//! decoded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_datasets::download::{Hub, Network, Pin, PublishedFile, Sum, released_file, torch_checkpoints};
use earmark_features::FrontEnd;
use earmark_nets::{Pretrained, Source};
use earmark_training::{LearnerSettings, PretrainedWeights};
use serde::{Deserialize, Serialize};

use crate::download::Bar;
use crate::output;
use crate::recipe::Recipe;

/// In a run's folder: what its networks have started with.
pub const FILE: &str = "pretrained.json";
/// Names of published weights in a recipe. Whatever else stands there is a file.
const NAMES: [&str; 2] = ["imagenet", "audioset"];
/// The file of a repository of timm on the hub.
const WEIGHTS: &str = "model.safetensors";

/// Where the weights come from that a learner starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// A repository, an address, or a file as the recipe names it.
    pub source: String,
    /// The licence of published weights.
    pub licence: Option<String>,
    /// The commit of a repository of the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The SHA-256 of the file's bytes.
    pub sha256: String,
    /// The file, where this was found out just now.
    #[serde(skip)]
    path: PathBuf,
}

impl Origin {
    /// What a job needs of it.
    pub fn start(&self) -> PretrainedWeights {
        PretrainedWeights { path: self.path.clone(), sha256: self.sha256.clone() }
    }
}

/// Where to look for weights.
pub struct Places<'a> {
    /// The folder of the recipe, which files are named from.
    pub recipe: &'a Path,
    /// The address of the hub.
    pub hub: &'a str,
    /// Whether bars are wanted.
    pub bars: bool,
}

/// What learners start with, by their names; those that start with random weights are not in it.
pub type Origins = BTreeMap<String, Origin>;

/// Checks that published weights are there for a learner that asks for them, and fit its features;
/// and the form of pins.
pub fn validate(learner: &LearnerSettings, front_end: &FrontEnd) -> anyhow::Result<()> {
    let named = learner.pretrained.as_deref().filter(|name| NAMES.contains(name));
    let published = named.map(|_| learner.variant()).transpose()?.and_then(|variant| variant.start());
    let on_hub = published.is_some_and(|published| matches!(published.source, Source::Hub(_)));
    let (revision, sha256) = (&learner.pretrained_revision, &learner.pretrained_sha256);
    for (key, value, digits, fits, of) in [
        ("pretrained_revision", revision, 40, on_hub, "weights that are published on the hub"),
        ("pretrained_sha256", sha256, 64, learner.pretrained.is_some(), "`pretrained` weights"),
    ] {
        let Some(value) = value else { continue };
        let is_hex = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && value.len() == digits;
        let place = format!("learner {}: {key} = {value:?}", learner.name);
        anyhow::ensure!(is_hex, "{place}: must be {digits} lower-case hexadecimal digits");
        anyhow::ensure!(fits, "{place}: applies only to {of}");
    }
    let Some(name) = named else { return Ok(()) };
    let asked = || format!("learner {}: pretrained = {name:?}", learner.name);
    let published =
        published.with_context(|| format!("{}: there are no published weights of {}", asked(), learner.arch))?;
    anyhow::ensure!(
        published.data == name,
        "{}: the published weights of {} are pretrained = {:?}",
        asked(),
        learner.arch,
        published.data
    );
    // Filters of several channels are added up for one, and fit no other number.
    let (channels, learned) = (front_end.shape().0, published.channels());
    anyhow::ensure!(
        channels == learned || channels == 1,
        "{}: the published weights of {} take features of {learned} {}, not of {channels}{}",
        asked(),
        learner.arch,
        if learned == 1 { "channel" } else { "channels" },
        if learned == 1 { "; set deltas = false" } else { "" }
    );
    Ok(())
}

/// Finds the weights that learners start with, fetches what is not there, and checks that they fit the networks.
///
/// # Errors
/// A file that is not there or cannot be fetched; weights of another network.
pub fn gather(recipe: &Recipe, classes: usize, places: &Places) -> anyhow::Result<Origins> {
    let mut origins = Origins::new();
    for learner in &recipe.learners {
        let Some(asked) = &learner.pretrained else { continue };
        let key = || format!("learner {}: pretrained = {asked:?}", learner.name);
        let published = learner.variant()?.start().filter(|_| NAMES.contains(&asked.as_str()));
        let origin = match &published {
            Some(published) => fetch(published, learner, places).with_context(key)?,
            None => file(asked, places).with_context(key)?,
        };
        if let Some(pinned) = &learner.pretrained_sha256 {
            let (path, found) = (origin.path.display(), &origin.sha256);
            anyhow::ensure!(
                pinned == found,
                "{}: the SHA-256 of {path} is {found}, but pretrained_sha256 = {pinned:?}",
                key()
            );
        }
        let checked = origin.start().check(learner, &learner.graph(recipe.front_end(&learner.name)?, classes, 0)?);
        // Whoever put other weights into the cache, they are taken as long as they are there.
        match published {
            Some(_) => checked.with_context(|| {
                format!("{}: remove {} and run the same command again, to fetch it anew", key(), origin.path.display())
            })?,
            None => checked?,
        }
        origins.insert(learner.name.clone(), origin);
    }
    Ok(origins)
}

/// A file that the recipe names.
fn file(asked: &str, places: &Places) -> anyhow::Result<Origin> {
    let path = places.recipe.join(asked);
    let sha256 = earmark_files::sha256_file(&path);
    let names = || format!("neither a file that can be read nor a name of published weights ({})", NAMES.join(", "));
    Ok(Origin { source: asked.to_owned(), licence: None, revision: None, sha256: sha256.with_context(names)?, path })
}

/// The file of published weights, of the version that the recipe pins, or the registry.
fn fetch(published: &Pretrained, learner: &LearnerSettings, places: &Places) -> anyhow::Result<Origin> {
    let Pretrained { source, data, licence, pin } = published;
    let pin = match (learner.pretrained_revision.as_deref(), learner.pretrained_sha256.as_deref()) {
        (None, None) => Pin { revision: pin.revision, sha256: pin.sha256 },
        (revision, sha256) => Pin { revision, sha256 },
    };
    output::tell(&format!("weights of {source} (learned from {data}), licence: {licence}"));
    let network = Network::default();
    let mut bar = Bar::new(places.bars);
    let fetched = match source {
        Source::Hub(repository) => {
            let hub = Hub::at(places.hub)?;
            hub.file(repository, WEIGHTS, pin, &network, &mut |event| bar.show(event)).with_context(|| {
                format!("cannot get {WEIGHTS} of {repository}; name another hub by --hub or HF_ENDPOINT, or a file in the recipe")
            })
        }
        Source::Release { url, sha256 } => {
            let sum = Sum::Sha256((*sha256).to_owned());
            released_file(url, &sum, &torch_checkpoints()?, &network, &mut |event| bar.show(event))
                .with_context(|| format!("cannot get {url}; fetch it by other means, and name the file in the recipe"))
        }
    };
    bar.end();
    let PublishedFile { path, sha256, revision } = fetched?;
    Ok(Origin { source: source.to_string(), licence: Some((*licence).to_owned()), revision, sha256, path })
}

/// Checks that a run in `folder`, if there is one, began with the same weights.
///
/// # Errors
/// Other weights.
pub fn check(folder: &Path, origins: &Origins) -> anyhow::Result<()> {
    let path = folder.join(FILE);
    for (learner, then) in read(folder)? {
        let now = origins.get(&learner).map_or("unknown", |origin| &origin.sha256);
        let remedy = match &then.revision {
            Some(commit) => format!("they are commit {commit} of the repository"),
            None => "restore the old ones".to_owned(),
        };
        anyhow::ensure!(
            now == then.sha256,
            "learner {learner}: the weights of {} are not those that the run began with: their SHA-256 is {now}, and was {} \
             (in {}); {remedy}, or choose another --out",
            then.source,
            then.sha256,
            path.display()
        );
    }
    Ok(())
}

/// What the learners of a run have started with.
///
/// # Errors
/// A damaged file.
pub fn read(folder: &Path) -> anyhow::Result<Origins> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Origins::new());
    }
    serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| format!("{} is damaged", path.display()))
}

/// Writes down what the learners of a run start with.
///
/// # Errors
/// The disk.
pub fn write(folder: &Path, origins: &Origins) -> anyhow::Result<()> {
    let path = folder.join(FILE);
    if !origins.is_empty() && !path.exists() {
        earmark_files::write_atomic(&path, &serde_json::to_vec_pretty(origins)?)?;
    }
    Ok(())
}
