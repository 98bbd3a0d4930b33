//! What must hold for any bytes that are read as XGBoost's trees.

/// Makes ONNX of the bytes, the first two of which say for how many features and classes. Says
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
