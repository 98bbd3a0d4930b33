//! Network architectures as graphs: shapes, parameters, FLOPs, ONNX.
