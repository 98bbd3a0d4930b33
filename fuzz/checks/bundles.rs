//! Invariants for arbitrary bytes as the description of a bundle.

use std::path::Path;

use earmark_tagging::{Bundle, SUMS};

/// The other files.
const FILES: [&str; 2] = ["learner-a.onnx", "stack.onnx"];
/// Their contents: an ONNX model with an empty graph.
const MODEL: &[u8] = b"\x3a\x00";

/// Writes the bytes to `folder` as `config.json` of a bundle with correct checksums, and reads it:
/// the result has labels and networks whose files exist, or is an error. Returns whether it is a
/// bundle.
pub fn check(folder: &Path, bytes: &[u8]) -> bool {
    let mut sums = String::new();
    let others = FILES.iter().map(|name| (*name, MODEL));
    for (name, content) in others.chain([("config.json", bytes)]) {
        std::fs::write(folder.join(name), content).unwrap();
        sums += &format!("{}  {name}\n", earmark_files::sha256(content));
    }
    std::fs::write(folder.join(SUMS), sums).unwrap();
    match Bundle::read(folder) {
        Ok((bundle, files)) => {
            assert!(!bundle.labels.is_empty() && !bundle.learners.is_empty());
            let networks = bundle.learners.iter().flat_map(|learner| &learner.networks);
            assert!(networks.map(|network| &network.file).chain(&bundle.stack).all(|file| files.contains_key(file)));
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
