//! The precision of the networks' weights in the file.

use earmark_onnx::proto::{AttributeProto, ELEM_F16, ELEM_F32, ELEM_I8, NodeProto, TensorProto};
use half::f16;

use crate::scope::Scope;

/// Arrays of fewer values stay in 32 bits: they are biases and statistics of normalization.
const FEWEST: usize = 256;
/// Output channels of fewer weights are not stored as integers.
const FEWEST_OF_CHANNEL: usize = 32;
/// The largest magnitude of an 8-bit weight.
const LARGEST: f32 = 127.0;

/// The precision of the networks' weights. A runtime converts them to 32 bits when it loads the
/// file; the front end, activations and level 2 have 32 bits in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits (IEEE 754 half precision).
    F16,
    /// 8-bit integers, with a factor for each output channel.
    Int8,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        })
    }
}

/// Adds an array under a name, in the given precision if it is one of weights. `is_of_columns`: its
/// output channels are the last axis, not the first one.
pub(crate) fn push(scope: &mut Scope, tensor: &TensorProto, name: &str, (precision, is_of_columns): (Precision, bool)) {
    let count = tensor.dims.iter().product::<i64>().max(0) as usize;
    let values = tensor.values().filter(|values| values.len() == count && count >= FEWEST && tensor.dims.len() > 1);
    let is_encoded = match (precision, values) {
        (Precision::F32, _) | (_, None) => false,
        (Precision::F16, Some(values)) => halves(scope, tensor, name, &values),
        // The weights of a convolution of each channel by itself are few, and matter most.
        (Precision::Int8, _) if !is_of_columns && per_channel(tensor) < FEWEST_OF_CHANNEL => false,
        (Precision::Int8, Some(values)) => {
            integers(scope, tensor, name, &values, is_of_columns);
            true
        }
    };
    if !is_encoded {
        scope.weights.push(TensorProto { name: name.to_owned(), ..tensor.clone() });
    }
}

/// Number of weights of an output channel.
fn per_channel(tensor: &TensorProto) -> usize {
    tensor.dims.iter().skip(1).product::<i64>().max(0) as usize
}

/// Adds the weights in 16 bits, unless one of them does not fit.
fn halves(scope: &mut Scope, tensor: &TensorProto, name: &str, values: &[f32]) -> bool {
    if values.iter().any(|value| !f16::from_f32(*value).is_finite()) {
        return false;
    }
    let bytes = values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect();
    let stored = format!("{name}/f16");
    scope.weights.push(array(&stored, ELEM_F16, tensor, bytes));
    node(scope, "Cast", &[&stored], name);
    true
}

/// Adds the weights as 8-bit integers.
fn integers(scope: &mut Scope, tensor: &TensorProto, name: &str, values: &[f32], is_of_columns: bool) {
    let channels_axis = if is_of_columns { tensor.dims.len() - 1 } else { 0 };
    let channels = tensor.dims.get(channels_axis).map_or(1, |&size| size.max(1) as usize);
    let per_channel = values.len() / channels;
    let channel_of = |index: usize| if is_of_columns { index % channels } else { index / per_channel.max(1) };
    let mut scales = vec![0f32; channels];
    for (index, value) in values.iter().enumerate() {
        if let Some(scale) = scales.get_mut(channel_of(index)) {
            *scale = scale.max(value.abs());
        }
    }
    scales.iter_mut().for_each(|scale| *scale = if *scale > 0.0 { *scale / LARGEST } else { 1.0 });
    let scale_of = |index: usize| scales.get(channel_of(index)).copied().unwrap_or(1.0);
    // A cast saturates.
    let rounded = |(index, value): (usize, &f32)| (value / scale_of(index)).round() as i8;
    let bytes = values.iter().enumerate().map(rounded).map(|value| value.cast_unsigned()).collect();
    let [stored, plain, factors] = ["int8", "plain", "scale"].map(|what| format!("{name}/{what}"));
    scope.weights.push(array(&stored, ELEM_I8, tensor, bytes));
    let mut shape = vec![1; tensor.dims.len()];
    if let Some(size) = shape.get_mut(channels_axis) {
        *size = channels;
    }
    scope.weights.push(TensorProto::f32(&factors, &shape, &scales));
    node(scope, "Cast", &[&stored], &plain);
    node(scope, "Mul", &[&plain, &factors], name);
}

/// An array of the shape of another one.
fn array(name: &str, data_type: i32, like: &TensorProto, raw_data: Vec<u8>) -> TensorProto {
    TensorProto { dims: like.dims.clone(), data_type, name: name.to_owned(), raw_data, ..TensorProto::default() }
}

fn node(scope: &mut Scope, op_type: &str, inputs: &[&str], output: &str) {
    let attribute = match op_type {
        "Cast" => vec![AttributeProto::int("to", ELEM_F32.into())],
        _ => Vec::new(),
    };
    let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
    scope.nodes.push(NodeProto::operator(op_type, inputs, output.to_owned(), attribute));
}
