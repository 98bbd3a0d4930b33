//! Transfer learning: converts the weights of one network to the initial weights of another, for
//! example from images to audio.

use std::collections::BTreeSet;

use crate::analysis::ShapeError;
use crate::graph::{Graph, Op};
use crate::registry::Variant;
use crate::weights::{Array, Weights, WeightsError};

/// The number of classes of published weights: ImageNet's.
pub const USUAL_CLASSES: usize = 1000;
/// Number of 10 ms frames in a crop of 1.5 s.
pub const USUAL_FRAMES: usize = 150;

/// The initial weights of `graph`: the `given` ones, except for the head, which is taken from
/// `fresh`.
///
/// A head in `given`, with any number of classes, is ignored. `front` is the name prefix of the
/// parameters before the network's body: if `given` has none of these, it holds the weights of a
/// body, and the front end is taken from `fresh` too. The stem is the body's first convolution; if
/// it takes one channel and the given one takes more, its filters are summed over the channels, as
/// in timm: an image of one channel is an image whose channels are equal.
///
/// # Errors
/// Missing arrays, unexpected arrays and arrays whose shape differs from the network's, all listed
/// at once.
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
    /// The graph that `weights` belong to: it has the channels of their first convolution and,
    /// unless `classes` is given, the classes of their last layer.
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

/// Filters `[outputs, inputs, height, width]` summed over their inputs,
/// `[outputs, 1, height, width]`.
fn summed(filters: &Array) -> Array {
    let (outputs, area): (usize, usize) = (filters.shape[0], filters.shape[2..].iter().product());
    let mut data = Vec::with_capacity(outputs * area);
    for filter in filters.data.chunks_exact(filters.shape[1] * area) {
        data.extend((0..area).map(|at| filter[at..].iter().step_by(area).sum::<f32>()));
    }
    Array { shape: vec![outputs, 1, filters.shape[2], filters.shape[3]], data }
}
