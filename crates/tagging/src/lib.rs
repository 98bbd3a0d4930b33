//! Bundles and audio to tags, on ONNX Runtime alone.
