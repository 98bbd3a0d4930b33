//! The ONNX interpreter: a graph with its weights as a file that runs anywhere.

pub mod proto;

use prost::Message;

use crate::graph::{BATCH_NORM_EPS, Graph, Node, NodeId, Op};
use crate::weights::{Weights, WeightsError};
use proto::{
    AttributeProto, Dim, ELEM_F32, GraphProto, IR_VERSION, ModelProto, NodeProto, OPSET, OperatorSetIdProto,
    TensorProto, ValueInfoProto,
};

/// Why a network cannot be written as ONNX.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The weights are not the network's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Protobuf files end at 2 GiB.
    #[error("the file would have {bytes} bytes, and an ONNX file cannot hold 2 GiB or more")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
    },
}

/// A network as ONNX bytes: input `x` `[batch, channels, bins, frames]` (all but the channels free), output `logits`
/// `[batch, classes]`.
///
/// # Errors
/// Weights that are not this network's, or 2 GiB and more of them.
pub fn network(graph: &Graph, weights: &Weights) -> Result<Vec<u8>, OnnxError> {
    weights.check(graph)?;
    let last = graph.nodes().len() - 1;
    let value = |id: NodeId| match id {
        0 => "x".to_owned(),
        id if id == last => "logits".to_owned(),
        id => graph.nodes()[id].path.clone(),
    };
    let nodes = graph.nodes().iter().enumerate().flat_map(|(id, node)| {
        let inputs = node.inputs.iter().map(|&input| value(input)).collect();
        operators(node, inputs, value(id))
    });
    let initializer = graph
        .parameters()
        .iter()
        .filter_map(|parameter| weights.0.get(&parameter.name).map(|array| (parameter, array)))
        .map(|(parameter, array)| TensorProto::f32(&parameter.name, &parameter.shape, &array.data))
        .collect();
    let classes = graph.classes();
    let input = [Dim::Free("batch"), Dim::Fixed(graph.input_channels()), Dim::Free("bins"), Dim::Free("frames")];
    let graph = GraphProto {
        name: "network".to_owned(),
        node: nodes.collect(),
        initializer,
        input: vec![ValueInfoProto::tensor("x", ELEM_F32, &input)],
        output: vec![ValueInfoProto::tensor("logits", ELEM_F32, &[Dim::Free("batch"), Dim::Fixed(classes)])],
    };
    model(graph, &[("", OPSET)])
}

/// A graph as the bytes of a whole ONNX file, with the operator sets (domain, version) that it uses.
///
/// # Errors
/// 2 GiB and more.
pub fn model(graph: GraphProto, opsets: &[(&str, i64)]) -> Result<Vec<u8>, OnnxError> {
    let opset = |&(domain, version): &(&str, i64)| OperatorSetIdProto { domain: domain.to_owned(), version };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "earmark".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: opsets.iter().map(opset).collect(),
        metadata_props: Vec::new(),
    };
    let bytes = model.encoded_len();
    if bytes >= 1 << 31 {
        return Err(OnnxError::TooLarge { bytes });
    }
    Ok(model.encode_to_vec())
}

/// The ONNX operators of one node: one, except where ONNX keeps dimensions that we drop.
fn operators(node: &Node, mut inputs: Vec<String>, output: String) -> Vec<NodeProto> {
    let square = |name: &str, side: usize| AttributeProto::ints(name, vec![side as i64; 2]);
    let pads = |padding: usize| AttributeProto::ints("pads", vec![padding as i64; 4]);
    inputs.extend(node.parameters().into_iter().map(|parameter| parameter.name));
    let operator = |op_type: &str, inputs: Vec<String>, output: String, attribute: Vec<AttributeProto>| NodeProto {
        name: output.clone(),
        op_type: op_type.to_owned(),
        input: inputs,
        output: vec![output],
        attribute,
        domain: String::new(),
    };
    match node.op {
        Op::Input { .. } => Vec::new(),
        Op::Conv2d { kernel, stride, padding, groups, .. } => {
            let attributes = vec![
                square("kernel_shape", kernel),
                square("strides", stride),
                pads(padding),
                AttributeProto::int("group", groups as i64),
            ];
            vec![operator("Conv", inputs, output, attributes)]
        }
        Op::BatchNorm { .. } => {
            vec![operator(
                "BatchNormalization",
                inputs,
                output,
                vec![AttributeProto::float("epsilon", BATCH_NORM_EPS as f32)],
            )]
        }
        Op::Relu => vec![operator("Relu", inputs, output, Vec::new())],
        Op::MaxPool2d { kernel, stride, padding } => {
            let attributes = vec![square("kernel_shape", kernel), square("strides", stride), pads(padding)];
            vec![operator("MaxPool", inputs, output, attributes)]
        }
        Op::GlobalAvgPool => {
            let pooled = format!("{output}.pooled");
            vec![
                operator("GlobalAveragePool", inputs, pooled.clone(), Vec::new()),
                operator("Flatten", vec![pooled], output, vec![AttributeProto::int("axis", 1)]),
            ]
        }
        Op::Linear { .. } => vec![operator("Gemm", inputs, output, vec![AttributeProto::int("transB", 1)])],
        Op::Add => vec![operator("Add", inputs, output, Vec::new())],
    }
}
