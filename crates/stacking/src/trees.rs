//! The trees of a booster, read from XGBoost's JSON and validated, so that a damaged file causes an
//! error and not a crash.

use std::collections::VecDeque;

use serde::Deserialize;

use crate::link::Link;
use crate::{Result, StackError};

/// The objective of a booster of level 2: one probability per class.
pub(crate) fn objective(link: Link) -> &'static str {
    match link {
        Link::Softmax => "multi:softprob",
        Link::Sigmoid => "binary:logistic",
    }
}

/// A booster: the link function of the base margin of each class plus the outputs of its trees.
#[derive(Debug)]
pub(crate) struct Trees {
    pub link: Link,
    pub features: usize,
    pub classes: usize,
    /// XGBoost's `base_score` of each class: a margin or, of a sigmoid, a probability.
    pub base: Vec<f32>,
    pub trees: Vec<Tree>,
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub class: usize,
    /// In breadth-first order: the root first, and siblings always adjacent.
    pub nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Node {
    /// Unique within the tree.
    pub id: usize,
    pub kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Leaf {
        value: f32,
    },
    /// Goes to `left` if the feature is below the threshold, or if it is missing and `missing_left`
    /// is set; otherwise to `right`.
    Split {
        feature: usize,
        threshold: f32,
        missing_left: bool,
        left: usize,
        right: usize,
        /// The reduction of the loss by the split, and the sum of second derivatives of its rows.
        gain: f32,
        cover: f32,
    },
}

impl Trees {
    pub fn read(json: &[u8]) -> Result<Trees> {
        let file: File = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        file.learner.trees().map_err(StackError::Booster)
    }

    /// The margin of each class before any tree, computed as XGBoost does.
    pub fn base_margins(&self) -> Vec<f32> {
        let margin = |&base: &f32| match self.link {
            Link::Softmax => base,
            Link::Sigmoid => -(1.0 / base - 1.0).ln(),
        };
        self.base.iter().map(margin).collect()
    }
}

fn damaged(reason: String) -> StackError {
    StackError::Booster(format!("is damaged: {reason}"))
}

// The parts of XGBoost's JSON that predictions depend on.

#[derive(Deserialize)]
struct File {
    learner: LearnerJson,
}

#[derive(Deserialize)]
struct LearnerJson {
    learner_model_param: ModelParam,
    objective: Objective,
    gradient_booster: GradientBooster,
}

/// XGBoost stores parameters as strings.
#[derive(Deserialize)]
struct ModelParam {
    base_score: String,
    num_class: String,
    num_feature: String,
    /// The number of classes that do not exclude each other.
    #[serde(default = "one")]
    num_target: String,
}

fn one() -> String {
    "1".to_owned()
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Deserialize)]
struct GradientBooster {
    name: String,
    /// Boosters other than `gbtree` have none.
    model: Option<GbTree>,
}

#[derive(Deserialize)]
struct GbTree {
    /// The class of each tree.
    tree_info: Vec<usize>,
    trees: Vec<TreeJson>,
}

#[derive(Deserialize)]
struct TreeJson {
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_indices: Vec<usize>,
    /// The threshold of a split, the value of a leaf.
    split_conditions: Vec<f32>,
    default_left: Vec<u8>,
    split_type: Vec<u8>,
    loss_changes: Vec<f32>,
    sum_hessian: Vec<f32>,
    tree_param: TreeParam,
}

#[derive(Deserialize)]
struct TreeParam {
    size_leaf_vector: String,
}

impl LearnerJson {
    fn trees(self) -> Result<Trees, String> {
        let Some(link) =
            [Link::Softmax, Link::Sigmoid].into_iter().find(|link| objective(*link) == self.objective.name)
        else {
            let known = [Link::Softmax, Link::Sigmoid].map(objective).join("` or `");
            return Err(format!("has the objective `{}`, not `{known}`", self.objective.name));
        };
        let Some(model) = self.gradient_booster.model.filter(|_| self.gradient_booster.name == "gbtree") else {
            return Err(format!("holds a `{}`, not a `gbtree`", self.gradient_booster.name));
        };
        let param = self.learner_model_param;
        let classes = match link {
            Link::Softmax => count("num_class", &param.num_class)?,
            Link::Sigmoid => count("num_target", &param.num_target)?,
        };
        let features = count("num_feature", &param.num_feature)?;
        if model.tree_info.len() != model.trees.len() {
            return Err(format!("is damaged: {} classes for {} trees", model.tree_info.len(), model.trees.len()));
        }
        let trees = model.trees.iter().zip(model.tree_info).enumerate().map(|(i, (tree, class))| {
            if class >= classes {
                return Err(format!("is damaged: tree {i} is of class {class}, and there are {classes}"));
            }
            let nodes = tree.nodes(features).map_err(|reason| format!("cannot be used: tree {i} {reason}"))?;
            Ok(Tree { class, nodes })
        });
        let trees = trees.collect::<Result<Vec<_>, String>>()?;
        if trees.is_empty() {
            return Err("has no tree".to_owned());
        }
        Ok(Trees { link, features, classes, base: base_scores(&param.base_score, link, classes)?, trees })
    }
}

