//! Embeddings as a front end.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use earmark_features::{EmbeddingNetwork, EmbeddingNetworks, FeatureError, FeatureView, FrontEnd, Layers};

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
    FrontEnd::Embedding { model: "mean".to_owned(), layers: Layers::Last, sha256: "00".to_owned(), size, sr: 8_000 }
}

#[test]
fn a_network_embeds_whole_clips() {
    let network: Arc<dyn EmbeddingNetwork> = Arc::new(Mean(FrontEnd::Wave { sr: 8_000, channels: 1 }));
    let networks = EmbeddingNetworks::from([(("00".to_owned(), Layers::Last), network)]);
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
