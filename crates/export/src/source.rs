//! The parts of a bundle that become one file.

use std::collections::BTreeMap;

use earmark_features::Layers;
use earmark_tagging::{Bundle, Embedding, Learner};

use crate::ExportError;
use crate::precision::Precision;

/// What a graph is built from.
pub(crate) struct Source<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) files: &'a BTreeMap<String, Vec<u8>>,
    pub(crate) precision: Precision,
    /// The learners in the file: all of them, or one.
    pub(crate) learners: Vec<&'a Learner>,
    /// The file of level 2; none if the file has only one learner of the bundle.
    pub(crate) stack: Option<&'a str>,
}

impl<'a> Source<'a> {
    /// The bytes of a file of the bundle, which was checked to have it.
    pub(crate) fn bytes(&self, file: &str) -> &'a [u8] {
        self.files.get(file).map_or(&[], Vec::as_slice)
    }

    /// The sample rates of all front ends, the highest one first.
    pub(crate) fn rates(&self) -> Vec<u32> {
        let statistics = self.bundle.statistics.as_ref().filter(|_| self.stack.is_some());
        let learners = self.learners.iter().map(|learner| learner.features.sample_rate());
        let mut rates: Vec<u32> = learners.chain(statistics.map(|of| of.mel.sr)).collect();
        rates.sort_unstable_by(|a, b| b.cmp(a));
        rates.dedup();
        rates
    }

    /// The embedding that a front end names.
    pub(crate) fn embedding(&self, model: &str, layers: Layers) -> Result<&'a Embedding, ExportError> {
        let fits = |of: &&Embedding| of.name == model && of.layers == layers;
        let missing = || ExportError::Network { file: model.to_owned(), reason: "it is not in the bundle".to_owned() };
        self.bundle.embeddings.iter().find(fits).ok_or_else(missing)
    }

    /// The thresholds of the labels. Those of a bundle with level 2 hold for its scores, not for
    /// those of one learner.
    pub(crate) fn thresholds(&self) -> Option<&'a [f32]> {
        let is_whole = self.learners.len() == self.bundle.learners.len();
        self.bundle.thresholds.as_deref().filter(|_| is_whole)
    }
}
