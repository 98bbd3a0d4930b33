//! The models that their authors have published.

use std::path::PathBuf;

use earmark_download::{Checksum, Event, Network, released_file, torch_checkpoints};
use earmark_nets::{Pretrained, Source, Variant, variants};
use earmark_tagging::{ModelStore, Origin};

use crate::family::Family;
use crate::install::install;
use crate::{ClassList, ModelError};

/// The data that models which tag without training were trained on.
const DATA: &str = "audioset";
/// A second release of `mn40`, trained on more data.
const EXTENDED: (&str, &str) =
    ("mn40_as_ext", "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn40_as_ext_mAP_487.pt");

/// A published model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedModel {
    /// Its name.
    pub name: String,
    /// The network, one of `earmark nets list`.
    pub arch: &'static str,
    /// Parameters of the network.
    pub parameters: usize,
    /// The address of the weights.
    pub url: &'static str,
    /// The SHA-256 of the weights, if it is known; else that of the first download counts.
    pub sha256: Option<&'static str>,
    /// The licence of the weights, an SPDX identifier in lower case.
    pub licence: &'static str,
    /// The paper.
    pub paper: &'static str,
}

impl PublishedModel {
    fn new(variant: &Variant, published: &Pretrained) -> Option<Self> {
        let Source::Release { url, sha256 } = published.source else { return None };
        Some(Self {
            name: format!("{}_as", variant.name),
            arch: variant.name,
            parameters: variant.graph(1, ClassList::audioset().labels.len()).parameter_count(),
            url,
            sha256,
            licence: published.licence,
            paper: Family::of(variant).ok()?.paper,
        })
    }

    /// Where weights with this SHA-256 come from.
    pub(crate) fn origin(&self, sha256: String) -> Origin {
        let (licence, paper) = (Some(self.licence.to_owned()), Some(self.paper.to_owned()));
        Origin { source: self.url.to_owned(), sha256, licence, paper }
    }

    /// Its mean average precision on AudioSet's evaluation set, as the authors have it in the name
    /// of the file.
    pub fn mean_average_precision(&self) -> Option<f64> {
        let (_, rest) = self.url.rsplit_once("mAP")?;
        let rest = rest.strip_prefix("%3D0.").or_else(|| rest.strip_prefix('_'))?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        format!("0.{digits}").parse().ok()
    }
}

/// All published models that tag without training, by family and size.
pub fn published() -> Vec<PublishedModel> {
    let of = |variant: &'static Variant| PublishedModel::new(variant, &variant.start(DATA)?);
    let mut models: Vec<PublishedModel> = variants().filter_map(of).collect();
    let extended = models.iter().find(|model| model.arch == "mn40").cloned();
    let (name, url) = EXTENDED;
    models.extend(extended.map(|mn40| PublishedModel { name: name.to_owned(), url, sha256: None, ..mn40 }));
    models
}

/// The published model whose weights have this SHA-256.
pub(crate) fn of_file(sha256: &str) -> Option<PublishedModel> {
    published().into_iter().find(|model| model.sha256 == Some(sha256))
}

/// Options of [`pull`].
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// A mirror of the weights: a URL to which `/` and the name of a file are appended.
    pub mirror: Option<String>,
    /// The network.
    pub network: Network,
}

/// Fetches a published model and installs it; weights that are in the cache of `torch.hub` are not
/// fetched again. Returns the folder of the model.
///
/// # Errors
/// No published model has this name; the weights cannot be fetched, or are not the published ones;
/// the disk.
pub fn pull(
    store: &ModelStore,
    name: &str,
    options: &PullOptions,
    on_event: &mut dyn FnMut(Event),
) -> Result<PathBuf, ModelError> {
    let models = published();
    let Some(model) = models.iter().find(|model| model.name == name) else {
        let known = models.into_iter().map(|model| model.name).collect();
        return Err(ModelError::Unknown { name: name.to_owned(), known });
    };
    let file = model.url.rsplit('/').next().unwrap_or(model.url);
    let url = match &options.mirror {
        Some(mirror) => format!("{}/{file}", mirror.trim_end_matches('/')),
        None => model.url.to_owned(),
    };
    let checksum = model.sha256.map(|digits| Checksum::Sha256(digits.to_owned()));
    let cache = torch_checkpoints().map_err(|error| ModelError::Cache(Box::new(error)))?;
    let failed = |source| {
        let (url, arch, name) = (model.url.to_owned(), model.arch.to_owned(), model.name.clone());
        ModelError::Download { url, arch, name, source: Box::new(source) }
    };
    let weights = released_file(&url, checksum.as_ref(), &cache, &options.network, on_event).map_err(failed)?;
    let origin = model.origin(weights.sha256.clone());
    install(store, name, &weights.path, model.arch, &ClassList::audioset(), origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_models_have_their_figures() {
        let models = published();
        let of = |name: &str| models.iter().find(|model| model.name == name).unwrap();
        assert_eq!(of("mn04_as").parameters, 983_599);
        let expected =
            [("mn01_as", 0.298), ("mn02_as", 0.378), ("mn40_as", 0.484), ("mn40_as_ext", 0.487), ("cnn14_as", 0.431)];
        for (name, precision) in expected {
            assert_eq!(of(name).mean_average_precision(), Some(precision), "{name}");
        }
        assert_eq!(models.len(), 10);
        assert!(models.iter().all(|model| model.url.starts_with("https://") && !model.licence.is_empty()));
    }
}
