//! Layers of a network.

use serde::{Deserialize, Serialize};

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
