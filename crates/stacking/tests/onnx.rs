//! The ONNX of a booster, interpreted here according to the operator's definition;
//! `golden/stacking/check.py` and the tagging crate run it through ONNX Runtime.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use common::{CASES, Case};
use earmark_onnx::proto::{AttributeProto, ModelProto};
use earmark_stacking::{StackError, to_onnx};
use prost::Message;

struct Ensemble(Vec<AttributeProto>);

impl Ensemble {
    fn attribute(&self, name: &str) -> &AttributeProto {
        self.0.iter().find(|attribute| attribute.name == name).expect(name)
    }

    fn ints(&self, name: &str) -> &[i64] {
        &self.attribute(name).ints
    }

    fn node(&self, tree: i64, id: i64) -> usize {
        let ids = self.ints("nodes_treeids").iter().zip(self.ints("nodes_nodeids"));
        ids.into_iter().position(|(&t, &n)| (t, n) == (tree, id)).unwrap()
    }

    /// The margins of one row, as ai.onnx.ml defines TreeEnsembleClassifier.
    fn margins(&self, x: &[f32]) -> Vec<f32> {
        let mut margins = vec![0.0; self.ints("classlabels_int64s").len()];
        let trees: std::collections::BTreeSet<i64> = self.ints("nodes_treeids").iter().copied().collect();
        for tree in trees {
            let mut at = self.ints("nodes_treeids").iter().position(|&t| t == tree).unwrap();
            while self.attribute("nodes_modes").strings[at] == b"BRANCH_LT" {
                let value = x[self.ints("nodes_featureids")[at] as usize];
                let missing = value.is_nan() && self.ints("nodes_missing_value_tracks_true")[at] == 1;
                let below = value < self.attribute("nodes_values").floats[at];
                let next = if below || missing { "nodes_truenodeids" } else { "nodes_falsenodeids" };
                at = self.node(tree, self.ints(next)[at]);
            }
            assert_eq!(self.attribute("nodes_modes").strings[at], b"LEAF");
            let id = self.ints("nodes_nodeids")[at];
            let leaves = self.ints("class_treeids").iter().zip(self.ints("class_nodeids"));
            let leaf = leaves.into_iter().position(|(&t, &n)| (t, n) == (tree, id)).unwrap();
            margins[self.ints("class_ids")[leaf] as usize] += self.attribute("class_weights").floats[leaf];
        }
        margins
    }
}

fn softmax(margins: &[f32]) -> Vec<f32> {
    let exponentials: Vec<f32> = margins.iter().map(|margin| margin.exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|value| value / sum).collect()
}

#[test]
fn the_written_trees_give_pythons_probabilities() {
    let mut roots_alone = 0;
    for name in CASES {
        let (case, json) = Case::read(name);
        let model = ModelProto::decode(to_onnx(&json, case.features, case.classes).unwrap().as_slice()).unwrap();
        let domains: Vec<_> = model.opset_import.iter().map(|opset| (opset.domain.as_str(), opset.version)).collect();
        assert!(domains.contains(&("ai.onnx.ml", 3)), "{domains:?}");
        let node = model.graph.unwrap().node.remove(0);
        assert_eq!((node.op_type.as_str(), node.domain.as_str()), ("TreeEnsembleClassifier", "ai.onnx.ml"));
        let trees = Ensemble(node.attribute);
        assert_eq!(trees.attribute("post_transform").s.as_deref(), Some(b"SOFTMAX".as_slice()));
        let probabilities: Vec<f32> =
            case.values.chunks_exact(case.features).flat_map(|row| softmax(&trees.margins(row))).collect();
        let distance = case.distance(&probabilities);
        assert!(distance <= 1e-6, "{name}: {distance}");
        let ids = trees.ints("nodes_treeids");
        let alone = ids.iter().filter(|&id| ids.iter().filter(|other| *other == id).count() == 1).count();
        roots_alone += alone - case.classes;
    }
    assert!(roots_alone > 0, "beside the base margins, the cases hold a tree that is a root alone");
}

#[test]
fn the_numbers_said_must_be_the_boosters() {
    let (case, json) = Case::read("missing");
    assert!(matches!(to_onnx(&json, case.features + 1, case.classes), Err(StackError::Booster(_))));
}
