//! Embeddings of the last layer at each resolution are those of the reference networks
//! (`golden/stages/make.py`).
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../training/tests/common/mod.rs"]
mod common;

use common::{difference, input, weights};
use earmark_features::Layers;
use earmark_nets::{Input, find, to_onnx_with_embeddings, variants};
use earmark_tagging::{Model, Signature};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    network: String,
    shape: [usize; 4],
    values: Vec<Vec<f32>>,
}

#[test]
fn stages_are_those_of_the_reference_networks() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../golden/stages/cases.json")).unwrap();
    assert_eq!(cases.len(), 4);
    for Case { network, shape, values } in cases {
        let [_, channels, bins, _] = shape;
        let graph = find(&network).unwrap().graph(channels, 10);
        let onnx = to_onnx_with_embeddings(&graph, &weights(&graph)).unwrap();
        let signature = Signature::embedding(channels, bins, None, (Layers::Stages, values[0].len()));
        let ours = Model::load(&network, &onnx, 1, signature).unwrap().run(&input(shape), shape).unwrap();
        let apart = difference(&ours, &values.concat());
        assert!(apart <= 1e-5, "{network}: {apart:.1e}");
    }
}

#[test]
fn every_network_with_an_embedding_has_it_after_its_stages() {
    for variant in variants() {
        let graph = variant.graph(variant.channels(), 10);
        let Some(embedding) = graph.embedding() else { continue };
        let shape = variant.example(2, 150);
        let shapes = graph.shapes(shape).unwrap();
        let stages = graph.stages();
        assert!(stages.len() > 1, "{}", variant.name);
        let maps: Vec<_> = stages.iter().map(|&id| &shapes[id]).collect();
        let areas: Vec<usize> = maps.iter().map(|map| map[2] * map[3]).collect();
        // The wave's channels become the bins of an image between two stages.
        let finer = areas.is_sorted_by(|fine, coarse| fine > coarse) || variant.input == Input::Wave;
        assert!(finer, "{}: {areas:?}", variant.name);
        let sizes = [maps.iter().map(|map| map[1]).sum::<usize>(), shapes[embedding][1]];
        if graph.parameter_count() > 3_000_000 {
            continue;
        }
        let onnx = to_onnx_with_embeddings(&graph, &weights(&graph)).unwrap();
        let [_, channels, bins, _] = shape;
        let run = |layers, size| {
            let signature = Signature::embedding(channels, bins, None, (layers, size));
            Model::load(variant.name, &onnx, 1, signature).unwrap().run(&input(shape), shape).unwrap()
        };
        let (all, last) = (run(Layers::Stages, sizes[0] + sizes[1]), run(Layers::Last, sizes[1]));
        for (row, last) in all.chunks(sizes[0] + sizes[1]).zip(last.chunks(sizes[1])) {
            assert_eq!(row[sizes[0]..], *last, "{}", variant.name);
        }
    }
}
