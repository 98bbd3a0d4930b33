//! Published weights of AudioSet networks, with values by their authors' code: the folder of
//! EARMARK_AUDIOSET.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../features/tests/published/mod.rs"]
mod published;

use earmark_nets::{Array, Graph, Weights, find};
use earmark_training::{Arithmetic, evaluate};
use published::folder;

/// An array of `golden.npz`.
fn golden(name: &str) -> Array {
    let (shape, data) = published::golden(&folder().unwrap(), name);
    Array { shape, data }
}

/// What a graph computes from a golden log-mel.
fn outputs(graph: &Graph, weights: &Weights, mel: &Array) -> Vec<f32> {
    let names: Vec<String> = graph.parameters().into_iter().map(|parameter| parameter.name).collect();
    let mut weights = weights.clone();
    weights.0.retain(|name, _| names.contains(name));
    let shape = [1, 1, mel.shape[0], mel.shape[1]];
    evaluate(graph, &weights, &mel.data, shape, Arithmetic::F32, "cpu").unwrap()
}

#[test]
fn logits_and_embeddings_are_those_of_the_authors() {
    let Some(folder) = folder() else { return };
    let weights = Weights::read(&folder.join("mn04_as_mAP_432.pt")).unwrap();
    let graph = find("mn04").unwrap().graph_of(&weights, None).unwrap();
    assert_eq!((graph.input_channels(), graph.classes(), graph.parameter_count()), (1, 527, 983_599));
    for clip in 0..4 {
        let mel = golden(&format!("mel{clip}"));
        for (name, graph) in [("logits", graph.clone()), ("embedding", graph.body().unwrap())] {
            let (ours, theirs) = (outputs(&graph, &weights, &mel), golden(&format!("{name}{clip}")));
            assert_eq!(ours.len(), theirs.data.len());
            let difference =
                ours.iter().zip(&theirs.data).map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max);
            println!("{name} of clip {clip}: {difference:.1e}");
            assert!(difference <= 1e-4, "{name} of clip {clip}: {difference:.1e}");
        }
    }
}
