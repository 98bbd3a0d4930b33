//! Weights from elsewhere that a network starts with.

use std::path::PathBuf;

use earmark_nets::{Graph, Weights, transfer};

use crate::error::TrainingError;
use crate::settings::LearnerSettings;

/// A file of weights that a network starts with, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PretrainedWeights {
    /// The file, of safetensors or of PyTorch.
    pub path: PathBuf,
    /// The SHA-256 of its bytes: a job that was begun with other bytes is another job.
    pub sha256: String,
}

impl PretrainedWeights {
    /// Checks that the file's weights fit a learner's network but for its head.
    ///
    /// # Errors
    /// The file cannot be read, or is not the one that it was; all names that do not fit.
    pub fn check(&self, learner: &LearnerSettings, graph: &Graph) -> Result<(), TrainingError> {
        self.weights(learner, graph, Weights::default()).map(|_| ())
    }

    /// The weights that a learner's network begins with: the file's, and of `drawn` ones those that
    /// are new in it.
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
