//! Feature extraction for many clips with one plan.

use std::sync::Arc;

use crate::FeatureError;
use crate::delta::Deltas;
use crate::embedding::{EmbeddingNetwork, EmbeddingNetworks};
use crate::front_end::FrontEnd;
use crate::spectrogram::Spectrogram;
use crate::summary::Summary;
use crate::view::FeatureView;

/// Extracts features from clips. Its plan and filters are built once and shared by threads.
///
/// # Examples
/// ```
/// use earmark_features::{FeatureError, FrontEnd};
/// let extractor = FrontEnd::wave().extractor()?;
/// assert_eq!(extractor.extract(&[0.5, -0.5])?.data, [0.5, -0.5]);
/// assert_eq!(extractor.extract(&[]), Err(FeatureError::Empty));
/// # Ok::<(), FeatureError>(())
/// ```
pub struct Extractor {
    pub(crate) work: Processing,
    /// Channels and bins, as [`FrontEnd::shape`].
    pub(crate) shape: (usize, usize),
}

/// The kind of processing.
pub(crate) enum Processing {
    Nothing,
    Frames(Spectrogram, Option<Deltas>),
    Summary(Summary),
    Embedding(Box<Embedding>),
}

/// The network of an embedding and the extractor of its features.
pub(crate) struct Embedding {
    pub(crate) extractor: Extractor,
    network: Arc<dyn EmbeddingNetwork>,
    size: usize,
}

impl Embedding {
    pub(crate) fn new(network: &Arc<dyn EmbeddingNetwork>, size: usize) -> Result<Self, FeatureError> {
        Ok(Self { extractor: network.front_end().extractor()?, network: Arc::clone(network), size })
    }

    pub(crate) fn front_end(&self) -> &FrontEnd {
        self.network.front_end()
    }

    /// The embedding of a clip with these features: `[size]`.
    pub(crate) fn of(&self, features: FeatureView<'_>) -> Result<Vec<f32>, FeatureError> {
        let values = self.network.embed(features).map_err(|reason| FeatureError::Embedding { reason })?;
        if values.len() != self.size || values.iter().any(|value| !value.is_finite()) {
            let reason = format!("it gave {} values, not {} finite ones", values.len(), self.size);
            return Err(FeatureError::Embedding { reason });
        }
        Ok(values)
    }
}

impl Extractor {
    fn new(front_end: &FrontEnd, networks: &EmbeddingNetworks) -> Result<Self, FeatureError> {
        front_end.validate()?;
        let deltas = |wanted: &bool, settings| wanted.then(|| Deltas::new(settings));
        let work = match front_end {
            FrontEnd::LogMel { mel, deltas: wanted, delta } => {
                Processing::Frames(Spectrogram::new(mel, None), deltas(wanted, delta))
            }
            FrontEnd::Mfcc { n_mfcc, mel, deltas: wanted, delta } => {
                Processing::Frames(Spectrogram::new(mel, Some(*n_mfcc)), deltas(wanted, delta))
            }
            FrontEnd::Summary { n_mfcc, mel } => Processing::Summary(Summary::new(mel, *n_mfcc)),
            FrontEnd::Embedding { model, layers, sha256, size, .. } => {
                let network = networks.get(&(sha256.clone(), *layers));
                let network = network.ok_or_else(|| FeatureError::NoNetwork { model: model.clone() })?;
                Processing::Embedding(Box::new(Embedding::new(network, *size)?))
            }
            FrontEnd::Wave { .. } => Processing::Nothing,
        };
        Ok(Extractor { work, shape: front_end.shape() })
    }
}

impl Extractor {
    /// The front end of the network that embeds, if this is the extractor of an embedding.
    pub fn embedded(&self) -> Option<&FrontEnd> {
        match &self.work {
            Processing::Embedding(embedding) => Some(embedding.front_end()),
            Processing::Nothing | Processing::Frames(..) | Processing::Summary(_) => None,
        }
    }
}

impl FrontEnd {
    /// Creates the extractor for these settings. It plans the Fourier transform and builds the mel
    /// filter bank, so create it once and reuse it.
    ///
    /// # Errors
    /// As [`FrontEnd::validate`]; an embedding, which needs [`FrontEnd::extractor_with`].
    pub fn extractor(&self) -> Result<Extractor, FeatureError> {
        self.extractor_with(&EmbeddingNetworks::new())
    }

    /// [`FrontEnd::extractor`] with the networks of embeddings.
    ///
    /// # Errors
    /// As [`FrontEnd::validate`]; the network of an embedding is not among them.
    pub fn extractor_with(&self, networks: &EmbeddingNetworks) -> Result<Extractor, FeatureError> {
        Extractor::new(self, networks)
    }
}
