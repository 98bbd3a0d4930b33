//! Embeddings: what a network that was trained on other data makes of a clip.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::front_end::FrontEnd;
use crate::view::FeatureView;

/// A network that embeds clips. It lives elsewhere: this crate executes no networks.
pub trait EmbeddingNetwork: Send + Sync {
    /// The front end whose features it takes.
    fn front_end(&self) -> &FrontEnd;

    /// Embeds the clip with these features.
    ///
    /// # Shape
    /// Out: as many values as [`FrontEnd::Embedding`] has as its `size`.
    ///
    /// # Errors
    /// The reason why the network failed, for people.
    fn embed(&self, features: FeatureView<'_>) -> Result<Vec<f32>, String>;
}

/// The layers of a network that an embedding is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    /// The last one before the fully connected layers: what the network's authors call its
    /// embedding.
    #[default]
    Last,
    /// The last layer at each resolution, each as the means of its channels, and then the
    /// embedding. Earlier layers know less of the classes that the network was trained on, and more
    /// of how a sound is made.
    Stages,
}

impl Layers {
    /// Whether this is the default.
    pub fn is_last(&self) -> bool {
        *self == Self::Last
    }
}

/// Embedding networks by the SHA-256 of their files and by layers.
pub type EmbeddingNetworks = BTreeMap<(String, Layers), Arc<dyn EmbeddingNetwork>>;
