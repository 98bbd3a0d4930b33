//! Embeddings: what a network that was trained on other data makes of a clip.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::front_end::FrontEnd;
use crate::layers::Layers;
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

/// Embedding networks by the SHA-256 of their files and by layers.
pub type EmbeddingNetworks = BTreeMap<(String, Layers), Arc<dyn EmbeddingNetwork>>;
