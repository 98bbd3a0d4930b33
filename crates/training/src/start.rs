//! Pretrained weights that a network starts from.

use std::path::PathBuf;

use earmark_nets::{Graph, Weights, transfer};

use crate::error::TrainingError;
use crate::settings::LearnerSettings;

/// A weight file that a network starts from, and its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PretrainedWeights {
    /// The file, in the format of safetensors or PyTorch.
    pub path: PathBuf,
    /// The SHA-256 of its bytes; it is part of the job's identity.
    pub sha256: String,
}

impl PretrainedWeights {
    /// Checks that the file's weights fit a learner's network, except for the head.
    ///
    /// # Errors
    /// The file cannot be read, has changed, or does not fit (all names that do not fit are
    /// listed).
    pub fn check(&self, learner: &LearnerSettings, graph: &Graph) -> Result<(), TrainingError> {
        self.weights(learner, graph, Weights::default()).map(|_| ())
    }

    /// The initial weights of a learner's network: those of the file, and the `drawn` ones for
    /// parameters that the file does not provide.
    ///
    /// # Errors
    /// As [`PretrainedWeights::check`].
    pub(crate) fn weights(
        &self,
        learner: &LearnerSettings,
        graph: &Graph,
        drawn: Weights,
    ) -> Result<Weights, TrainingError> {
        if earmark_files::sha256_file(&self.path)? != self.sha256 {
            return Err(TrainingError::OtherStart { learner: learner.name.clone(), path: self.path.clone() });
        }
        let front = learner.variant()?.front();
        let given = Weights::read(&self.path);
        let weights = given.and_then(|given| transfer(graph, given, drawn, front));
        weights.map_err(|source| TrainingError::Start {
            learner: learner.name.clone(),
            path: self.path.clone(),
            source,
        })
    }
}
