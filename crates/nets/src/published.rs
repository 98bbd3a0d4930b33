//! Weights that somebody has published.

use std::fmt;

/// Published weights of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pretrained {
    /// Where they lie.
    pub source: Source,
    /// What the network was trained on, in small letters: `imagenet` or `audioset`. A recipe asks
    /// for them by it.
    pub data: &'static str,
    /// Their licence, an SPDX identifier in small letters.
    pub licence: &'static str,
    /// Which version of them is meant.
    pub pin: Pin,
}

/// What is known of the one version of a file on the hub that is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The commit of its repository, 40 hexadecimal digits.
    pub revision: Option<&'static str>,
    /// The SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: Option<&'static str>,
}

/// Where published weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `model.safetensors` of a repository on the Hugging Face hub, such as
    /// `timm/resnet50.tv_in1k`.
    Hub(&'static str),
    /// A file of PyTorch.
    Release {
        /// Its address.
        url: &'static str,
        /// The SHA-256 of its bytes; where the publishers give only the first digits, those.
        sha256: &'static str,
    },
}

impl Pretrained {
    /// Channels of what the network was trained on: 3 of a picture, 1 of a sound.
    pub fn channels(&self) -> usize {
        if self.data == AUDIOSET { 1 } else { 3 }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(repository) => f.write_str(repository),
            Self::Release { url, .. } => f.write_str(url),
        }
    }
}

/// Networks trained on pictures.
pub(crate) const IMAGENET: &str = "imagenet";
/// Networks trained on sound.
pub(crate) const AUDIOSET: &str = "audioset";
