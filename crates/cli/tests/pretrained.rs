//! Networks that start with pretrained weights: from a file, and from a hub on loopback.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;
#[path = "../../download/tests/download/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use common::{Place, RECIPE, Ran, TRAIN, TRAIN_ALONE};
use earmark_nets::{Array, Weights, find};
use server::{Answer, Server};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/weights").join(name)
}

/// A recipe with only the learner `a`, with further settings.
fn recipe(settings: &str) -> String {
    let one = &RECIPE[..RECIPE.rfind("[[learners]]").unwrap()];
    one.replace("features = \"logmel\"\n", &format!("features = \"logmel\"\n{settings}\n"))
}

/// A data set, timm's weights of `resnet_nano`, and a recipe that names them.
fn place(name: &str, settings: &str) -> Place {
    let place = Place::with_data(name);
    place.write("recipes/weights/nano.pth", std::fs::read(golden("resnet_nano.pth")).unwrap());
    place.write("recipe.toml", recipe(&format!("pretrained = \"recipes/weights/nano.pth\"\n{settings}")));
    place
}

fn learned(place: &Place, job: &str) -> Weights {
    Weights::read(&place.path(&format!("run/jobs/{job}/weights.safetensors"))).unwrap()
}

/// The largest difference between the values of two arrays.
fn difference(a: &Array, b: &Array) -> f32 {
    assert_eq!(a.shape, b.shape);
    a.data.iter().zip(&b.data).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

#[test]
fn training_starts_with_a_file_s_weights() {
    // Steps so small that the weights hardly change.
    let place = place("pretrained-file", "weight_decay = 0.0\ncheckpoint = \"last\"");
    let text = place.text("recipe.toml").replace("learning_rate = 0.02", "learning_rate = 1e-9");
    place.write("recipes/mine.toml", text.replace("recipes/weights", "weights"));
    place.run(&TRAIN.replace("recipe.toml", "recipes/mine.toml")).done();

    let (given, learned) = (Weights::read(&golden("resnet_nano.pth")).unwrap(), learned(&place, "a/full"));
    for (name, array) in learned.0.iter().filter(|(name, _)| !name.contains("running")) {
        match name.starts_with("fc.") {
            true => assert_eq!(array.shape[0], 12, "{name}"),
            false => assert!(difference(array, &given.0[name]) < 1e-5, "{name}"),
        }
    }
    let sha256 = earmark_files::sha256(&place.read("recipes/weights/nano.pth"));
    let origin = serde_json::json!({"a": {"source": "weights/nano.pth", "licence": null, "sha256": sha256}});
    assert_eq!(place.json("run/pretrained.json"), origin);
    let card = place.text("run/bundle/README.md");
    assert!(card.contains("from the weights of weights/nano.pth (licence unknown)"), "{card}");
}

#[test]
fn what_a_network_starts_with_is_a_part_of_its_job() {
    let (pretrained, scratch) = (place("pretrained-whole", ""), place("pretrained-scratch", ""));
    scratch.write("recipe.toml", recipe(""));
    let of_job = |place: &Place| {
        place.run(&format!("{TRAIN_ALONE} --job a/fold0")).done();
        let loss = common::csv(&place.text("run/jobs/a/fold0/history.csv")).1[0][2].clone();
        (loss, place.json("run/jobs/a/fold0/job.json")["fingerprint"].clone())
    };
    let (with, without) = (of_job(&pretrained), of_job(&scratch));
    assert!(with.0 != without.0 && with.1 != without.1, "{with:?} {without:?}");
    assert!(!scratch.path("run/pretrained.json").exists());
}

#[test]
fn errors_of_weights_come_before_anything_is_decoded() {
    let place = place("pretrained-faults", "");
    let refused = |bytes: Option<Vec<u8>>| {
        place.remove("recipes/weights/nano.pth");
        if let Some(bytes) = bytes {
            place.write("recipes/weights/nano.pth", bytes);
        }
        let trained = place.run(TRAIN).failed();
        let planned = place.run(&format!("{TRAIN} --plan")).failed_naming(&[]);
        assert_eq!(planned.stderr, trained.stderr);
        assert!(!place.path("run/cache").exists());
    };
    let read = |name: &str| Some(std::fs::read(golden(name)).unwrap());
    refused(None);
    refused(read("thin.pth"));
    refused(read("call_beside.pth"));
    refused(read("resnet_nano.pth").map(|bytes| bytes[..500_000].to_vec()));
    refused(Some(b"<html>Not Found</html>".to_vec()));

    // Published weights are not downloaded if they do not fit the features.
    let audioset = recipe("pretrained = \"audioset\"").replace("\"resnet_nano\"", "\"cnn14\"");
    place.write("recipe.toml", &audioset);
    let ran = place.run(&format!("{TRAIN} --hub http://localhost:1"));
    assert!(!ran.stderr.contains("weights of https://"), "{ran}");
    ran.failed();

    place.write("recipe.toml", recipe("pretrained = \"imagnet\""));
    place.run(TRAIN).failed();
}

/// The command with a cache and a hub for the test, without the proxy settings of the environment.
fn command(place: &Place, words: &str) -> Command {
    let mut command = place.command(words);
    for name in ["all_proxy", "https_proxy", "http_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    for name in ["HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "TORCH_HOME"] {
        command.env_remove(name);
    }
    command.env("HF_HOME", place.path("hf"));
    command
}

#[test]
fn the_error_of_other_weights_in_the_cache_has_a_remedy() {
    let place = place("pretrained-cache", "");
    let hub = Server::new(|_, _| Answer::status("404 Not Found"));
    let folder = "hf/hub/models--timm--resnet101.tv_in1k";
    let file = format!("{folder}/snapshots/{COMMIT}/model.safetensors");
    place.write(&format!("{folder}/refs/main"), COMMIT);
    place.write(&file, std::fs::read(golden("thin.safetensors")).unwrap());
    place.write("recipe.toml", recipe("pretrained = \"imagenet\"").replace("resnet_nano", "resnet101"));
    let words = format!("{TRAIN} --hub {}", hub.url());
    Ran::of(command(&place, &words), &words).failed_naming(&[&place.path(&file).display().to_string()]);
    assert_eq!(hub.requests().len(), 0);
}

/// Weights of a magnitude that training can start with.
fn resnet18() -> Weights {
    let array = |p: earmark_nets::Parameter| {
        let inputs: usize = p.shape.iter().skip(1).product();
        let size = if p.shape.len() > 1 { (3.0 / inputs as f32).sqrt() } else { 0.0 };
        let rest =
            if p.name.ends_with("running_var") || p.shape.len() == 1 && p.name.ends_with("weight") { 1.0 } else { 0.0 };
        let noise =
            (1..=p.len() as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 8_388_608.0 - 1.0);
        (p.name, Array { data: noise.map(|noise| noise * size + rest).collect(), shape: p.shape })
    };
    Weights(find("resnet18").unwrap().graph(3, 1000).parameters().into_iter().map(array).collect())
}

#[test]
fn published_weights_come_from_a_hub() {
    let place = place("pretrained-hub", "");
    let imagenet =
        recipe("pretrained = \"imagenet\"").replace("resnet_nano", "resnet18").replace("epochs = 2", "epochs = 1");
    let bytes = resnet18().to_safetensors().unwrap();

    let (sha256, size, half) = (earmark_files::sha256(&bytes), bytes.len(), bytes.len() / 2);
    let pins = format!("pretrained_revision = \"{COMMIT}\"\npretrained_sha256 = \"{sha256}\"");
    place.write("recipe.toml", imagenet.replace("\"imagenet\"", &format!("\"imagenet\"\n{pins}")));
    let files = Server::new(move |n, request| match n {
        0 => Answer::good(request, &bytes).cut(half),
        _ => Answer::good(request, &bytes),
    });
    let place_of_file = format!("{}/blob", files.url());
    let hub = {
        let sha256 = sha256.clone();
        Server::new(move |_, request| match request.path.as_str() {
            path if path == format!("/timm/resnet18.tv_in1k/resolve/{COMMIT}/model.safetensors") => {
                Answer::hub(COMMIT, &sha256, size, &place_of_file)
            }
            // The hub does not have the version that the registry pins.
            path if path.starts_with("/timm/resnet18.tv_in1k/resolve/main") => {
                Answer::hub(COMMIT, &sha256, size, &place_of_file)
            }
            _ => Answer::status("404 Not Found"),
        })
    };
    let words = format!("{TRAIN_ALONE} --job a/fold0 --hub {}/", hub.url());
    let plan = format!("{words} --plan --json");
    let planned = || Ran::of(command(&place, &plan), &plan).done().json()["downloads"].clone();
    let expected = serde_json::json!([
        { "learner": "a", "source": "timm/resnet18.tv_in1k", "licence": "bsd-3-clause" },
    ]);
    assert_eq!(planned(), expected);
    assert!(hub.requests().is_empty() && !place.path("hf").exists(), "a plan downloads nothing");
    let ran = Ran::of(command(&place, &words), &words).done();
    for printed in [
        "weights of timm/resnet18.tv_in1k (trained on imagenet), licence: bsd-3-clause\n",
        "downloading timm/resnet18.tv_in1k, 46.8",
        "timm/resnet18.tv_in1k: the connection broke",
    ] {
        assert!(ran.stderr.contains(printed), "not printed: {printed}\n{ran}");
    }
    assert_eq!(files.requests()[1].start(), half);
    let file = format!("hf/hub/models--timm--resnet18.tv_in1k/snapshots/{COMMIT}/model.safetensors");
    assert_eq!(earmark_files::sha256(&place.read(&file)), sha256);
    let origin = &place.json("run/pretrained.json")["a"];
    assert_eq!((&origin["source"], &origin["licence"]), (&"timm/resnet18.tv_in1k".into(), &"bsd-3-clause".into()));
    assert_eq!((&origin["revision"], &origin["sha256"]), (&COMMIT.into(), &sha256.clone().into()));

    // The second time, everything is in the cache.
    let asked = hub.requests().len();
    assert_eq!(planned(), serde_json::json!([]));
    Ran::of(command(&place, &words), &words).done();
    assert_eq!(hub.requests().len(), asked);

    // Without pins in the recipe, those of the registry apply, and the file in the cache is a
    // different one.
    place.write("recipe.toml", &imagenet);
    let other = words.replace("--out run", "--out other");
    Ran::of(command(&place, &other), &other).failed_naming(&["pretrained = \"imagenet\"", &sha256, "694f673d"]);
    assert!(!place.path("other/cache").exists());
}

#[test]
fn pins_that_cannot_hold_are_refused() {
    let place = place("pretrained-pins", "");
    let long = |digit: &str, n| digit.repeat(n);
    let sha256 = earmark_files::sha256(&place.read("recipes/weights/nano.pth"));
    for (pretrained, key, value) in [
        ("recipes/weights/nano.pth", "pretrained_sha256", long("0", 64)),
        ("recipes/weights/nano.pth", "pretrained_sha256", long("0", 8)),
        ("recipes/weights/nano.pth", "pretrained_revision", long("a", 40)),
        ("", "pretrained_sha256", long("0", 64)),
    ] {
        let asked = if pretrained.is_empty() { String::new() } else { format!("pretrained = \"{pretrained}\"\n") };
        place.write("recipe.toml", recipe(&format!("{asked}{key} = \"{value}\"")));
        place.run(TRAIN).failed();
    }
    place.write(
        "recipe.toml",
        recipe(&format!("pretrained = \"recipes/weights/nano.pth\"\npretrained_sha256 = \"{sha256}\"")),
    );
    place.run(&format!("{TRAIN_ALONE} --job a/fold0")).done();
}

#[test]
fn the_error_of_a_hub_without_the_weights_has_a_remedy() {
    let place = place("pretrained-refused", "");
    place.write("recipe.toml", recipe("pretrained = \"imagenet\"").replace("resnet_nano", "resnet101"));
    let hub = Server::new(|_, _| Answer::status("404 Not Found"));
    let mut train = command(&place, TRAIN);
    train.env("HF_ENDPOINT", hub.url());
    let address = format!("{}/timm/resnet101.tv_in1k/resolve/main/model.safetensors", hub.url());
    Ran::of(train, TRAIN).failed_naming(&["learner a: pretrained = \"imagenet\"", &address, "HF_ENDPOINT"]);
    let mut train = command(&place, TRAIN);
    train.env("HF_HUB_OFFLINE", "1");
    Ran::of(train, TRAIN).failed();
    assert!(!place.path("run/cache").exists());
}

#[test]
fn pytorch_s_files_are_exported_as_others() {
    let place = Place::new("pretrained-export");
    let pth = golden("resnet_nano.pth");
    place.write("nano.safetensors", Weights::read(&pth).unwrap().to_safetensors().unwrap());
    place.run(&format!("nets export resnet_nano --weights {} --out pth.onnx", pth.display())).done();
    place.run("nets export resnet_nano --weights nano.safetensors --out st.onnx").done();
    assert!(place.read("pth.onnx") == place.read("st.onnx"));
    // Heads of fewer than two classes.
    for classes in [0, 1] {
        let mut one = Weights::read(&pth).unwrap();
        for name in ["fc.weight", "fc.bias"] {
            let array = one.0.get_mut(name).unwrap();
            array.data.truncate(array.data.len() / array.shape[0] * classes);
            array.shape[0] = classes;
        }
        place.write("one.safetensors", one.to_safetensors().unwrap());
        place.run("nets export resnet_nano --weights one.safetensors --out no.onnx").failed();
    }
    let words = format!("nets export resnet_nano --weights {} --out no.onnx", golden("call_top.pth").display());
    place.run(&words).failed();
    assert!(!place.path("no.onnx").exists());
}

#[test]
fn exports_that_cannot_be_are_refused_and_leave_nothing() {
    let place = Place::new("pretrained-no-export");
    let export = |words: &str| place.run(&format!("nets export {words} --out no.onnx"));
    export("resnet51").failed();
    place.write("recipe.toml", RECIPE);
    export("resnet18 --weights recipe.toml").failed();
    export("resnet18 --classes 0").failed();
    for classes in ["10000000000", "9223372036854775807", "18446744073709551615"] {
        export(&format!("resnet_nano --classes {classes}")).failed();
    }
    assert!(!place.path("no.onnx").exists());

    // Removes old leftovers of a killed export, but not a recent file, which another process may
    // still be writing.
    for name in [".earmark-old", ".earmark-new"] {
        place.write(name, "");
    }
    let old = std::fs::File::options().write(true).open(place.path(".earmark-old")).unwrap();
    old.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(90_000)).unwrap();
    place.run("nets export resnet_nano --out m.onnx").done();
    let left: Vec<String> = place.tree("").into_keys().collect();
    assert_eq!(left, [".earmark-new", "m.onnx", "recipe.toml"]);
}
