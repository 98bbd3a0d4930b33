//! Invariants for arbitrary bytes that are read as XGBoost's trees.

/// Converts the bytes to ONNX; the first two give the numbers of features and classes. Returns
/// whether they are trees.
pub fn check(bytes: &[u8]) -> bool {
    let [features, classes, json @ ..] = bytes else { return false };
    let (features, classes) = (usize::from(*features), usize::from(*classes));
    match earmark_stacking::to_onnx(json, features, classes) {
        Ok(model) => {
            assert!(!model.is_empty());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
