//! The name of an entry.

use std::collections::BTreeMap;

use earmark_files::sha256;

use super::entry::{Precision, VERSION};
use super::meaning::MEANING;

/// SHA-256 of everything that determines the bytes of an entry.
pub(super) fn key(sound: &str, precision: Precision, kind: &str, settings: &impl serde::Serialize) -> String {
    // A sorted map, so that the text is canonical.
    let all = BTreeMap::from([
        ("bits", serde_json::json!(precision.bits())),
        ("form", serde_json::json!(VERSION)),
        ("meaning", serde_json::json!(MEANING)),
        ("sound", serde_json::json!(sound)),
        (kind, serde_json::json!(settings)),
    ]);
    sha256(serde_json::json!(all).to_string().as_bytes())
}
