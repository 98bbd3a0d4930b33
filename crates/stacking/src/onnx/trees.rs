//! Boosted trees as one operator.

use earmark_onnx::proto::{AttributeProto, NodeProto};

use crate::trees::{Node, NodeKind, Tree, Trees};

pub const DOMAIN: &str = "ai.onnx.ml";

/// Trees of classes that exclude each other as one operator on the value `x`.
pub fn classifier(trees: &Trees, x: &str) -> NodeProto {
    let mut attribute = Arrays::of(trees).attributes("class");
    attribute.push(AttributeProto::ints("classlabels_int64s", (0..trees.classes as i64).collect()));
    attribute.push(AttributeProto::string("post_transform", "SOFTMAX"));
    NodeProto {
        input: vec![x.to_owned()],
        output: vec!["label".to_owned(), "probabilities".to_owned()],
        name: "trees".to_owned(),
        op_type: "TreeEnsembleClassifier".to_owned(),
        attribute,
        domain: DOMAIN.to_owned(),
    }
}

/// The margin of each class as one operator on the value `x`. With two classes, ONNX Runtime takes
/// a classifier for a binary one, so this is a regressor.
pub fn regressor(trees: &Trees, x: &str, margins: &str) -> NodeProto {
    let mut attribute = Arrays::of(trees).attributes("target");
    attribute.push(AttributeProto::int("n_targets", trees.classes as i64));
    attribute.push(AttributeProto::string("post_transform", "NONE"));
    NodeProto {
        input: vec![x.to_owned()],
        output: vec![margins.to_owned()],
        name: "trees".to_owned(),
        op_type: "TreeEnsembleRegressor".to_owned(),
        attribute,
        domain: DOMAIN.to_owned(),
    }
}

/// The operator's parallel arrays: `nodes_*` have one entry per node of all trees, `leaf_*` one per
/// leaf.
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
    leaf_treeids: Vec<i64>,
    leaf_nodeids: Vec<i64>,
    leaf_ids: Vec<i64>,
    leaf_weights: Vec<f32>,
}

impl Arrays {
    /// The base margins come first, each as a tree with a single leaf. With two classes, ONNX
    /// Runtime 1.32 interprets the attribute `base_values` as that of a binary classifier and
    /// returns wrong results.
    fn of(trees: &Trees) -> Arrays {
        let base = trees.base_margins().into_iter().enumerate();
        let base =
            base.map(|(class, value)| Tree { class, nodes: vec![Node { id: 0, kind: NodeKind::Leaf { value } }] });
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
                    self.leaf_treeids.push(tree_id);
                    self.leaf_nodeids.push(node.id as i64);
                    self.leaf_ids.push(tree.class as i64);
                    self.leaf_weights.push(value);
                    ("LEAF", 0, 0.0, false, 0, 0)
                }
                NodeKind::Split { feature, threshold, missing_left, left, right, .. } => {
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

    /// `leaves` begins the names of the leaves' arrays.
    fn attributes(self, leaves: &str) -> Vec<AttributeProto> {
        let of_leaves = |name: &str| format!("{leaves}_{name}");
        vec![
            AttributeProto::ints("nodes_treeids", self.nodes_treeids),
            AttributeProto::ints("nodes_nodeids", self.nodes_nodeids),
            AttributeProto::ints("nodes_featureids", self.nodes_featureids),
            AttributeProto::strings("nodes_modes", &self.nodes_modes),
            AttributeProto::floats("nodes_values", self.nodes_values),
            AttributeProto::ints("nodes_truenodeids", self.nodes_truenodeids),
            AttributeProto::ints("nodes_falsenodeids", self.nodes_falsenodeids),
            AttributeProto::ints("nodes_missing_value_tracks_true", self.nodes_missing_value_tracks_true),
            AttributeProto::ints(&of_leaves("treeids"), self.leaf_treeids),
            AttributeProto::ints(&of_leaves("nodeids"), self.leaf_nodeids),
            AttributeProto::ints(&of_leaves("ids"), self.leaf_ids),
            AttributeProto::floats(&of_leaves("weights"), self.leaf_weights),
        ]
    }
}
