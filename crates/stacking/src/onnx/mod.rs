//! Level 2 as ONNX.

mod trees;

use earmark_onnx::model;
use earmark_onnx::proto::{
    AttributeProto, Dim, ELEM_F32, ELEM_I64, GraphProto, ML_OPSET, NodeProto, OPSET, TensorProto, ValueInfoProto,
};

use crate::averages::{FLOOR, Mean};
use crate::features::logarithm;
use crate::link::Link;
use crate::trees::{NodeKind, Trees};
use crate::{FeatureKind, Layout, Logistic, Result, StackError};

/// The value that holds the columns of level 2.
const FEATURES: &str = "features";
const PROBABILITIES: &str = "probabilities";

/// A booster (XGBoost's JSON) as ONNX: one operator of `ai.onnx.ml` 3, a `TreeEnsembleClassifier`
/// or, if clips may have several labels, a `TreeEnsembleRegressor` of the margins, whose `Sigmoid`
/// follows.
///
/// Input `x`, `f32[N, features]`, NaN for missing values; output `probabilities`, `f32[N,
/// classes]`, and of a classifier also `label`, `i64[N]`. Thresholds and leaves are the same `f32`
/// as in the JSON, and are compared as in XGBoost.
///
/// # Errors
/// The JSON is damaged, is not a booster of level 2, or has other numbers of features and classes
/// than the arguments.
pub fn to_onnx(booster_json: &[u8], features: usize, classes: usize) -> Result<Vec<u8>> {
    let trees = read(booster_json, features, classes)?;
    Graph::of_trees(&trees).file_of(features, classes)
}

/// Trees over the columns of `layout`, converted to take the raw inputs instead of logarithms:
/// another program's logarithm may differ in its last digit, and thresholds are values that clips
/// have.
pub(crate) fn trees(booster_json: &[u8], layout: &Layout) -> Result<Graph> {
    let mut trees = read(booster_json, layout.columns(), layout.classes)?;
    for node in trees.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
        if let NodeKind::Split { feature, threshold, .. } = &mut node.kind {
            let (input, logarithmic) = layout.input_of(*feature);
            *feature = input;
            if logarithmic {
                *threshold = first_not_below(*threshold);
            }
        }
    }
    Ok(Graph::of_trees(&trees))
}

/// The smallest probability whose logarithm, as level 2 computes it, is not below `threshold`.
fn first_not_below(threshold: f32) -> f32 {
    // Non-negative floats are ordered like their bits.
    let (mut low, mut high) = (0, f32::MAX.to_bits());
    while low < high {
        let middle = low + (high - low) / 2;
        if logarithm(f32::from_bits(middle)) < threshold { low = middle + 1 } else { high = middle }
    }
    f32::from_bits(low)
}

/// Logistic regression over the columns of `layout`. The mean is subtracted before any
/// multiplication: otherwise 32 bits would lose the small variation of a column with a large mean.
pub(crate) fn linear(logistic: &Logistic, link: Link, layout: &Layout) -> Result<Graph> {
    let (columns, classes) = (logistic.mean.len(), logistic.intercept.len());
    if (columns, classes) != (layout.columns(), layout.classes) {
        let reason = format!("{} columns for a model fitted on {columns}", layout.columns());
        return Err(StackError::Shape(reason));
    }
    let mut graph = Graph::preparing(layout);
    graph.with_weights("Sub", FEATURES, ("mean", &[columns], &logistic.mean), "centred");
    graph.with_weights("Div", "centred", ("deviation", &[columns], &logistic.deviation), "scaled");
    graph.with_weights(
        "Gemm",
        "scaled",
        ("coefficients", &[classes, columns], &logistic.coefficients.concat()),
        "margins",
    );
    graph.weights.push(weights("intercept", &[classes], &logistic.intercept));
    if let Some(gemm) = graph.nodes.last_mut() {
        gemm.input.push("intercept".to_owned());
        gemm.attribute.push(AttributeProto::int("transB", 1));
    }
    graph.activate("margins", link);
    Ok(graph)
}

