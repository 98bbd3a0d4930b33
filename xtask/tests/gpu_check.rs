//! The whole GPU check, on the CPU at tiny sizes, from a folder like a prepared one.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAMS: [&str; 3] = ["earmark", "earmark-train", "examples/measure"];

/// A folder of links to the programs that cargo has built; `None` if it has not built them all.
fn folder(name: &str) -> Option<PathBuf> {
    let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let built = xtask.parent().unwrap();
    if let Some(program) = PROGRAMS.iter().find(|program| !built.join(program).exists()) {
        assert!(std::env::var_os("CI").is_none(), "{program} is not built");
        eprintln!("skipped: {program} is not built; `cargo test --workspace` builds it");
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    // Not a symbolic link: the program finds its folder by its own path.
    fs::hard_link(xtask, folder.join("gpu-check")).unwrap();
    fs::write(folder.join("prepared.json"), "{}").unwrap();
    for program in PROGRAMS {
        symlink(built.join(program), folder.join(Path::new(program).file_name().unwrap())).unwrap();
    }
    for (from, to) in [
        (built.join("lib"), "lib"),
        (root.join("recipes"), "recipes"),
        (root.join("golden/nets"), "nets"),
        (root.join("crates/training/examples/measure/peer.py"), "peer.py"),
    ] {
        symlink(from, folder.join(to)).unwrap();
    }
    Some(folder)
}

fn run(folder: &Path, words: &[&str]) -> (Output, Value) {
    let out = folder.join("out");
    let mut command = Command::new(folder.join("gpu-check"));
    let output = command.current_dir(folder).arg("--cpu").arg("--out").arg(&out).args(words).output().unwrap();
    let text = fs::read(out.join("gpu-check.json"))
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output, serde_json::from_slice(&text).unwrap())
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn every_part_has_values_on_the_cpu() {
    let Some(folder) = folder("gpu-check") else { return };
    let (output, result) = run(&folder, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), result);
    let part = |name: &str| {
        let part = &result["parts"][name];
        assert_eq!(part["status"], "passed", "{name}: {part}");
        &part["result"]
    };
    assert!(part("versions")["libtorch"].as_str().is_some_and(|version| version.starts_with("2.")));

    let networks = list(&part("compare")["networks"]);
    assert!(networks.len() >= 8);
    for network in networks {
        // The reference has 64 bits: fewer bits differ a little.
        assert_eq!(number(network, "gradients_f64"), 0.0);
        assert!((1e-9..1e-3).contains(&number(network, "logits_f32")), "{network}");
        assert!((1e-5..0.1).contains(&number(network, "logits_bf16")), "{network}");
    }

    let quickstart = part("quickstart");
    let scores = list(&quickstart["scores"]);
    assert_eq!(scores.len(), 3 * 2 * 2);
    // On a CPU a resumed run is the same to the last bit.
    assert!(scores.iter().all(|score| number(score, "device") == number(score, "cpu")), "{scores:?}");
    assert!(number(&quickstart["resume"], "finished_before") >= 1.0);
    let continued = list(&quickstart["resume"]["continued"]);
    let resumed = continued.iter().filter(|job| !job["first_epoch"].is_null());
    assert!(
        resumed.clone().all(|job| number(job, "first_epoch") == number(job, "saved_epochs") + 1.0),
        "{continued:?}"
    );
    assert!(resumed.count() > 0, "{continued:?}");

    let speed = part("speed");
    for network in list(&speed["networks"]) {
        assert!(number(network, "ours") > 0.0);
        assert!(network["eager"].is_f64() || network["reason"].is_string(), "{network}");
    }
    assert_eq!(list(&speed["goals"]).len(), 2);
    assert_eq!(number(part("memory"), "steps"), 3.0);

    let recipe = part("dcase2018");
    let minutes: f64 = list(&recipe["learners"]).iter().map(|learner| number(learner, "minutes")).sum();
    assert!(minutes > 0.0 && (number(recipe, "minutes") - minutes).abs() < 1e-6 * minutes);
    assert_eq!(list(&recipe["learners"]).len(), 5);
    let epoch = part("epoch");
    assert!(number(epoch, "epochs") >= 2.0 && number(epoch, "crops_per_second") > 0.0, "{epoch}");
    assert!((0.0..1.0).contains(&number(epoch, "waiting_share")), "{epoch}");

    let page = fs::read_to_string(folder.join("out/gpu-check.md")).unwrap();
    for row in ["| quickstart | passed |", "| resnet_nano |", "| dpn-logmel | dpn98 |", "| libtorch |"] {
        assert!(page.contains(row), "{row}: {page}");
    }
    let mut names: Vec<_> = fs::read_dir(folder.join("out")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["gpu-check.json", "gpu-check.md", "logs"]);
}

#[test]
fn a_part_that_fails_does_not_stop_the_others() {
    let Some(folder) = folder("gpu-check-broken") else { return };
    fs::remove_file(folder.join("recipes")).unwrap();
    let (output, result) = run(&folder, &["--only", "versions,dcase2018,memory"]);
    assert_eq!(output.status.code(), Some(1));
    let status = |name: &str| result["parts"][name]["status"].as_str().unwrap().to_owned();
    assert_eq!(["versions", "dcase2018", "memory"].map(status), ["passed", "failed", "passed"]);
    let reason = result["parts"]["dcase2018"]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("recipes/dcase2018.toml"), "{reason}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed: dcase2018"));
}
