//! Level 2: the stack of learners by XGBoost, its ONNX, and the metrics.
