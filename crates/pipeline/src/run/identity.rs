//! What all parts of a run have in common.

use serde_json::Value;

/// What all parts of a run have in common, read once: its files do not change while a process works
/// on it, but for learners that another one adds.
#[derive(Debug)]
pub struct Identity {
    /// The text, not what is read of it: settings that a later version adds make no other run of an
    /// old one.
    pub recipe: Value,
    pub labels: String,
    pub splits: String,
    pub verified: String,
}
