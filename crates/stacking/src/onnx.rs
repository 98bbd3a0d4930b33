use earmark_nets::onnx::model;
use earmark_nets::onnx::proto::{
    AttributeProto, Dim, ELEM_F32, ELEM_I64, GraphProto, ML_OPSET, NodeProto, OPSET, ValueInfoProto,
};

use crate::trees::{Node, NodeKind, Tree, Trees};
use crate::{Result, StackError};

const DOMAIN: &str = "ai.onnx.ml";

/// A booster (XGBoost's JSON) as ONNX: one `TreeEnsembleClassifier` of `ai.onnx.ml` 3.
///
/// Input `x`, `f32[N, features]`, not-a-number where one is missing; outputs `label`, `i64[N]`, and `probabilities`,
/// `f32[N, classes]`. Thresholds and leaves are the same `f32` as in the JSON, compared as XGBoost compares them.
///
/// # Errors
/// The JSON is damaged or no `multi:softprob` booster, or has other numbers of features and classes than said.
pub fn to_onnx(booster_json: &[u8], features: usize, classes: usize) -> Result<Vec<u8>> {
    let trees = Trees::read(booster_json)?;
    if (trees.features, trees.classes) != (features, classes) {
        let has = format!("has {} features and {} classes", trees.features, trees.classes);
        return Err(StackError::Booster(format!("{has}, not {features} and {classes}")));
    }
    let rows = Dim::Free("N");
    let x = ValueInfoProto::tensor("x", ELEM_F32, &[rows, Dim::Fixed(features)]);
    let label = ValueInfoProto::tensor("label", ELEM_I64, &[Dim::Free("N")]);
    let probabilities = ValueInfoProto::tensor("probabilities", ELEM_F32, &[Dim::Free("N"), Dim::Fixed(classes)]);
    let graph = GraphProto {
        name: "level2".to_owned(),
        node: vec![classifier(&trees)],
        input: vec![x],
        output: vec![label, probabilities],
        ..GraphProto::default()
    };
    model(graph, &[("", OPSET), (DOMAIN, ML_OPSET)]).map_err(|error| StackError::Booster(error.to_string()))
}

fn classifier(trees: &Trees) -> NodeProto {
    let mut attribute = Arrays::of(trees).attributes();
    attribute.push(AttributeProto::ints("classlabels_int64s", (0..trees.classes as i64).collect()));
    attribute.push(AttributeProto::string("post_transform", "SOFTMAX"));
    NodeProto {
        input: vec!["x".to_owned()],
        output: vec!["label".to_owned(), "probabilities".to_owned()],
        name: "trees".to_owned(),
        op_type: "TreeEnsembleClassifier".to_owned(),
        attribute,
        domain: DOMAIN.to_owned(),
    }
}

/// The operator's parallel arrays: `nodes_*` have one entry a node of any tree, `class_*` one a leaf.
#[derive(Default)]
struct Arrays {
    nodes_treeids: Vec<i64>,
    nodes_nodeids: Vec<i64>,
    nodes_featureids: Vec<i64>,
    nodes_modes: Vec<&'static str>,
    nodes_values: Vec<f32>,
    nodes_truenodeids: Vec<i64>,
    nodes_falsenodeids: Vec<i64>,
    nodes_missing_value_tracks_true: Vec<i64>,
    class_treeids: Vec<i64>,
    class_nodeids: Vec<i64>,
    class_ids: Vec<i64>,
    class_weights: Vec<f32>,
}

impl Arrays {
    /// The margins before any tree go first, each as a tree that is a leaf alone: with two classes, ONNX Runtime 1.32
    /// takes the attribute `base_values` for that of a binary classifier and answers wrongly.
    fn of(trees: &Trees) -> Arrays {
        let base = trees.base.iter().enumerate();
        let base =
            base.map(|(class, &value)| Tree { class, nodes: vec![Node { id: 0, kind: NodeKind::Leaf { value } }] });
        let mut arrays = Arrays::default();
        for (id, tree) in base.collect::<Vec<_>>().iter().chain(&trees.trees).enumerate() {
            arrays.push(id as i64, tree);
        }
        arrays
    }

    fn push(&mut self, tree_id: i64, tree: &Tree) {
        for node in &tree.nodes {
            // A leaf fills the arrays of splits with zeros, as converters do.
            let (mode, feature, threshold, missing_left, left, right) = match node.kind {
                NodeKind::Leaf { value } => {
                    self.class_treeids.push(tree_id);
                    self.class_nodeids.push(node.id as i64);
                    self.class_ids.push(tree.class as i64);
                    self.class_weights.push(value);
                    ("LEAF", 0, 0.0, false, 0, 0)
                }
                NodeKind::Split { feature, threshold, missing_left, left, right } => {
                    ("BRANCH_LT", feature, threshold, missing_left, left, right)
                }
            };
            self.nodes_treeids.push(tree_id);
            self.nodes_nodeids.push(node.id as i64);
            self.nodes_modes.push(mode);
            self.nodes_featureids.push(feature as i64);
            self.nodes_values.push(threshold);
            self.nodes_missing_value_tracks_true.push(i64::from(missing_left));
            self.nodes_truenodeids.push(left as i64);
            self.nodes_falsenodeids.push(right as i64);
        }
    }

    fn attributes(self) -> Vec<AttributeProto> {
        vec![
            AttributeProto::ints("nodes_treeids", self.nodes_treeids),
            AttributeProto::ints("nodes_nodeids", self.nodes_nodeids),
            AttributeProto::ints("nodes_featureids", self.nodes_featureids),
            AttributeProto::strings("nodes_modes", &self.nodes_modes),
            AttributeProto::floats("nodes_values", self.nodes_values),
            AttributeProto::ints("nodes_truenodeids", self.nodes_truenodeids),
            AttributeProto::ints("nodes_falsenodeids", self.nodes_falsenodeids),
            AttributeProto::ints("nodes_missing_value_tracks_true", self.nodes_missing_value_tracks_true),
            AttributeProto::ints("class_treeids", self.class_treeids),
            AttributeProto::ints("class_nodeids", self.class_nodeids),
            AttributeProto::ints("class_ids", self.class_ids),
            AttributeProto::floats("class_weights", self.class_weights),
        ]
    }
}
