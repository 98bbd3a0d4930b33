//! The messages of `onnx.proto` that Earmark writes. They are written by hand, so that the build
//! needs no protobuf compiler. Names and tags are those of ONNX's own file; fields that Earmark
//! never writes are omitted (a reader skips unknown fields).

/// The opset of domain `ai.onnx` that our networks use: later opsets have not changed the meaning
/// of any operator we use.
pub const OPSET: i64 = 17;
/// The opset of domain `ai.onnx.ml`, which holds the tree ensembles.
pub const ML_OPSET: i64 = 3;
/// The version of the file format; opset 17 was released with version 8.
pub const IR_VERSION: i64 = 8;

/// A complete file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelProto {
    /// Version of the format, [`IR_VERSION`].
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The program that wrote the file.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Its version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// The computation.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// The operator sets used.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Arbitrary key-value pairs.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// Operators defined by others, which Earmark does not write or decode.
    #[prost(bytes = "vec", repeated, tag = "25")]
    pub functions: Vec<Vec<u8>>,
}

/// An operator set: domain (empty for `ai.onnx`) and version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSetIdProto {
    /// Empty for the standard operators, `ai.onnx.ml` for trees.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A key and its value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StringStringEntryProto {
    /// Key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Nodes in the order of computation, with weights, inputs and outputs.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphProto {
    /// The operators.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The graph's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Weights.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// The inputs.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// The outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Weights in sparse form, which Earmark does not write or decode.
    #[prost(bytes = "vec", repeated, tag = "15")]
    pub sparse_initializer: Vec<Vec<u8>>,
}

/// One operator.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeProto {
    /// Names of its inputs.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of its outputs.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// The node's own name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator, such as `Conv`.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Its attributes.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// The operator's domain.
    #[prost(string, tag = "7")]
    pub domain: String,
}

impl NodeProto {
    /// An operator of the standard domain with one output, whose name it has, too.
    pub fn operator(op_type: &str, input: Vec<String>, output: String, attribute: Vec<AttributeProto>) -> Self {
        let (name, op_type) = (output.clone(), op_type.to_owned());
        Self { name, op_type, input, output: vec![output], attribute, domain: String::new() }
    }
}

/// An attribute of an operator; `type` identifies the field that holds its value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A number.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// An integer.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// The bytes of a string.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// An array.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// A graph: the body of a `Loop`, a branch of an `If`.
    #[prost(message, optional, boxed, tag = "6")]
    pub g: Option<Box<GraphProto>>,
    /// Numbers.
    #[prost(float, repeated, tag = "7")]
    pub floats: Vec<f32>,
    /// Integers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// Strings.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// The field that holds the value: 1 `f`, 2 `i`, 3 `s`, 4 `t`, 5 `g`, 6 `floats`,
    /// 7 `ints`, 8 `strings`.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

