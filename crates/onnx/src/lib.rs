//! The parts of ONNX that Earmark writes: messages of its protobuf format ([`proto`]) and complete
//! files.

pub mod proto;

use prost::Message;

use proto::{GraphProto, IR_VERSION, ModelProto, OperatorSetIdProto, StringStringEntryProto};

/// A file that would exceed protobuf's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file would have {bytes} bytes, and an ONNX file cannot hold 2 GiB or more")]
pub struct TooLarge {
    /// Length of the file, or at least of its weights.
    pub bytes: u128,
}

/// Encodes a graph and the operator sets (domain, version) that it uses as a complete ONNX file.
///
/// # Errors
/// A file of 2 GiB or more.
pub fn model(graph: GraphProto, opsets: &[(&str, i64)]) -> Result<Vec<u8>, TooLarge> {
    model_with(graph, opsets, &[])
}

/// [`model`] with metadata: keys and values that runtimes return as they are.
///
/// # Errors
/// A file of 2 GiB or more.
pub fn model_with(graph: GraphProto, opsets: &[(&str, i64)], metadata: &[(&str, String)]) -> Result<Vec<u8>, TooLarge> {
    let entry = |(key, value): &(&str, String)| StringStringEntryProto { key: (*key).to_owned(), value: value.clone() };
    let opset = |&(domain, version): &(&str, i64)| OperatorSetIdProto { domain: domain.to_owned(), version };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "earmark".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: opsets.iter().map(opset).collect(),
        metadata_props: metadata.iter().map(entry).collect(),
        functions: Vec::new(),
    };
    check_length(model.encoded_len() as u128)?;
    Ok(model.encode_to_vec())
}

/// Decodes an ONNX file. Documentation strings and the shapes of inner values are dropped.
///
/// # Errors
/// Bytes that are not an ONNX file.
pub fn read(bytes: &[u8]) -> Result<ModelProto, NotOnnx> {
    ModelProto::decode(bytes).map_err(|error| NotOnnx { reason: error.to_string() })
}

/// Bytes that are not an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not an ONNX model: {reason}")]
pub struct NotOnnx {
    /// The reason.
    pub reason: String,
}

/// Checks the length of a file before the file is built.
///
/// # Errors
/// A file of 2 GiB or more.
pub fn check_length(bytes: u128) -> Result<(), TooLarge> {
    if bytes < 1 << 31 { Ok(()) } else { Err(TooLarge { bytes }) }
}
