//! The ONNX interpreter: writes a graph with its weights as an ONNX file.

use earmark_onnx::proto::{AttributeProto, Dim, ELEM_F32, GraphProto, NodeProto, OPSET, TensorProto, ValueInfoProto};
use earmark_onnx::{TooLarge, check_length, model};

use crate::graph::{Graph, Node, NodeId, Op, Window};
use crate::weights::{Weights, WeightsError};

/// Why a network cannot be written as ONNX.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The weights do not fit the network.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file would be too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Encodes a network as ONNX: input `x` `[batch, channels, bins, frames]` (batch and frames are
/// variable, and so are bins if the network takes any number of them), output `logits`
/// `[batch, classes]`.
///
/// # Errors
/// Weights that do not fit this network, or weights of 2 GiB or more.
pub fn to_onnx(graph: &Graph, weights: &Weights) -> Result<Vec<u8>, ExportError> {
    encode(graph, weights, None)
}

/// [`to_onnx`] with two more outputs: `embedding` `[batch, size]` ([`Graph::embedding`]), and
/// `stages` `[batch, size of all]`, the means of [`Graph::stages`] over height and width followed
/// by the embedding.
///
/// # Errors
/// Those of [`to_onnx`].
pub fn to_onnx_with_embeddings(graph: &Graph, weights: &Weights) -> Result<Vec<u8>, ExportError> {
    encode(graph, weights, graph.embedding())
}

fn encode(graph: &Graph, weights: &Weights, embedding: Option<NodeId>) -> Result<Vec<u8>, ExportError> {
    // Check before the weights are copied.
    check_size(graph)?;
    weights.check(graph)?;
    let last = graph.nodes().len() - 1;
    let value = |id: NodeId| match id {
        0 => "x".to_owned(),
        id if id == last => "logits".to_owned(),
        id if Some(id) == embedding => "embedding".to_owned(),
        id => graph.nodes()[id].path.clone(),
    };
    let nodes = graph.nodes().iter().enumerate().flat_map(|(id, node)| {
        let inputs = node.inputs.iter().map(|&input| value(input)).collect();
        operators(node, inputs, value(id))
    });
    let maps = || graph.stages().into_iter().map(value).collect::<Vec<_>>();
    let stages = embedding.map(|_| means(&maps())).unwrap_or_default();
    let initializer = graph
        .parameters()
        .iter()
        .filter_map(|parameter| weights.0.get(&parameter.name).map(|array| (parameter, array)))
        .map(|(parameter, array)| TensorProto::f32(&parameter.name, &parameter.shape, &array.data))
        .collect();
    let classes = graph.classes();
    let bins = graph.bins().map_or(Dim::Free("bins"), Dim::Fixed);
    let output = |name: &str, size: Dim| ValueInfoProto::tensor(name, ELEM_F32, &[Dim::Free("batch"), size]);
    let logits = std::iter::once(output("logits", Dim::Fixed(classes)));
    let embeddings = ["embedding", "stages"].map(|name| output(name, Dim::Free(name)));
    let embeddings = embeddings.into_iter().filter(|_| embedding.is_some());
    let input = [Dim::Free("batch"), Dim::Fixed(graph.input_channels()), bins, Dim::Free("frames")];
    let graph = GraphProto {
        name: "network".to_owned(),
        node: nodes.chain(stages).collect(),
        initializer,
        input: vec![ValueInfoProto::tensor("x", ELEM_F32, &input)],
        output: logits.chain(embeddings).collect(),
        ..GraphProto::default()
    };
    Ok(model(graph, &[("", OPSET)])?)
}

/// Checks that an ONNX file can hold a network's weights, before the weights are created.
///
/// # Errors
/// Weights of 2 GiB or more.
pub fn check_size(graph: &Graph) -> Result<(), ExportError> {
    let values =
        |shape: Vec<usize>| shape.into_iter().fold(1_u128, |product, side| product.saturating_mul(side as u128));
    let bytes = graph.parameters().into_iter().map(|parameter| values(parameter.shape).saturating_mul(4));
    Ok(check_length(bytes.fold(0, u128::saturating_add))?)
}