fn count(key: &str, value: &str) -> Result<usize, String> {
    // No real file comes near the limit, which prevents a damaged one from requesting all memory.
    let count = value.parse().ok().filter(|count| (1..=1_000_000).contains(count));
    count.ok_or_else(|| format!("is damaged: {key} is `{value}`"))
}

/// XGBoost 3.1 and newer write a number for each class, `[2.5E-1,-1E0]`; older versions write one
/// number for all classes.
fn base_scores(text: &str, link: Link, classes: usize) -> Result<Vec<f32>, String> {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let can_be = |score: &f32| match link {
        Link::Softmax => score.is_finite(),
        Link::Sigmoid => *score > 0.0 && *score < 1.0,
    };
    let scores: Option<Vec<f32>> = inner.split(',').map(|score| score.trim().parse().ok().filter(can_be)).collect();
    match scores {
        Some(scores) if scores.len() == classes => Ok(scores),
        Some(scores) if scores.len() == 1 => Ok(vec![scores[0]; classes]),
        _ => Err(format!("is damaged: base_score is `{text}` for {classes} classes")),
    }
}

impl TreeJson {
    /// The nodes that are reachable from the root, in breadth-first order; XGBoost keeps pruned
    /// nodes in the arrays.
    fn nodes(&self, features: usize) -> Result<Vec<Node>, String> {
        let size = self.left_children.len();
        let lengths = [
            self.right_children.len(),
            self.split_indices.len(),
            self.split_conditions.len(),
            self.default_left.len(),
            self.split_type.len(),
            self.loss_changes.len(),
            self.sum_hessian.len(),
        ];
        if size == 0 || lengths.iter().any(|&length| length != size) {
            return Err("is damaged: its arrays differ in length".to_owned());
        }
        if !matches!(self.tree_param.size_leaf_vector.as_str(), "0" | "1") {
            return Err("has leaves of several values".to_owned());
        }
        let mut nodes = Vec::with_capacity(size);
        let mut seen = vec![false; size];
        let mut open = VecDeque::from([0]);
        while let Some(id) = open.pop_front() {
            if std::mem::replace(&mut seen[id], true) {
                return Err(format!("is damaged: node {id} has two parents"));
            }
            let kind = self.node(id, features)?;
            if let NodeKind::Split { left, right, .. } = kind {
                open.extend([left, right]);
            }
            nodes.push(Node { id, kind });
        }
        Ok(nodes)
    }

    fn node(&self, id: usize, features: usize) -> Result<NodeKind, String> {
        let value = self.split_conditions[id];
        if !value.is_finite() {
            return Err(format!("is damaged: node {id} holds {value}"));
        }
        let children = (self.left_children[id], self.right_children[id]);
        if children == (-1, -1) {
            return Ok(NodeKind::Leaf { value });
        }
        let child = |child: i64| usize::try_from(child).ok().filter(|&child| child < self.left_children.len());
        let (Some(left), Some(right)) = (child(children.0), child(children.1)) else {
            return Err(format!("is damaged: node {id} has the children {} and {}", children.0, children.1));
        };
        let feature = self.split_indices[id];
        if feature >= features {
            return Err(format!("is damaged: node {id} asks for feature {feature}, and there are {features}"));
        }
        if self.split_type[id] != 0 {
            return Err(format!("splits by category at node {id}"));
        }
        let (missing_left, gain, cover) = (self.default_left[id] != 0, self.loss_changes[id], self.sum_hessian[id]);
        Ok(NodeKind::Split { feature, threshold: value, missing_left, left, right, gain, cover })
    }
}