/// A mean of the learners' probabilities with a weight for each, as a product with a matrix.
pub(crate) fn mean(mean: Mean, shares: &[f64], layout: &Layout) -> Result<Graph> {
    let (inputs, classes) = (layout.learners * layout.classes, layout.classes);
    if shares.len() != layout.learners {
        let reason = format!("{} learners for weights of {}", layout.learners, shares.len());
        return Err(StackError::Shape(reason));
    }
    // Row `learner * classes + class` of the matrix has the learner's weight in the column `class`.
    let share = |place: usize| {
        let (row, column) = (place / classes, place % classes);
        if row % classes == column { shares[row / classes] } else { 0.0 }
    };
    let matrix: Vec<f64> = (0..inputs * classes).map(share).collect();
    let matrix = ("shares", &[inputs, classes][..], &matrix[..]);
    let mut graph = Graph::default();
    match mean {
        Mean::Arithmetic => graph.with_weights("MatMul", "x", matrix, PROBABILITIES),
        Mean::Geometric => {
            graph.margins("x", Link::Softmax, "logarithms");
            graph.with_weights("MatMul", "logarithms", matrix, "means");
            graph.activate("means", Link::Softmax);
        }
        Mean::Odds => {
            graph.margins("x", Link::Sigmoid, "log_odds");
            graph.with_weights("MatMul", "log_odds", matrix, "means");
            graph.activate("means", Link::Sigmoid);
        }
    }
    Ok(graph)
}

fn read(booster_json: &[u8], features: usize, classes: usize) -> Result<Trees> {
    let trees = Trees::read(booster_json)?;
    if (trees.features, trees.classes) != (features, classes) {
        let has = format!("has {} features and {} classes", trees.features, trees.classes);
        return Err(StackError::Booster(format!("{has}, not {features} and {classes}")));
    }
    Ok(trees)
}

fn weights(name: &str, shape: &[usize], values: &[f64]) -> TensorProto {
    TensorProto::f32(name, shape, &values.iter().map(|&value| value as f32).collect::<Vec<f32>>())
}

impl Layout {
    /// Number of inputs from tagging: the learners' probabilities, then the statistics if there are
    /// any.
    fn inputs(&self) -> usize {
        self.learners * self.classes + self.statistics
    }

    /// The input that a column is computed from, and whether the column is its logarithm.
    fn input_of(&self, column: usize) -> (usize, bool) {
        let probabilities = self.learners * self.classes;
        let mut place = column;
        for kind in &self.kinds {
            let (first, width) = match kind {
                FeatureKind::Probabilities | FeatureKind::LogProbabilities => (0, probabilities),
                FeatureKind::MfccStatistics => (probabilities, self.statistics),
            };
            if place < width {
                return (first + place, *kind == FeatureKind::LogProbabilities);
            }
            place -= width;
        }
        (place, false)
    }
}

/// A graph from the value `x` to [`PROBABILITIES`].
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    /// Whether there is the output `label`, too.
    label: bool,
}

impl Graph {
    fn of_trees(trees: &Trees) -> Graph {
        match trees.link {
            Link::Softmax => Graph { nodes: vec![trees::classifier(trees, "x")], weights: Vec::new(), label: true },
            Link::Sigmoid => {
                let mut graph = Graph { nodes: vec![trees::regressor(trees, "x", "margins")], ..Graph::default() };
                graph.activate("margins", Link::Sigmoid);
                graph
            }
        }
    }

    /// The graph with the margins of its probabilities multiplied by a factor.
    pub(crate) fn scaled(mut self, factor: f64, link: Link) -> Graph {
        let plain = "unscaled";
        let names = self.nodes.iter_mut().flat_map(|node| node.output.iter_mut().chain([&mut node.name]));
        names.filter(|name| *name == PROBABILITIES).for_each(|name| plain.clone_into(name));
        self.margins(plain, link, "unscaled_margins");
        self.with_weights("Mul", "unscaled_margins", ("factor", &[1], &[factor]), "scaled_margins");
        self.activate("scaled_margins", link);
        self
    }