/// The output `stages`: the means of these maps, and the embedding.
fn means(maps: &[String]) -> Vec<NodeProto> {
    let mut operators = Vec::new();
    let mut parts = Vec::new();
    for (stage, map) in maps.iter().enumerate() {
        let (mean, flat) = (format!("stages.{stage}.mean"), format!("stages.{stage}"));
        operators.push(NodeProto::operator("GlobalAveragePool", vec![map.clone()], mean.clone(), Vec::new()));
        operators.push(NodeProto::operator("Flatten", vec![mean], flat.clone(), vec![AttributeProto::int("axis", 1)]));
        parts.push(flat);
    }
    parts.push("embedding".to_owned());
    operators.push(NodeProto::operator("Concat", parts, "stages".to_owned(), vec![AttributeProto::int("axis", 1)]));
    operators
}

/// The ONNX operators of one node: the operator itself, and constants for settings that ONNX takes
/// as inputs.
fn operators(node: &Node, mut inputs: Vec<String>, output: String) -> Vec<NodeProto> {
    let pair = |name: &str, [height, width]: [usize; 2]| AttributeProto::ints(name, vec![height as i64, width as i64]);
    let window = |window: Window| {
        let [height, width] = window.padding.map(|side| side as i64);
        let pads = AttributeProto::ints("pads", vec![height, width, height, width]);
        vec![pair("kernel_shape", window.kernel), pair("strides", window.stride), pads]
    };
    let pool = |of: Window| [window(of), vec![AttributeProto::int("ceil_mode", i64::from(of.ceil))]].concat();
    let axes = |axis: i64| vec![AttributeProto::ints("axes", vec![axis])];
    let axis = || vec![AttributeProto::int("axis", 1)];
    let mut constants = Vec::new();
    let (op_type, attributes) = match node.op {
        Op::Input { .. } => return Vec::new(),
        Op::RbfKernel { .. } => return rbf_kernel(node, &inputs[0], output),
        Op::Conv2d { window: of, groups, .. } => {
            ("Conv", [window(of), vec![AttributeProto::int("group", groups as i64)]].concat())
        }
        Op::BatchNorm { eps, .. } => ("BatchNormalization", vec![AttributeProto::float("epsilon", eps as f32)]),
        Op::Relu => ("Relu", Vec::new()),
        Op::Sigmoid => ("Sigmoid", Vec::new()),
        Op::HardSwish => ("HardSwish", Vec::new()),
        Op::MaxPool2d(of) => ("MaxPool", pool(of)),
        Op::AvgPool2d(of) => ("AveragePool", pool(of)),
        Op::GlobalAvgPool => ("GlobalAveragePool", Vec::new()),
        Op::MeanOverHeight => ("ReduceMean", axes(2)),
        Op::MeanOverWidth => ("ReduceMean", axes(3)),
        Op::MaxOverWidth => ("ReduceMax", axes(3)),
        Op::Flatten => ("Flatten", axis()),
        Op::Unflatten => {
            constants = vec![("axes", vec![2, 3])];
            ("Unsqueeze", Vec::new())
        }
        Op::Linear { .. } => ("Gemm", vec![AttributeProto::int("transB", 1)]),
        Op::Add => ("Add", Vec::new()),
        Op::Mul => ("Mul", Vec::new()),
        Op::Concat => ("Concat", axis()),
        Op::Slice { start, end } => {
            constants = vec![("starts", vec![start]), ("ends", vec![end]), ("axes", vec![1])];
            ("Slice", Vec::new())
        }
        Op::Permute(order) => ("Transpose", vec![AttributeProto::ints("perm", order.map(|from| from as i64).to_vec())]),
        Op::Pad { before, after } => {
            constants = vec![("pads", vec![0, 0, 0, before, 0, 0, 0, after])];
            ("Pad", Vec::new())
        }
    };
    let mut operators = Vec::new();
    for (name, values) in constants {
        let constant = format!("{output}.{name}");
        let values = values.into_iter().map(|value| value as i64).collect();
        let value = AttributeProto::ints("value_ints", values);
        operators.push(NodeProto::operator("Constant", Vec::new(), constant.clone(), vec![value]));
        inputs.push(constant);
    }
    inputs.extend(node.parameters().into_iter().map(|parameter| parameter.name));
    operators.push(NodeProto::operator(op_type, inputs, output, attributes));
    operators
}

