//! `earmark model`: the published weights in the folder of EARMARK_AUDIOSET become a model that
//! tags, and whose embedding is a learner's front end.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;
#[path = "../../download/tests/download/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, Ran, TRAIN, csv, from_environment, tags_are_those_of_level2};
use server::{Answer, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_earmark");
const WEIGHTS: &str = "mn04_as_mAP_432.pt";

/// The folder with the published weights; none if the variable is not set, which fails in CI.
fn audioset() -> Option<PathBuf> {
    from_environment("EARMARK_AUDIOSET")
}

/// A command whose models and downloads are in the place, without a proxy.
fn run(place: &Place, words: &str) -> Ran {
    let mut command: Command = place.command(words);
    for name in ["all_proxy", "https_proxy", "http_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    command.env("EARMARK_MODELS", place.path("models")).env("TORCH_HOME", place.path("torch"));
    Ran::of(command, words)
}

fn import(place: &Place, folder: &Path) -> Ran {
    run(place, &format!("model import {} --arch mn04 --name mn04_as", folder.join(WEIGHTS).display()))
}

#[test]
fn a_pulled_model_tags_without_being_named() {
    let Some(folder) = audioset() else { return };
    let place = Place::with_data("model-pull");
    let clip = place.tree("data/audio_test").into_keys().next().unwrap();
    let tag = format!("tag data/audio_test/{clip} --json");
    run(&place, &tag).failed_naming(&["earmark model pull mn04_as"]);
    let weights = std::fs::read(folder.join(WEIGHTS)).unwrap();
    let server = Server::new(move |n, request| match n {
        0 => Answer::good(request, &weights).cut(100_000),
        _ => Answer::good(request, &weights),
    });
    let pull = format!("model pull mn04_as --mirror {}", server.url());
    let pulled = run(&place, &pull).done();
    for term in ["mit", "arXiv 2211.04772", "EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt"] {
        assert!(pulled.stderr.contains(term), "{term}: {}", pulled.stderr);
    }
    assert!(server.requests().iter().all(|request| request.path == "/mn04_as_mAP_432.pt"));
    let tags = run(&place, &tag).done().json();
    assert_eq!(tags[0]["tags"].as_array().unwrap().len(), 3);
    let named = run(&place, &format!("{tag} --model mn04_as")).done().json();
    assert_eq!(tags, named);
    let before = server.requests().len();
    run(&place, &pull).done();
    assert_eq!(server.requests().len(), before, "weights in the cache are not fetched again");

    let info = run(&place, "model info mn04_as --json").done().json();
    let sizes = [0, 1].map(|number| info["embeddings"][number]["size"].as_u64());
    assert_eq!((info["classes"].as_u64(), sizes), (Some(527), [Some(384), Some(808)]));
    assert_eq!((&info["name"], &info["task"]), (&"mn04_as".into(), &"multi_label".into()));
    assert_eq!(run(&place, "bundle info mn04_as --json").done().json()["embeddings"], info["embeddings"]);
    assert_eq!((&info["default"], &info["origin"]["licence"]), (&true.into(), &"mit".into()));
    let list = run(&place, "model list --json").done().json();
    let installed: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter(|model| model["installed"] == true)
        .map(|model| model["name"].as_str().unwrap())
        .collect();
    assert_eq!(installed, ["mn04_as"]);
    run(&place, "model verify mn04_as").done();
    let card = place.text("models/mn04_as/README.md");
    assert!(card.contains("mit") && card.contains("CC BY 4.0"), "{card}");
}

#[test]
fn models_are_chosen_and_removed() {
    let Some(folder) = audioset() else { return };
    let place = Place::new("model-use");
    import(&place, &folder).done();
    run(&place, &format!("model import {} --arch mn04 --name other", folder.join(WEIGHTS).display())).done();
    let default = |place: &Place| place.text("models/default");
    assert_eq!(default(&place), "mn04_as\n", "the first import is chosen, later ones are not");
    run(&place, "model use other").done();
    assert_eq!(default(&place), "other\n");
    run(&place, "model remove other").done();
    assert!(!place.path("models/other").exists() && !place.path("models/default").exists());
    place.write("clip.wav", common::float_wav(&[0.1; 22_050]));
    run(&place, "tag clip.wav").failed_naming(&["earmark model use"]);
    run(&place, "model use other").failed_naming(&["other", "mn04_as"]);
    run(&place, "model use ../mn04_as").failed_naming(&["../mn04_as"]);
    run(&place, "tag clip.wav --model other").failed_naming(&["other", "mn04_as"]);
}

#[test]
fn damaged_models_and_other_weights_are_refused() {
    let Some(folder) = audioset() else { return };
    let place = Place::new("model-damage");
    import(&place, &folder).done();
    place.write("models/mn04_as/README.md", "changed");
    run(&place, "model verify mn04_as").failed_naming(&["mn04_as", "README.md", "earmark model remove mn04_as"]);
    place.remove("models/mn04_as/SHA256SUMS");
    run(&place, "model info mn04_as").failed_naming(&["mn04_as", "earmark model remove mn04_as"]);
    let weights = folder.join(WEIGHTS);
    let weights = weights.display();
    run(&place, &format!("model import {weights} --arch mn10 --name x")).failed_naming(&[WEIGHTS, "mn10"]);
    place.write("few.csv", "index,mid,display_name\n0,/m/a,Dog\n1,/m/b,Rain\n");
    run(&place, &format!("model import {weights} --arch mn04 --labels few.csv --name x"))
        .failed_naming(&[WEIGHTS, "527", "few.csv", "--labels"]);
    run(&place, "model pull mn99_as").failed_naming(&["mn99_as", "mn04_as"]);
    let other = b"PK\x03\x04 not the published file".to_vec();
    let server = Server::new(move |_, request| Answer::good(request, &other));
    run(&place, &format!("model pull mn04_as --mirror {}", server.url())).failed_naming(&["SHA-256", WEIGHTS]);
    assert!(!place.path("models/x").exists());
}

/// A learner on the embedding of the model, and a network from scratch.
const RECIPE: &str = r#"
    [data]
    folds = 3
    [features.embedding]
    kind = "embedding"
    model = "mn04_as"
    [features.logmel]
    kind = "logmel"
    [[learners]]
    name = "embedding"
    arch = "kernel"
    features = "embedding"
    [[learners]]
    name = "net"
    arch = "resnet_nano"
    features = "logmel"
    epochs = 1
    batch_size = 16
    learning_rate = 0.01
    [stack]
    kind = "mean"
"#;

#[test]
fn an_embedding_is_a_front_end() {
    let Some(folder) = audioset() else { return };
    let place = Place::with_data("model-embedding");
    place.write("recipe.toml", RECIPE);
    run(&place, TRAIN).failed_naming(&["features.embedding", "mn04_as", "earmark model pull"]);
    import(&place, &folder).done();
    run(&place, TRAIN).done();
    let recipe = place.text("run/recipe.toml");
    assert!(recipe.contains("size = 384") && recipe.contains("sha256 = "), "{recipe}");
    // A bundle needs no model, and neither does a run.
    place.remove("models");
    tags_are_those_of_level2(&place, Path::new(BINARY));
    let files = std::fs::read_dir(place.path("run/bundle")).unwrap().map(|file| file.unwrap().file_name());
    let onnx = files.filter(|file| file.to_string_lossy().starts_with("embedding-")).count();
    assert_eq!(onnx, 1, "the network of the embedding is there once");
    run(&place, "stack run").done();
    run(&place, TRAIN).done();
    let card = place.text("run/bundle/README.md");
    assert!(card.contains("mn04_as") && card.contains("mit"), "{card}");
    // Another network under the same name.
    run(&place, &format!("model import {} --arch mn04 --name mn04_as", folder.join(WEIGHTS).display())).done();
    let onnx = place.path("models/mn04_as/mn04_as.onnx");
    let mut bytes = std::fs::read(&onnx).unwrap();
    let last = bytes.len() / 2;
    bytes[last] ^= 1;
    std::fs::write(&onnx, &bytes).unwrap();
    let sums = place.text("models/mn04_as/SHA256SUMS");
    let changed = earmark_files::sha256(&bytes);
    let line = |line: &str| if line.ends_with(".onnx") { format!("{changed}  mn04_as.onnx") } else { line.to_owned() };
    place.write("models/mn04_as/SHA256SUMS", sums.lines().map(line).collect::<Vec<_>>().join("\n") + "\n");
    run(&place, TRAIN).failed_naming(&["features.embedding", "mn04_as", &changed, "--out"]);
    let (header, rows) = csv(&place.text("run/oof/embedding.csv"));
    assert!(header.len() > 2 && !rows.is_empty());
}
