//! The whole GPU check, on the CPU at tiny sizes, from a folder like a prepared one.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAMS: [&str; 3] = ["earmark", "earmark-train", "examples/measure"];

/// What stands for the measuring program on a GPU: `dpn92` fails.
const MEASURE: &str = r#"
for network in "$@"; do :; done
now=$(date +%s)
case $1 in
    versions) echo '{"libtorch": "2.11.0", "cudnn": "9.19.0"}';;
    speed)
        [ $network = dpn92 ] && { echo 'error: broken' >&2; exit 1; }
        sleep 1
        echo '{"crops_per_second": 2910.0, "windows_per_second": 6000.0, "rounds": [['$now', '$((now + 9))']],
            "predicting": [0, 1]}' | tr -d '\n'
        echo;;
esac"#;

/// What stands for a Python with PyTorch: one network does not compile, and one ends the program.
const PYTHON: &str = r#"
case "$*" in
    -c*) echo '{"torch": "2.11.0+cu130", "lib": "none", "peer": null}';;
    *legacy_xception*--wait) echo boom >&2; exit 1;;
    *seresnext*--wait)
        echo '{"compiled": false, "reason": "no compiler"}'
        read line
        echo '{"eager": 3000.0, "compile": null}';;
    *--wait)
        echo '{"compiled": true}'
        read line
        [ "$line" = measure ] && echo '{"eager": 2900.0, "compile": 3000.0}';;
    *) echo '{"compiled": false}'; echo '{"eager": 2900.0, "compile": null}';;
esac"#;

const NVIDIA_SMI: &str = r#"
case "$*" in
    *name*) echo 'NVIDIA H200, 580.159.04, 700.00 W, 143771 MiB';;
    *) while :; do echo '97, 410.2, 500.0, 2048'; sleep 0.05; done;;
esac"#;

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
    let mut command = Command::new(folder.join("gpu-check"));
    command.arg("--cpu");
    output(command, folder, words)
}

fn output(mut command: Command, folder: &Path, words: &[&str]) -> (Output, Value) {
    let out = folder.join("out");
    let output = command.current_dir(folder).arg("--out").arg(&out).args(words).output().unwrap();
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

#[test]
fn a_full_check_measures_peers_and_power() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gpu-check-full");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::hard_link(env!("CARGO_BIN_EXE_xtask"), folder.join("gpu-check")).unwrap();
    fs::write(folder.join("prepared.json"), "{}").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    symlink(root.join("recipes"), folder.join("recipes")).unwrap();
    for (path, script) in [("measure", MEASURE), ("bin/python", PYTHON), ("bin/nvidia-smi", NVIDIA_SMI)] {
        fs::write(folder.join(path), format!("#!/bin/sh{script}\n")).unwrap();
        fs::set_permissions(folder.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(folder.join("gpu-check"));
    let path = std::env::join_paths([folder.join("bin"), "/usr/bin".into(), "/bin".into()]).unwrap();
    command.env("PATH", path).env("EARMARK_PYTHON", folder.join("bin/python")).env_remove("LIBTORCH");
    let (output, result) = output(command, &folder, &["--only", "versions,speed,dcase2018"]);
    assert_eq!(output.status.code(), Some(1));

    let parts = &result["parts"];
    assert_eq!(parts["versions"]["result"]["gpu"]["name"], "NVIDIA H200", "{result:#}");
    let speed = &parts["speed"];
    assert_eq!(speed["status"], "failed");
    let row = |name: &str| list(&speed["result"]["networks"]).iter().find(|row| row["network"] == name).unwrap();
    let ratio =
        |name: &str, peer: &str| row(name)[format!("ratio_{peer}")].as_f64().map(|ratio| (100.0 * ratio).round());
    assert_eq!((ratio("resnet50", "eager"), ratio("resnet50", "compile")), (Some(100.0), Some(97.0)));
    assert_eq!((ratio("dpn92", "eager"), row("dpn92")["eager"].as_f64()), (None, Some(2900.0)));
    assert_eq!((ratio("legacy_xception", "eager"), ratio("legacy_xception", "compile")), (Some(100.0), None));
    for (name, reason) in
        [("dpn92", "error: broken"), ("seresnext50_32x4d", "no compiler"), ("legacy_xception", "boom")]
    {
        assert!(row(name)["reason"].as_str().unwrap().contains(reason), "{}", row(name));
    }
    let met = list(&speed["result"]["goals"]).iter().map(|goal| goal["met"].clone());
    assert_eq!(met.collect::<Vec<_>>(), [Value::Bool(false), Value::Null]);

    let recipe = &parts["dcase2018"]["result"];
    assert_eq!(number(&list(&recipe["learners"])[0], "watts"), 500.0);
    let joules = number(recipe, "minutes") * 60.0 * 500.0;
    assert!((number(recipe, "joules") / joules - 1.0).abs() < 1e-9, "{recipe}");
}
