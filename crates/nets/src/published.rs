//! Published weights.

use std::fmt;

/// Published weights of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pretrained {
    /// Where the weights are published.
    pub source: Source,
    /// The data that the network was trained on, in lower case: `imagenet` or `audioset`. A recipe
    /// selects the weights by this name.
    pub data: &'static str,
    /// Channels of the training data: 3 for images, 1 for audio.
    pub channels: usize,
    /// Their licence, an SPDX identifier in lower case.
    pub licence: &'static str,
    /// The pinned version.
    pub pin: Pin,
}

/// What identifies the pinned version of a file on the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pin {
    /// The commit of its repository, 40 hexadecimal digits.
    pub revision: Option<&'static str>,
    /// The SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: Option<&'static str>,
}

/// Where weights are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `model.safetensors` of a repository on the Hugging Face hub, such as
    /// `timm/resnet50.tv_in1k`.
    Hub(&'static str),
    /// A PyTorch file.
    Release {
        /// Its URL.
        url: &'static str,
        /// The SHA-256 of its bytes, or its first digits if the publishers give only those; none if
        /// it is not known.
        sha256: Option<&'static str>,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(repository) => f.write_str(repository),
            Self::Release { url, .. } => f.write_str(url),
        }
    }
}

/// Networks trained on color images: the name of the data, and channels.
pub(crate) const IMAGENET: (&str, usize) = ("imagenet", 3);
/// Networks trained on images of one channel.
pub(crate) const GRAY_IMAGENET: (&str, usize) = ("imagenet", 1);
/// Networks trained on audio.
pub(crate) const AUDIOSET: (&str, usize) = ("audioset", 1);