impl AttributeProto {
    /// An attribute that holds one number.
    pub fn float(name: &str, value: f32) -> Self {
        Self { name: name.to_owned(), f: Some(value), r#type: 1, ..Self::default() }
    }

    /// An attribute that holds one integer.
    pub fn int(name: &str, value: i64) -> Self {
        Self { name: name.to_owned(), i: Some(value), r#type: 2, ..Self::default() }
    }

    /// An attribute that holds one string.
    pub fn string(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), s: Some(value.as_bytes().to_vec()), r#type: 3, ..Self::default() }
    }

    /// An attribute that holds a graph.
    pub fn graph(name: &str, value: GraphProto) -> Self {
        Self { name: name.to_owned(), g: Some(Box::new(value)), r#type: 5, ..Self::default() }
    }

    /// An attribute that holds numbers.
    pub fn floats(name: &str, values: Vec<f32>) -> Self {
        Self { name: name.to_owned(), floats: values, r#type: 6, ..Self::default() }
    }

    /// An attribute that holds integers.
    pub fn ints(name: &str, values: Vec<i64>) -> Self {
        Self { name: name.to_owned(), ints: values, r#type: 7, ..Self::default() }
    }

    /// An attribute that holds strings.
    pub fn strings<S: AsRef<str>>(name: &str, values: &[S]) -> Self {
        let strings = values.iter().map(|value| value.as_ref().as_bytes().to_vec()).collect();
        Self { name: name.to_owned(), strings, r#type: 8, ..Self::default() }
    }
}

/// An array with its values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorProto {
    /// Shape.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// Type of the values, such as [`ELEM_F32`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// The values, if they are `f32` and not in `raw_data`.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// The values, if they have at most 32 bits and are not in `raw_data`.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// The values, if they are strings.
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    /// The values, if they are `i64` and not in `raw_data`.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// The values, little endian.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// The values, if they are `f64` and not in `raw_data`.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
}

impl TensorProto {
    /// An array of `f32`; `values` fills `dims` row by row.
    pub fn f32(name: &str, dims: &[usize], values: &[f32]) -> Self {
        Self::raw(name, ELEM_F32, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// An array of `i64`; `values` fills `dims` row by row.
    pub fn i64(name: &str, dims: &[usize], values: &[i64]) -> Self {
        Self::raw(name, ELEM_I64, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A list of strings.
    pub fn strings<S: AsRef<str>>(name: &str, values: &[S]) -> Self {
        let string_data = values.iter().map(|value| value.as_ref().as_bytes().to_vec()).collect();
        let dims = vec![values.len() as i64];
        Self { dims, data_type: ELEM_STRING, name: name.to_owned(), string_data, ..Self::default() }
    }

    /// An array of a type, from the little-endian bytes of its values.
    pub fn raw(name: &str, data_type: i32, dims: &[usize], raw_data: Vec<u8>) -> Self {
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        Self { dims, data_type, name: name.to_owned(), raw_data, ..Self::default() }
    }

    /// The values of an array of `f32`; none if it has another type.
    pub fn values(&self) -> Option<Vec<f32>> {
        if self.data_type != ELEM_F32 {
            return None;
        }
        let raw = self.raw_data.chunks_exact(4).filter_map(|bytes| Some(f32::from_le_bytes(bytes.try_into().ok()?)));
        Some(if self.raw_data.is_empty() { self.float_data.clone() } else { raw.collect() })
    }
}

/// ONNX's number for `f32`.
pub const ELEM_F32: i32 = 1;
/// ONNX's number for `i8`.
pub const ELEM_I8: i32 = 3;
/// ONNX's number for `i64`.
pub const ELEM_I64: i32 = 7;
/// ONNX's number for strings.
pub const ELEM_STRING: i32 = 8;
/// ONNX's number for booleans.
pub const ELEM_BOOL: i32 = 9;
/// ONNX's number for `f16`.
pub const ELEM_F16: i32 = 10;

/// The name and type of an input or output.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfoProto {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// A size in a shape: a number, or the name of a size that the caller may choose.
pub enum Dim<'a> {
    /// Always this size.
    Fixed(usize),
    /// Any size.
    Free(&'a str),
}

impl ValueInfoProto {
    /// An array of the given element type ([`ELEM_F32`], [`ELEM_I64`]) and shape.
    pub fn tensor(name: &str, elem_type: i32, shape: &[Dim]) -> Self {
        let dim = shape
            .iter()
            .map(|dim| Dimension {
                value: Some(match dim {
                    Dim::Fixed(size) => dimension::Value::DimValue(*size as i64),
                    Dim::Free(name) => dimension::Value::DimParam((*name).to_owned()),
                }),
            })
            .collect();
        let tensor = TensorType { elem_type, shape: Some(TensorShapeProto { dim }) };
        Self { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor) }) }
    }
}

/// A type. Earmark writes only array types.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TypeProto {
    /// An array's type.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// Element type and shape of an array.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorType {
    /// Element type.
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Shape.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// A shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    /// Its sizes.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// One size of a shape.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dimension {
    /// The size.
    #[prost(oneof = "dimension::Value", tags = "1, 2")]
    pub value: Option<dimension::Value>,
}

/// The value of a size.
pub mod dimension {
    /// A number or a name.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A fixed size.
        #[prost(int64, tag = "1")]
        DimValue(i64),
        /// The name of a free size.
        #[prost(string, tag = "2")]
        DimParam(String),
    }
}
