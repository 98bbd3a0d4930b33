//! Embeddings: what a network that was trained on other data makes of a clip.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::stream::FeatureStream;
use crate::{Extractor, FeatureError, FeatureView, Features, FrontEnd};

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

/// Embedding networks by the SHA-256 of their files.
pub type EmbeddingNetworks = BTreeMap<String, Arc<dyn EmbeddingNetwork>>;

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

    fn of(&self, features: FeatureView<'_>) -> Result<Vec<f32>, FeatureError> {
        let values = self.network.embed(features).map_err(|reason| FeatureError::Embedding { reason })?;
        if values.len() != self.size || values.iter().any(|value| !value.is_finite()) {
            let reason = format!("it gave {} values, not {} finite ones", values.len(), self.size);
            return Err(FeatureError::Embedding { reason });
        }
        Ok(values)
    }
}

/// Embeds one clip as its samples arrive. It keeps the features of the network's front end.
pub(crate) struct EmbeddingStream<'a> {
    embedding: &'a Embedding,
    frames: FeatureStream<'a>,
    data: Vec<f32>,
    /// The embedding, from the end of the clip until it is taken.
    made: Option<Vec<f32>>,
    finished: bool,
}

impl<'a> EmbeddingStream<'a> {
    pub(crate) fn new(embedding: &'a Embedding) -> Self {
        let frames = embedding.extractor.stream();
        EmbeddingStream { embedding, frames, data: Vec::new(), made: None, finished: false }
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        self.frames.push(samples)?;
        while self.frames.append(&mut self.data) > 0 {}
        Ok(())
    }

    /// Ends the clip. There is always one frame.
    pub(crate) fn finish(&mut self) -> Result<usize, FeatureError> {
        if !self.finished {
            let frames = self.frames.finish()?;
            while self.frames.append(&mut self.data) > 0 {}
            let (channels, bins) = self.embedding.extractor.shape;
            let features = Features { data: std::mem::take(&mut self.data), channels, bins, frames };
            self.made = Some(self.embedding.of(features.view())?);
            self.finished = true;
        }
        Ok(1)
    }

    pub(crate) fn append(&mut self, out: &mut Vec<f32>) -> usize {
        let made = self.made.take();
        out.extend(made.iter().flatten());
        usize::from(made.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and number of the features.
    struct Mean(FrontEnd);

    impl EmbeddingNetwork for Mean {
        fn front_end(&self) -> &FrontEnd {
            &self.0
        }

        fn embed(&self, features: FeatureView<'_>) -> Result<Vec<f32>, String> {
            let mut data = vec![0.0; features.frames() * features.width()];
            features.read(0, &mut data);
            match data.iter().sum::<f32>() {
                sum if sum > 1e6 => Err("too loud".to_owned()),
                sum => Ok(vec![sum / data.len() as f32, data.len() as f32]),
            }
        }
    }

    fn front_end(size: usize) -> FrontEnd {
        FrontEnd::Embedding { model: "mean".to_owned(), sha256: "00".to_owned(), size, sr: 8_000 }
    }

    #[test]
    fn a_network_embeds_whole_clips() {
        let network: Arc<dyn EmbeddingNetwork> = Arc::new(Mean(FrontEnd::Wave { sr: 8_000, channels: 1 }));
        let networks = EmbeddingNetworks::from([("00".to_owned(), network)]);
        assert_eq!((front_end(2).shape(), front_end(2).sample_rate()), ((2, 1), 8_000));
        let extractor = front_end(2).extractor_with(&networks).unwrap();
        let features = extractor.extract(&[1.0; 3_000]).unwrap();
        assert_eq!((features.frames, features.data), (1, vec![1.0, 3_000.0]));
        let mut stream = extractor.stream();
        (0..30).for_each(|_| stream.push(&[1.0; 100]).unwrap());
        assert_eq!(stream.finish(), Ok(1));
        assert_eq!(stream.push(&[1.0]), Err(FeatureError::Finished));
        let failed = |error| matches!(error, FeatureError::Embedding { .. });
        assert!(failed(extractor.extract(&[1e6; 3]).unwrap_err()));
        let other = front_end(3).extractor_with(&networks).unwrap();
        assert!(failed(other.extract(&[1.0]).unwrap_err()), "a network of another size");
        let missing = front_end(2).extractor().err();
        assert!(matches!(&missing, Some(FeatureError::NoNetwork { model }) if model == "mean"), "{missing:?}");
        let unknown = front_end(0).extractor_with(&networks).err();
        assert!(matches!(unknown, Some(FeatureError::Setting { key: "size", .. })));
    }
}
