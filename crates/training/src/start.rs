//! The weights that a network starts from: pretrained or random ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use earmark_datasets::random;
use earmark_nets::{Graph, Init, Parameter, Weights, transfer};
use rand_distr::{Distribution, Normal, Uniform};

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

/// Random initial weights of a graph; each parameter has its own random stream, derived from
/// `seed`, `keys` and its name.
pub fn initial_weights(graph: &Graph, seed: u64, keys: &[u64]) -> Weights {
    let draw = |parameter: Parameter| {
        let mut keys = keys.to_vec();
        keys.extend([random::key("weights"), random::key(&parameter.name)]);
        let mut rng = random::stream(seed, &keys);
        let data = match parameter.init {
            Init::Constant(value) => vec![value; parameter.len()],
            Init::Normal(deviation) => sample(Normal::new(0.0, deviation).ok(), parameter.len(), &mut rng),
            Init::Uniform(bound) => sample(Uniform::new_inclusive(-bound, bound).ok(), parameter.len(), &mut rng),
        };
        (parameter.name, earmark_nets::Array { shape: parameter.shape, data })
    };
    Weights(graph.parameters().into_iter().map(draw).collect::<BTreeMap<_, _>>())
}

fn sample(distribution: Option<impl Distribution<f64>>, n: usize, rng: &mut impl rand::Rng) -> Vec<f32> {
    // `None` cannot occur: bounds and deviations of a layer are positive and finite. Zeros would
    // still be a valid network.
    distribution.map_or(vec![0.0; n], |distribution| (0..n).map(|_| distribution.sample(rng) as f32).collect())
}
