//! Builds a graph, operator by operator.

use earmark_features::MelSettings;
use earmark_onnx::proto::{
    AttributeProto, Dim, ELEM_BOOL, ELEM_F32, ELEM_I64, GraphProto, NodeProto, TensorProto, ValueInfoProto,
};

use crate::ExportError;

/// The name of a value of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value(pub(crate) String);

/// A graph, or the body of a loop in one. The names of its values begin with its prefix, so that no
/// two values of a file have the same name.
pub(crate) struct Scope {
    prefix: String,
    names: usize,
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) weights: Vec<TensorProto>,
    /// Spectrograms that several front ends take: their settings, samples and bands.
    pub(crate) spectrograms: Vec<(MelSettings, Value, Value)>,
}

impl Scope {
    pub(crate) fn new() -> Self {
        Self::with_prefix(String::new())
    }

    fn with_prefix(prefix: String) -> Self {
        Self { prefix, names: 0, nodes: Vec::new(), weights: Vec::new(), spectrograms: Vec::new() }
    }

    /// A name that no other value has.
    pub(crate) fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{}{what}_{}", self.prefix, self.names)
    }

    /// The output of an operator.
    pub(crate) fn op(&mut self, op_type: &str, inputs: &[&Value]) -> Value {
        self.op_with(op_type, inputs, Vec::new())
    }

    /// The output of an operator with attributes.
    pub(crate) fn op_with(&mut self, op_type: &str, inputs: &[&Value], attribute: Vec<AttributeProto>) -> Value {
        let output = self.name(op_type);
        let inputs = inputs.iter().map(|input| input.0.clone()).collect();
        self.nodes.push(NodeProto::operator(op_type, inputs, output.clone(), attribute));
        Value(output)
    }

    /// An operator with the attribute `axis`.
    pub(crate) fn on_axis(&mut self, op_type: &str, inputs: &[&Value], axis: i64) -> Value {
        self.op_with(op_type, inputs, vec![AttributeProto::int("axis", axis)])
    }

    /// An operator that removes some axes, such as `ReduceMean`.
    pub(crate) fn reduce(&mut self, op_type: &str, x: &Value, axes: &[i64]) -> Value {
        let attributes = vec![AttributeProto::ints("axes", axes.to_vec()), AttributeProto::int("keepdims", 0)];
        self.op_with(op_type, &[x], attributes)
    }

    /// The sum over some axes, which this operator takes as an input.
    pub(crate) fn sum(&mut self, x: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(axes);
        self.op_with("ReduceSum", &[x, &axes], vec![AttributeProto::int("keepdims", 0)])
    }

    pub(crate) fn transposed(&mut self, x: &Value, order: &[i64]) -> Value {
        self.op_with("Transpose", &[x], vec![AttributeProto::ints("perm", order.to_vec())])
    }

    /// The same values in another shape: 0 keeps a size, -1 is the rest.
    pub(crate) fn reshaped(&mut self, x: &Value, shape: &[i64]) -> Value {
        let shape = self.ints(shape);
        self.reshaped_to(x, &shape)
    }

    /// [`Scope::reshaped`] to a shape that is computed.
    pub(crate) fn reshaped_to(&mut self, x: &Value, shape: &Value) -> Value {
        self.op("Reshape", &[x, shape])
    }

    pub(crate) fn unsqueezed(&mut self, x: &Value, axes: &[i64]) -> Value {
        let axes = self.ints(axes);
        self.op("Unsqueeze", &[x, &axes])
    }

    /// A value with another type of numbers.
    pub(crate) fn cast(&mut self, x: &Value, to: i32) -> Value {
        self.op_with("Cast", &[x], vec![AttributeProto::int("to", i64::from(to))])
    }

    /// Weights.
    pub(crate) fn f32(&mut self, dims: &[usize], values: &[f32]) -> Value {
        let name = self.name("weights");
        self.weights.push(TensorProto::f32(&name, dims, values));
        Value(name)
    }

    /// A number, which operators spread over arrays.
    pub(crate) fn number(&mut self, value: f32) -> Value {
        self.f32(&[], &[value])
    }

    /// A list of integers.
    pub(crate) fn ints(&mut self, values: &[i64]) -> Value {
        let name = self.name("integers");
        self.weights.push(TensorProto::i64(&name, &[values.len()], values));
        Value(name)
    }

    /// An integer without a dimension.
    pub(crate) fn int(&mut self, value: i64) -> Value {
        let name = self.name("integer");
        self.weights.push(TensorProto::i64(&name, &[], &[value]));
        Value(name)
    }

    /// The size of an axis: `[1]`.
    pub(crate) fn size(&mut self, x: &Value, axis: i64) -> Value {
        let attributes = vec![AttributeProto::int("start", axis), AttributeProto::int("end", axis + 1)];
        self.op_with("Shape", &[x], attributes)
    }

    /// The integers from 0 on, as many as `count` `[1]`.
    pub(crate) fn range(&mut self, count: &Value) -> Value {
        let (start, step) = (self.int(0), self.int(1));
        let end = self.op("Squeeze", &[count]);
        self.op("Range", &[&start, &end, &step])
    }

    /// Values `from` (inclusive) to `to` (exclusive) of an axis, both `[1]`.
    pub(crate) fn slice(&mut self, x: &Value, from: &Value, to: &Value, axis: i64) -> Value {
        let axes = self.ints(&[axis]);
        self.op("Slice", &[x, from, to, &axes])
    }

    /// The quotient of two integers of 0 or more, rounded up.
    pub(crate) fn quotient_up(&mut self, a: &Value, b: i64) -> Value {
        let (more, divisor) = (self.ints(&[b - 1]), self.ints(&[b]));
        let sum = self.op("Add", &[a, &more]);
        self.op("Div", &[&sum, &divisor])
    }

    /// The sum of what `term` computes for 0, 1, ... as long as they are below `count` `[1]`. It
    /// gets the number as `[1]` and returns `[width]`.
    pub(crate) fn sum_of(
        &mut self,
        count: &Value,
        width: usize,
        term: impl FnOnce(&mut Scope, &Value) -> Result<Value, ExportError>,
    ) -> Result<Value, ExportError> {
        let mut body = Scope::with_prefix(format!("{}/", self.name("loop")));
        let [iteration, condition, sum] = ["iteration", "condition", "sum"].map(|name| Value(body.name(name)));
        let first = body.ints(&[1]);
        let number = body.op("Reshape", &[&iteration, &first]);
        let term = term(&mut body, &number)?;
        let next = body.op("Add", &[&sum, &term]);
        let goes_on = body.op("Identity", &[&condition]);
        let of_width = [Dim::Fixed(width)];
        let graph = GraphProto {
            name: body.name("body"),
            node: body.nodes,
            initializer: body.weights,
            input: vec![
                ValueInfoProto::tensor(&iteration.0, ELEM_I64, &[]),
                ValueInfoProto::tensor(&condition.0, ELEM_BOOL, &[]),
                ValueInfoProto::tensor(&sum.0, ELEM_F32, &of_width),
            ],
            output: vec![
                ValueInfoProto::tensor(&goes_on.0, ELEM_BOOL, &[]),
                ValueInfoProto::tensor(&next.0, ELEM_F32, &of_width),
            ],
            ..GraphProto::default()
        };
        let trips = self.op("Squeeze", &[count]);
        let zeros = self.f32(&[width], &vec![0.0; width]);
        let no_condition = Value(String::new());
        Ok(self.op_with("Loop", &[&trips, &no_condition, &zeros], vec![AttributeProto::graph("body", graph)]))
    }
}