    /// Computes [`FEATURES`] from `x`.
    fn preparing(layout: &Layout) -> Graph {
        let mut graph = Graph::default();
        let probabilities = layout.learners * layout.classes;
        graph.columns("learners", [0, probabilities]);
        let mut parts = Vec::new();
        for kind in &layout.kinds {
            parts.push(match kind {
                FeatureKind::Probabilities => "learners",
                FeatureKind::LogProbabilities => {
                    graph.logarithm("learners", "logarithms");
                    "logarithms"
                }
                FeatureKind::MfccStatistics => {
                    graph.columns("statistics", [probabilities, layout.inputs()]);
                    "statistics"
                }
            });
        }
        graph.push("Concat", &parts, FEATURES, vec![AttributeProto::int("axis", 1)]);
        graph
    }

    fn push(&mut self, op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        self.nodes.push(NodeProto::operator(op_type, inputs, output.to_owned(), attribute));
    }

    /// An operator on a value and on weights, which are given by name, shape and values.
    fn with_weights(&mut self, op_type: &str, input: &str, other: (&str, &[usize], &[f64]), output: &str) {
        let (name, shape, values) = other;
        self.weights.push(weights(name, shape, values));
        self.push(op_type, &[input, name], output, Vec::new());
    }

    /// The columns of `x` from `range[0]` (inclusive) to `range[1]` (exclusive).
    fn columns(&mut self, output: &str, range: [usize; 2]) {
        let mut inputs = vec!["x".to_owned()];
        for (name, value) in [("starts", range[0]), ("ends", range[1]), ("axes", 1)] {
            let constant = format!("{output}.{name}");
            self.push("Constant", &[], &constant, vec![AttributeProto::ints("value_ints", vec![value as i64])]);
            inputs.push(constant);
        }
        self.push("Slice", &inputs.iter().map(String::as_str).collect::<Vec<_>>(), output, Vec::new());
    }

    /// The margins of probabilities, as [`Link::margins`] computes them.
    fn margins(&mut self, input: &str, link: Link, output: &str) {
        match link {
            Link::Softmax => self.logarithm(input, output),
            Link::Sigmoid => {
                // Names are unique in a graph, which may have margins twice.
                let [one, rest, of_input, of_rest] =
                    ["one", "rest", "of_input", "of_rest"].map(|name| format!("{output}.{name}"));
                self.logarithm(input, &of_input);
                self.weights.push(weights(&one, &[1], &[1.0]));
                self.push("Sub", &[&one, input], &rest, Vec::new());
                self.logarithm(&rest, &of_rest);
                self.push("Sub", &[&of_input, &of_rest], output, Vec::new());
            }
        }
    }

    /// The probabilities of margins.
    fn activate(&mut self, margins: &str, link: Link) {
        let axis = (link == Link::Softmax).then(|| AttributeProto::int("axis", 1));
        self.push(link.operator(), &[margins], PROBABILITIES, axis.into_iter().collect());
    }

    fn logarithm(&mut self, input: &str, output: &str) {
        // Names are unique in a graph, which may have several logarithms.
        let (floor, floored) = (format!("{output}.floor"), format!("{output}.floored"));
        self.with_weights("Max", input, (&floor, &[1], &[FLOOR]), &floored);
        self.push("Log", &[&floored], output, Vec::new());
    }

    /// The graph as a file, for the inputs and classes of `layout`.
    pub(crate) fn file(self, layout: &Layout) -> Result<Vec<u8>> {
        self.file_of(layout.inputs(), layout.classes)
    }

    fn file_of(self, inputs: usize, classes: usize) -> Result<Vec<u8>> {
        let x = ValueInfoProto::tensor("x", ELEM_F32, &[Dim::Free("N"), Dim::Fixed(inputs)]);
        let label = self.label.then(|| ValueInfoProto::tensor("label", ELEM_I64, &[Dim::Free("N")]));
        let probabilities = ValueInfoProto::tensor(PROBABILITIES, ELEM_F32, &[Dim::Free("N"), Dim::Fixed(classes)]);
        let graph = GraphProto {
            name: "level2".to_owned(),
            node: self.nodes,
            initializer: self.weights,
            input: vec![x],
            output: label.into_iter().chain([probabilities]).collect(),
            ..GraphProto::default()
        };
        model(graph, &[("", OPSET), (trees::DOMAIN, ML_OPSET)]).map_err(|error| StackError::Booster(error.to_string()))
    }
}
