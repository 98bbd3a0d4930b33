//! The parts of ONNX that Earmark writes: messages of its protobuf format ([`proto`]) and complete
//! files.

pub mod proto;

use prost::Message;

use proto::{GraphProto, IR_VERSION, ModelProto, OperatorSetIdProto};

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
    let opset = |&(domain, version): &(&str, i64)| OperatorSetIdProto { domain: domain.to_owned(), version };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "earmark".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: opsets.iter().map(opset).collect(),
        metadata_props: Vec::new(),
    };
    check_length(model.encoded_len() as u128)?;
    Ok(model.encode_to_vec())
}

/// Checks the length of a file before the file is built.
///
/// # Errors
/// A file of 2 GiB or more.
pub fn check_length(bytes: u128) -> Result<(), TooLarge> {
    if bytes < 1 << 31 { Ok(()) } else { Err(TooLarge { bytes }) }
}
