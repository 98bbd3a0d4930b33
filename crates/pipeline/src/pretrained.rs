//! Pretrained weights that networks start with: found or downloaded before any clip is decoded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use earmark_download::{
    Checksum, Hub, Network, Pin, PublishedFile, has_released_file, released_file, torch_checkpoints,
};
use earmark_nets::{Pretrained, Source};
use earmark_training::{LearnerSettings, PretrainedWeights};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result, ensure};
use crate::events::{Event, Note, Observer, note};
use crate::recipe::{PUBLISHED, Recipe};
use crate::run::Run;

/// The file in a run's folder that records what its networks started with.
const FILE: &str = "pretrained.json";
/// The name of the weights file in timm's repositories on the hub.
const WEIGHTS: &str = "model.safetensors";

/// The source of the weights that a learner starts with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsSource {
    /// A repository, an address, or a path as in the recipe.
    pub source: String,
    /// The licence of published weights.
    pub licence: Option<String>,
    /// The commit of a repository on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The SHA-256 of the file.
    pub sha256: String,
    /// The path of the file, if it was located in this process.
    #[serde(skip)]
    path: PathBuf,
}

impl WeightsSource {
    /// The part that a job needs.
    pub(crate) fn weights(&self) -> PretrainedWeights {
        PretrainedWeights { path: self.path.clone(), sha256: self.sha256.clone() }
    }
}

/// Where to look for weights.
pub(crate) struct Places<'a> {
    /// The folder of the recipe, which paths are relative to.
    pub recipe: &'a Path,
    /// The address of the hub.
    pub hub: &'a str,
    /// Receives the progress of downloads.
    pub observer: &'a dyn Observer,
}

/// The weights that learners start with, by learner name. Learners that start with random weights
/// are not included.
pub type WeightsSources = BTreeMap<String, WeightsSource>;

/// Finds the weights that learners start with, downloads missing ones, and checks that they fit the
/// networks.
///
/// # Errors
/// A file is missing or cannot be downloaded; weights are those of another network.
pub(crate) fn gather(recipe: &Recipe, classes: usize, places: &Places<'_>) -> Result<WeightsSources> {
    let mut sources = WeightsSources::new();
    for learner in &recipe.learners {
        let Some(asked) = &learner.pretrained else { continue };
        let published = learner.variant()?.start(asked);
        let found = match &published {
            Some(published) => fetch(published, learner, places),
            None => file(asked, places),
        };
        let found = found.with_context(|| key(learner, asked))?;
        check_weights(recipe, learner, classes, published.is_some(), &found)?;
        sources.insert(learner.name.clone(), found);
    }
    Ok(sources)
}

/// Published weights that a training would download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedDownload {
    /// The name of the learner that starts from them.
    pub learner: String,
    /// The repository or address.
    pub source: String,
    /// Their licence.
    pub licence: String,
}

/// Does what [`gather`] does, but lists what it would download.
///
/// # Errors
/// Those of [`gather`], except those of downloads.
pub(crate) fn gather_without_downloads(
    recipe: &Recipe,
    classes: usize,
    places: &Places<'_>,
) -> Result<(WeightsSources, Vec<PlannedDownload>)> {
    let (mut sources, mut downloads) = (WeightsSources::new(), Vec::new());
    for learner in &recipe.learners {
        let Some(asked) = &learner.pretrained else { continue };
        let published = learner.variant()?.start(asked);
        let found = match &published {
            Some(published) if !is_cached(published, learner, places).with_context(|| key(learner, asked))? => {
                let (source, licence) = (published.source.to_string(), published.licence.to_owned());
                downloads.push(PlannedDownload { learner: learner.name.clone(), source, licence });
                continue;
            }
            Some(published) => fetch(published, learner, places),
            None => file(asked, places),
        };
        let found = found.with_context(|| key(learner, asked))?;
        check_weights(recipe, learner, classes, published.is_some(), &found)?;
        sources.insert(learner.name.clone(), found);
    }
    Ok((sources, downloads))
}

fn key(learner: &LearnerSettings, asked: &str) -> String {
    format!("learner {}: pretrained = {asked:?}", learner.name)
}

/// Checks that weights are the pinned ones and fit their network.
fn check_weights(
    recipe: &Recipe,
    learner: &LearnerSettings,
    classes: usize,
    is_published: bool,
    found: &WeightsSource,
) -> Result<()> {
    let key = || key(learner, learner.pretrained.as_deref().unwrap_or_default());
    if let Some(pinned) = &learner.pretrained_sha256 {
        let (path, sha256) = (found.path.display(), &found.sha256);
        ensure!(
            pinned == sha256,
            OtherWeights,
            "{}: the SHA-256 of {path} is {sha256}, but pretrained_sha256 = {pinned:?}",
            key()
        );
    }
    let checked = found.weights().check(learner, &learner.graph(recipe.front_end(&learner.name)?, classes, 0)?);
    // Weights in the cache are used as they are, even if another program put them there.
    match is_published {
        true => checked.with_context(|| {
            format!("{}: remove {} and run the same command again, to fetch it again", key(), found.path.display())
        }),
        false => Ok(checked?),
    }
}

