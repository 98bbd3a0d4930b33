//! The networks of a recipe's embeddings: found by name, and kept in the run, so that its bundle
//! can be written without them being installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use earmark_features::{EmbeddingNetworks, FrontEnd, Layers};
use earmark_tagging::{Bundle, Embedder, Embedding, ModelStore, Network, Origin, SUMS, TaggingError};

use crate::error::{Context, PipelineError, Result, ensure};
use crate::recipe::Recipe;
use crate::run::{RECIPE, Run};

/// The folder of a run that has a bundle for each embedding.
const FOLDER: &str = "embeddings";

/// The embeddings of a recipe, ready to compute.
#[derive(Default)]
pub(crate) struct Embeddings {
    networks: EmbeddingNetworks,
    /// The bundle that each one comes from, by its name.
    bundles: BTreeMap<String, PathBuf>,
}

impl Embeddings {
    /// Finds the models that a recipe names (installed ones, folders relative to `base`, or those
    /// that the run in `folder` has kept), and completes the recipe's front ends.
    ///
    /// # Errors
    /// A model is missing or damaged, or is not the one that the recipe or the run began with.
    pub fn find(recipe: &mut Recipe, base: &Path, folder: &Path) -> Result<Self> {
        let mut found = Self::default();
        for (key, front_end) in &mut recipe.features {
            let FrontEnd::Embedding { model, layers, sha256, .. } = &*front_end else { continue };
            let of_key = || format!("features.{key}: model = {model:?}");
            let path = locate(model, base, folder).with_context(of_key)?;
            let threads = thread::available_parallelism().map_or(1, usize::from);
            let embedder = Embedder::open(&path, None, *layers, threads).with_context(of_key)?;
            let (name, now) = (&embedder.description().name, embedder.sha256().to_owned());
            let then = if sha256.is_empty() { began_with(folder, name)? } else { Some(sha256.clone()) };
            let then = then.unwrap_or_else(|| now.clone());
            ensure!(
                now == then,
                OtherWeights,
                "{}: its network has the SHA-256 {now}, and the run began with {then}; install that model again, or \
                 choose another --out",
                of_key()
            );
            found.bundles.insert(name.clone(), path);
            let completed = embedder.front_end();
            found.networks.insert((now, *layers), Arc::new(embedder));
            *front_end = completed;
        }
        Ok(found)
    }

    /// The networks, by the SHA-256 of their files.
    pub fn networks(&self) -> &EmbeddingNetworks {
        &self.networks
    }

    /// Keeps the bundles of the embeddings in a run.
    ///
    /// # Errors
    /// The disk.
    pub fn store(&self, run: &Run) -> Result<()> {
        for (name, path) in &self.bundles {
            let kept = run.path(FOLDER).join(name);
            if !kept.join(SUMS).exists() {
                let (bundle, files) = Bundle::read(path)?;
                bundle.write(&kept, files)?;
            }
        }
        Ok(())
    }
}

/// The bundle of a model.
fn locate(model: &str, base: &Path, folder: &Path) -> Result<PathBuf> {
    let found = ModelStore::open().and_then(|store| store.resolve(model, base));
    let kept = Run::at(folder).path(FOLDER).join(model);
    match found {
        Err(_) if kept.is_dir() => Ok(kept),
        found => Ok(found.map_err(TaggingError::from)?),
    }
}

/// The SHA-256 of the network that the run in `folder` began with under this name.
fn began_with(folder: &Path, name: &str) -> Result<Option<String>> {
    let run = Run::at(folder);
    if !run.path(RECIPE).exists() {
        return Ok(None);
    }
    let of_name = |front_end: FrontEnd| match front_end {
        FrontEnd::Embedding { model, sha256, .. } if model == name => Some(sha256),
        _ => None,
    };
    Ok(run.recipe()?.features.into_values().find_map(of_name))
}

/// An embedding in a run's bundle.
pub(crate) struct BundledEmbedding {
    pub embedding: Embedding,
    /// The ONNX file.
    pub onnx: Vec<u8>,
    pub origin: Option<Origin>,
}

impl Run {
    /// The embeddings that the recipe's learners take, each once.
    ///
    /// # Errors
    /// The run has lost one of them.
    pub(crate) fn embeddings(&self, recipe: &Recipe) -> Result<Vec<BundledEmbedding>> {
        let mut found: BTreeMap<(String, Layers), BundledEmbedding> = BTreeMap::new();
        for learner in &recipe.learners {
            let FrontEnd::Embedding { model, layers, .. } = recipe.front_end(&learner.name)? else { continue };
            let key = (model.clone(), *layers);
            if found.contains_key(&key) {
                continue;
            }
            let (bundle, mut files) = Bundle::read(&self.path(FOLDER).join(model))?;
            let mut embeddings = bundle.embeddings.into_iter();
            let embedding = embeddings.find(|of| (&of.name, of.layers) == (model, *layers));
            let lost = || PipelineError::Damaged(format!("the run's copy of {model} has no such embedding"));
            let embedding = embedding.ok_or_else(lost)?;
            let onnx = files.remove(&embedding.network.file).unwrap_or_default();
            let network = Network { file: format!("embedding-{model}.onnx"), ..embedding.network };
            let embedding = Embedding { network, ..embedding };
            found.insert(key, BundledEmbedding { embedding, onnx, origin: bundle.origin });
        }
        Ok(found.into_values().collect())
    }
}
