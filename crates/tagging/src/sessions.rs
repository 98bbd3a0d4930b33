//! A bundle's models, loaded once per file that is processed at the same time.

use std::collections::BTreeMap;

use earmark_features::Windowing;

use crate::bundle::Bundle;
use crate::{Model, Signature, TaggingError};

/// Every model of a bundle. ONNX Runtime's sessions are not shared between threads: a thread that
/// processes a file has exclusive use of a set.
pub(crate) struct Sessions {
    /// The networks of each learner.
    pub(crate) learners: Vec<Vec<Model>>,
    pub(crate) stack: Option<Model>,
}

/// The data that sessions are created from.
pub(crate) struct Source {
    /// The name and signature of each model, by learner.
    learners: Vec<Vec<(String, Signature)>>,
    stack: Option<(String, Signature)>,
    /// The models' bytes, by name.
    files: BTreeMap<String, Vec<u8>>,
    /// Threads that work on one input.
    threads: usize,
}

impl Source {
    /// The models of a bundle with this number of statistics.
    pub(crate) fn new(bundle: &Bundle, statistics: usize, files: BTreeMap<String, Vec<u8>>, threads: usize) -> Self {
        let classes = bundle.labels.len();
        let of_learner = |learner: &crate::Learner| {
            let (channels, bins) = learner.features.shape();
            let Windowing { frames, least_frames, .. } = learner.windows;
            let frames = least_frames.is_none().then_some(frames);
            let signature = Signature::network(channels, bins, frames, classes);
            learner.networks.iter().map(|network| (network.file.clone(), signature.clone())).collect()
        };
        let columns = bundle.learners.len() * classes + statistics;
        let stack = bundle.stack.clone().map(|file| (file, Signature::stack(columns, classes)));
        Self { learners: bundle.learners.iter().map(of_learner).collect(), stack, files, threads }
    }

    /// Loads every model.
    pub(crate) fn load(&self) -> Result<Sessions, TaggingError> {
        let load = |(file, signature): &(String, Signature)| {
            let bytes = self.files.get(file).map_or(&[][..], Vec::as_slice);
            Model::load(file, bytes, self.threads, signature.clone())
        };
        let learners = self.learners.iter().map(|models| models.iter().map(load).collect());
        Ok(Sessions {
            learners: learners.collect::<Result<_, TaggingError>>()?,
            stack: self.stack.as_ref().map(load).transpose()?,
        })
    }
}