/// Locates a weights file that the recipe names.
fn file(asked: &str, places: &Places<'_>) -> Result<WeightsSource> {
    let path = places.recipe.join(asked);
    let sha256 = earmark_files::sha256_file(&path);
    let names =
        || format!("neither a file that can be read nor a name of published weights ({})", PUBLISHED.join(", "));
    Ok(WeightsSource {
        source: asked.to_owned(),
        licence: None,
        revision: None,
        sha256: sha256.with_context(names)?,
        path,
    })
}

/// Downloads published weights, in the version that the recipe or the registry pins.
fn fetch(published: &Pretrained, learner: &LearnerSettings, places: &Places<'_>) -> Result<WeightsSource> {
    let Pretrained { source, data, licence, .. } = published;
    let pin = pin_of(published, learner);
    let (source_name, data, terms) = (source.to_string(), (*data).to_owned(), (*licence).to_owned());
    note(places.observer, Note::PublishedWeights { source: source_name, data, licence: terms });
    let network = Network::default();
    let fetched = match source {
        Source::Hub(repository) => {
            let hub = Hub::at(places.hub)?;
            hub.file(repository, WEIGHTS, pin, &network, &mut |event| places.observer.event(&Event::Download(event)))
                .with_context(|| {
                    format!(
                        "cannot get {WEIGHTS} of {repository}; name another hub by --hub or HF_ENDPOINT, or a file in \
                    the recipe"
                    )
                })
        }
        Source::Release { url, sha256 } => {
            let checksum = sha256.map(|digits| Checksum::Sha256(digits.to_owned()));
            released_file(url, checksum.as_ref(), &torch_checkpoints()?, &network, &mut |event| {
                places.observer.event(&Event::Download(event))
            })
            .with_context(|| format!("cannot get {url}; fetch it by other means, and name the file in the recipe"))
        }
    };
    places.observer.event(&Event::DownloadFinished);
    let PublishedFile { path, sha256, revision } = fetched?;
    Ok(WeightsSource { source: source.to_string(), licence: Some((*licence).to_owned()), revision, sha256, path })
}

/// The version that the recipe or the registry pins.
fn pin_of<'a>(published: &'a Pretrained, learner: &'a LearnerSettings) -> Pin<'a> {
    match (learner.pretrained_revision.as_deref(), learner.pretrained_sha256.as_deref()) {
        (None, None) => Pin { revision: published.pin.revision, sha256: published.pin.sha256 },
        (revision, sha256) => Pin { revision, sha256 },
    }
}

/// Whether [`fetch`] finds published weights in the cache.
fn is_cached(published: &Pretrained, learner: &LearnerSettings, places: &Places<'_>) -> Result<bool> {
    let mut on_event = |event: earmark_download::Event<'_>| places.observer.event(&Event::Download(event));
    let found = match &published.source {
        Source::Hub(repository) => {
            let there = Hub::at(places.hub)?.cached(repository, WEIGHTS, pin_of(published, learner), &mut on_event);
            there.map(|there| there.is_some())
        }
        Source::Release { url, sha256 } => {
            let checksum = sha256.map(|digits| Checksum::Sha256(digits.to_owned()));
            has_released_file(url, checksum.as_ref(), &torch_checkpoints()?, &mut on_event)
        }
    };
    places.observer.event(&Event::DownloadFinished);
    Ok(found?)
}

/// Whether a learner starts without a download: from random weights, from a file, or from released
/// weights that are in the cache.
pub(crate) fn is_at_hand(learner: &LearnerSettings) -> bool {
    let Some(asked) = &learner.pretrained else { return true };
    match learner.variant().map(|variant| variant.start(asked).map(|published| published.source)) {
        Ok(Some(Source::Release { url, .. })) => {
            let file = url.rsplit('/').next().unwrap_or(url);
            torch_checkpoints().is_ok_and(|folder| folder.join(file).is_file())
        }
        Ok(Some(Source::Hub(_))) | Err(_) => false,
        Ok(None) => true,
    }
}

/// Checks that a run in `folder`, if it exists, began with the same weights.
///
/// # Errors
/// The weights differ.
pub(crate) fn check(folder: &Path, sources: &WeightsSources) -> Result<()> {
    let path = folder.join(FILE);
    for (learner, then) in read(folder)? {
        // A plan does not download weights, so it does not know them.
        let Some(now) = sources.get(&learner).map(|source| &source.sha256) else { continue };
        let remedy = match &then.revision {
            Some(commit) => format!("they are commit {commit} of the repository"),
            None => "restore the old ones".to_owned(),
        };
        ensure!(
            *now == then.sha256,
            OtherWeights,
            "learner {learner}: the weights of {} are not those that the run began with: their SHA-256 is {now}, and \
             was {} \
             (in {}); {remedy}, or choose another --out",
            then.source,
            then.sha256,
            path.display()
        );
    }
    Ok(())
}

impl Run {
    /// The weights that the networks of the run's learners started with, except random weights.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn weights_sources(&self) -> Result<WeightsSources> {
        read(&self.folder)
    }
}

fn read(folder: &Path) -> Result<WeightsSources> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(WeightsSources::new());
    }
    serde_json::from_slice(&earmark_files::read(&path)?).with_context(|| format!("{} is damaged", path.display()))
}

/// Records what the learners of a run start with.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(folder: &Path, sources: &WeightsSources) -> Result<()> {
    let path = folder.join(FILE);
    if !sources.is_empty() && !path.exists() {
        earmark_files::write_atomic(&path, &serde_json::to_vec_pretty(sources)?)?;
    }
    Ok(())
}
