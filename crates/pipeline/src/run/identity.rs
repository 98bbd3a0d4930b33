//! What all parts of a run have in common.

use serde_json::Value;

/// What all parts of a run have in common, read once: its files do not change while a process works
/// on it, except for learners that another process adds.
#[derive(Debug)]
pub struct Identity {
    /// The values of the text, not the parsed `Recipe`: a setting that a later version adds must
    /// not change the identity of an old run.
    pub recipe: Value,
    pub labels: String,
    pub splits: String,
    pub verified: String,
}
