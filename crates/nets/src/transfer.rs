//! From the weights of one network to those that another one starts with: what was fitted on
//! pictures, for sound.

use std::collections::BTreeSet;

use crate::analysis::ShapeError;
use crate::graph::{Graph, Op};
use crate::registry::Variant;
use crate::weights::{Array, Weights, WeightsError};

/// The number of classes of published weights: ImageNet's.
pub const USUAL_CLASSES: usize = 1000;
/// Frames of 10 ms of a crop of 1.5 s.
pub const USUAL_FRAMES: usize = 150;

/// The weights that `graph` starts with: `given` ones, but for its head, which is as in `fresh`.
///
/// What is given for the head, of any number of classes, is ignored. `front` is what the names
/// begin with that stand before the network's body: where nothing is given for them, the given
/// weights are a body's, and these are as in `fresh` too. The stem is the body's first convolution;
/// where it takes one channel and was given for more, its filters are summed over them, as timm
/// does: a picture of one channel is a picture whose channels are equal.
///
/// # Errors
/// All given arrays that are missing, too many, or of another shape than the network's, listed at
/// once.
pub fn transfer(graph: &Graph, given: Weights, fresh: Weights, front: Option<&str>) -> Result<Weights, WeightsError> {
    let begins = |name: &str| front.is_some_and(|front| name.starts_with(front));
    let front_is_given = given.0.keys().any(|name| begins(name));
    let is_new = |name: &str| begins(name) && !front_is_given;
    let head: BTreeSet<String> =
        graph.head().into_iter().flat_map(|node| node.parameters()).map(|parameter| parameter.name).collect();

    let mut weights = given;
    weights.0.retain(|name, _| !head.contains(name));
    let mut convolutions = graph.nodes().iter().filter(|node| matches!(node.op, Op::Conv2d { .. }));
    let stem = convolutions.find(|node| !begins(&node.path)).and_then(|node| node.parameters().into_iter().next());
    if let Some(stem) = stem
        && let Some(array) = weights.0.get_mut(&stem.name)
        && matches!((&array.shape[..], &stem.shape[..]), ([_, given, _, _], [_, 1, _, _]) if *given > 1)
    {
        *array = summed(array);
    }
    let mut expected = graph.parameters();
    expected.retain(|parameter| !head.contains(&parameter.name) && !is_new(&parameter.name));
    weights.check_against(expected)?;
    let ours = fresh.0.into_iter().filter(|(name, _)| head.contains(name) || is_new(name));
    weights.0.extend(ours);
    Ok(weights)
}

impl Variant {
    /// The graph that `weights` are of: with the channels of their first convolution, and the
    /// classes of their last layer if `classes` does not say otherwise.
    ///
    /// # Errors
    /// Channels that the network does not take; fewer than two classes.
    pub fn graph_of(&self, weights: &Weights, classes: Option<usize>) -> Result<Graph, ShapeError> {
        let usual = self.graph(self.channels(), USUAL_CLASSES);
        let shape = |name: &String| weights.0.get(name).map(|array| &array.shape[..]);
        let head = usual.head().and_then(|head| head.parameters().into_iter().next());
        let of_head = head.and_then(|weight| shape(&weight.name)?.first().copied());
        let stem = usual.parameters().into_iter().find(|parameter| parameter.shape.len() == 4);
        let of_stem = stem.and_then(|weight| shape(&weight.name)?.get(1).copied());
        let [_, channels, bins, frames] = self.example(1, USUAL_FRAMES);
        self.fit([1, of_stem.unwrap_or(channels), bins, frames], classes.or(of_head).unwrap_or(USUAL_CLASSES))
    }
}

/// Filters `[outputs, inputs, height, width]` summed over their inputs, `[outputs, 1, height,
/// width]`.
fn summed(filters: &Array) -> Array {
    let (outputs, area): (usize, usize) = (filters.shape[0], filters.shape[2..].iter().product());
    let mut data = Vec::with_capacity(outputs * area);
    for filter in filters.data.chunks_exact(filters.shape[1] * area) {
        data.extend((0..area).map(|at| filter[at..].iter().step_by(area).sum::<f32>()));
    }
    Array { shape: vec![outputs, 1, filters.shape[2], filters.shape[3]], data }
}
