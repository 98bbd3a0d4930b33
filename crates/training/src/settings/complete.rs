//! The settings of a learner with every default written out, as a run stores them.

use serde_json::{Value, json};

use super::LearnerSettings;

/// The settings that every learner has.
const OF_ALL: [&str; 5] = ["name", "arch", "features", "unverified_weight", "class_weight"];

impl LearnerSettings {
    /// Whether a key applies to the learner's architecture: one that is fitted at once has no
    /// settings of networks.
    pub fn has_key(&self, key: &str) -> bool {
        match self.is_of_whole_clips() {
            true => OF_ALL.contains(&key) || key == self.arch,
            false => key != "kernel" && key != "linear",
        }
    }

    /// The settings that the serialized form omits while they have their default, because it has no
    /// key that did not exist when a run began: the key and the value of each one that applies to
    /// the learner.
    pub fn omitted_defaults(&self) -> Vec<(&'static str, Value)> {
        let sections = json!({ "kernel": self.kernels(), "linear": self.linear() });
        let of_networks = json!({ "freeze": self.freeze, "loss": self.loss, "dropout": self.dropout });
        let settings = ["freeze", "loss", "dropout"].map(|key| (key, of_networks[key].clone()));
        let sections = ["kernel", "linear"].map(|key| (key, sections[key].clone()));
        settings.into_iter().chain(sections).filter(|(key, _)| self.has_key(key)).collect()
    }
}
