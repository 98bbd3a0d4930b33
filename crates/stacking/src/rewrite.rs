//! Writes validated trees as XGBoost's JSON.
//!
//! XGBoost trusts its input: a wrong tree or parent number makes it write out of bounds. So it
//! never gets the original bytes of a file, only this JSON, which is built from the validated trees
//! alone.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::json;

use crate::link::Link;
use crate::trees::{Node, NodeKind, Tree, Trees, objective};

/// XGBoost's number for the parent of a root.
const NO_PARENT: i32 = i32::MAX;

/// The parallel arrays of a tree; values stay `f32`, because a conversion to `f64` would add
/// digits.
#[derive(Default, Serialize)]
struct Arrays {
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    parents: Vec<i32>,
    split_indices: Vec<usize>,
    split_conditions: Vec<f32>,
    default_left: Vec<u8>,
    split_type: Vec<u8>,
    // Training statistics, which predictions do not use.
    base_weights: Vec<f32>,
    loss_changes: Vec<f32>,
    sum_hessian: Vec<f32>,
    // Our trees have no categorical splits.
    categories: [i32; 0],
    categories_nodes: [i32; 0],
    categories_segments: [i32; 0],
    categories_sizes: [i32; 0],
    id: usize,
    tree_param: serde_json::Value,
}

#[derive(Serialize)]
struct Model {
    gbtree_model_param: serde_json::Value,
    iteration_indptr: Vec<usize>,
    tree_info: Vec<usize>,
    trees: Vec<Arrays>,
}

impl Trees {
    /// A model with the same predictions as these trees, for XGBoost 3.1 and newer.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        struct Booster {
            name: &'static str,
            model: Model,
        }
        #[derive(Serialize)]
        struct Learner {
            attributes: serde_json::Value,
            feature_names: [&'static str; 0],
            feature_types: [&'static str; 0],
            gradient_booster: Booster,
            learner_model_param: serde_json::Value,
            objective: serde_json::Value,
        }
        #[derive(Serialize)]
        struct File {
            learner: Learner,
            version: [u32; 3],
        }
        let (classes, features) = (self.classes.to_string(), self.features.to_string());
        let name = objective(self.link);
        let (exclusive, targets, objective) = match self.link {
            Link::Softmax => {
                let parameters = json!({"name": name, "softmax_multiclass_param": {"num_class": &classes}});
                (classes, "1".to_owned(), parameters)
            }
            Link::Sigmoid => {
                ("0".to_owned(), classes, json!({"name": name, "reg_loss_param": {"scale_pos_weight": "1"}}))
            }
        };
        let base: Vec<String> = self.base.iter().map(|score| format!("{score:E}")).collect();
        let learner = Learner {
            attributes: json!({}),
            feature_names: [],
            feature_types: [],
            gradient_booster: Booster { name: "gbtree", model: self.model() },
            learner_model_param: json!({
                "base_score": format!("[{}]", base.join(",")), "boost_from_average": "1",
                "num_class": exclusive, "num_feature": features, "num_target": targets,
            }),
            objective,
        };
        serde_json::to_vec(&File { learner, version: [3, 2, 0] })
    }

    fn model(&self) -> Model {
        let trees = self.trees.iter().enumerate().map(|(id, tree)| arrays(id, tree, self.features));
        Model {
            gbtree_model_param: json!({"num_parallel_tree": "1", "num_trees": self.trees.len().to_string()}),
            // A single round, so that predictions use all trees.
            iteration_indptr: vec![0, self.trees.len()],
            tree_info: self.trees.iter().map(|tree| tree.class).collect(),
            trees: trees.collect(),
        }
    }
}

fn arrays(id: usize, tree: &Tree, features: usize) -> Arrays {
    let size = tree.nodes.len();
    let place: HashMap<usize, usize> = tree.nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect();
    let mut arrays = Arrays {
        parents: vec![NO_PARENT; size],
        split_type: vec![0; size],
        base_weights: vec![0.0; size],
        loss_changes: vec![0.0; size],
        sum_hessian: vec![0.0; size],
        id,
        tree_param: json!({
            "num_deleted": "0", "num_feature": features.to_string(),
            "num_nodes": size.to_string(), "size_leaf_vector": "1",
        }),
        ..Arrays::default()
    };
    // XGBoost uses the node after the left child as the right child and ignores the arrays. The
    // order of `Tree::nodes` guarantees that the two agree.
    for (at, Node { kind, .. }) in tree.nodes.iter().enumerate() {
        let (left, right, feature, value, missing_left) = match *kind {
            NodeKind::Leaf { value } => (-1, -1, 0, value, false),
            NodeKind::Split { feature, threshold, missing_left, left, right, .. } => {
                let children = [place[&left], place[&right]];
                children.iter().for_each(|&child| arrays.parents[child] = at as i32);
                (children[0] as i32, children[1] as i32, feature, threshold, missing_left)
            }
        };
        arrays.left_children.push(left);
        arrays.right_children.push(right);
        arrays.split_indices.push(feature);
        arrays.split_conditions.push(value);
        arrays.default_left.push(missing_left.into());
    }
    arrays
}
