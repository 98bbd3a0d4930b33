//! Published weights of AudioSet networks, with values by their authors' code: the folder of
//! EARMARK_AUDIOSET.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read;
use std::path::PathBuf;

use earmark_nets::{Array, Graph, Weights, find};
use earmark_training::{Arithmetic, evaluate};

/// The folder; without it, tests are skipped, or fail in CI.
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("EARMARK_AUDIOSET");
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "EARMARK_AUDIOSET must be set in CI");
        eprintln!("EARMARK_AUDIOSET is not set: skipped");
    }
    folder.map(PathBuf::from)
}

/// An array of `golden.npz`.
fn golden(name: &str) -> Array {
    let file = std::fs::File::open(folder().unwrap().join("golden.npz")).unwrap();
    let mut bytes = Vec::new();
    zip::ZipArchive::new(file).unwrap().by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split('(').nth(1).unwrap().split(')').next().unwrap();
    let shape: Vec<usize> = shape.split(',').filter_map(|side| side.trim().parse().ok()).collect();
    let values = bytes[10 + length..].chunks_exact(4);
    let data: Vec<f32> = values.map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect();
    assert_eq!(shape.iter().product::<usize>(), data.len());
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