/// `exp(2 x centres - |centres|^2 - |x|^2)`.
fn rbf_kernel(node: &Node, x: &str, output: String) -> Vec<NodeProto> {
    let named = |name: &str| format!("{output}.{name}");
    let centres = format!("{}.centres", node.path);
    let squares = |of: &str, name: &str, keep: i64| {
        let attributes = vec![AttributeProto::ints("axes", vec![1]), AttributeProto::int("keepdims", keep)];
        NodeProto::operator("ReduceSumSquare", vec![of.to_owned()], named(name), attributes)
    };
    let attributes = vec![
        AttributeProto::int("transB", 1),
        AttributeProto::float("alpha", 2.0),
        AttributeProto::float("beta", -1.0),
    ];
    vec![
        squares(x, "squares", 1),
        squares(&centres, "centre_squares", 0),
        NodeProto::operator(
            "Gemm",
            vec![x.to_owned(), centres, named("centre_squares")],
            named("products"),
            attributes,
        ),
        NodeProto::operator("Sub", vec![named("products"), named("squares")], named("exponents"), Vec::new()),
        NodeProto::operator("Exp", vec![named("exponents")], output, Vec::new()),
    ]
}

#[cfg(test)]
mod tests {
    use earmark_onnx::proto::ModelProto;
    use prost::Message;

    use super::*;
    use crate::registry::{Input, find, variants};
    use crate::weights::Array;

    #[test]
    fn files_of_two_gibibytes_are_refused_with_the_reason() {
        let written = |classes| to_onnx(&find("resnet50").unwrap().graph(3, classes), &Weights::default());
        assert!(matches!(written(260_000), Err(ExportError::TooLarge(_))));
        assert!(matches!(written(250_000), Err(ExportError::Weights(_))));
    }

    #[test]
    fn sizes_beyond_all_integers_are_refused() {
        for (classes, channels) in [(10_000_000_000, 3), (usize::MAX / 2, 3), (usize::MAX, 3), (2, usize::MAX)] {
            for variant in variants() {
                let graph = variant.graph(channels, classes);
                if variant.input == Input::Wave && classes == 2 {
                    continue;
                }
                let error = to_onnx(&graph, &Weights::default()).unwrap_err();
                let least = 4 * classes.max(channels) as u128;
                assert!(
                    matches!(error, ExportError::TooLarge(TooLarge { bytes }) if bytes > least),
                    "{}: {error}",
                    variant.name
                );
                assert!(graph.parameter_count() >= classes.max(channels), "{}", variant.name);
            }
        }
        let graph = find("resnet_nano").unwrap().graph(3, usize::MAX);
        assert_eq!(graph.parameter_count(), usize::MAX);
        assert_eq!(graph.flops([1, 3, 64, 150]), Ok(u64::MAX));
    }

    #[test]
    fn sides_of_the_input_are_fixed_where_only_one_runs() {
        for variant in variants() {
            let graph = variant.graph(variant.channels(), 2);
            let fixed = match variant.input {
                Input::Features => None,
                Input::Bins(bins) => Some(bins),
                Input::Wave => Some(1),
            };
            assert_eq!(graph.bins(), fixed, "{}", variant.name);
            let [batch, channels, bins, frames] = variant.example(1, 150);
            let other = graph.shapes([batch, channels, bins + 1, frames]);
            assert_eq!(other.is_ok(), fixed.is_none(), "{}", variant.name);
        }
        let graph = find("cnn14_nano").unwrap().graph(1, 2);
        let arrays = graph.parameters().into_iter().map(|parameter| {
            (parameter.name.clone(), Array { data: vec![0.0; parameter.len()], shape: parameter.shape })
        });
        let bytes = to_onnx(&graph, &Weights(arrays.collect())).unwrap();
        let input = ModelProto::decode(&bytes[..]).unwrap().graph.unwrap().input;
        assert_eq!(
            input,
            [ValueInfoProto::tensor(
                "x",
                ELEM_F32,
                &[Dim::Free("batch"), Dim::Fixed(1), Dim::Fixed(64), Dim::Free("frames"),]
            )]
        );
    }
}
