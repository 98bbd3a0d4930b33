//! Killed at any moment, the same command resumes and ends with the same bits as an unbroken run.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{Place, RECIPE, TRAIN};

/// A run with as many epochs as leave time for kills between them.
fn place(name: &str) -> Place {
    let place = Place::with_data(name);
    place.write("recipe.toml", RECIPE.replace("epochs = 2", "epochs = 6").replace("rounds = 5", "rounds = 40"));
    place
}

/// Starts the training, and kills it as soon as `moment` has come. False: it ended before.
fn killed(place: &Place, moment: &dyn Fn(&Path) -> bool) -> bool {
    let mut child = place.command(TRAIN).stdout(std::process::Stdio::null()).spawn().unwrap();
    let run = place.path("run");
    let start = Instant::now();
    while !moment(&run) {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "the moment to kill does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
    // On Unix this is SIGKILL.
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// The epochs that a job has behind it, as its checkpoint says.
fn epochs(job: &Path) -> usize {
    let Ok(text) = std::fs::read_to_string(job.join("checkpoint.json")) else { return 0 };
    let index: serde_json::Value = serde_json::from_str(&text).unwrap(); // never half-written
    index["history"].as_array().map_or(0, Vec::len)
}

/// All that must be equal: every file of the run but those that tell of times and places, and what
/// a kill has left where other processes may be writing, which stays for a day.
fn assert_same(broken: &Place, whole: &Place, why: &str) {
    let files = |place: &Place| {
        let mut files = place.tree("run");
        let left = |name: &str| name.starts_with(".earmark-") || name.starts_with("report/.earmark-");
        files.retain(|name, _| !common::tells_of_the_moment(name) && !left(name));
        files
    };
    let (broken, whole) = (files(broken), files(whole));
    assert!(broken.keys().eq(whole.keys()), "{why}: other files");
    for part in ["weights.safetensors", "predictions.csv", "booster.json", "learner-a.onnx", "SHA256SUMS"] {
        assert!(whole.keys().any(|name| name.ends_with(part)), "{part} is compared");
    }
    let differ: Vec<_> = whole.iter().filter(|(name, bytes)| broken[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differ.is_empty(), "{why}: these files differ: {differ:?}");
}

#[test]
fn a_killed_run_ends_as_an_unbroken_one() {
    let whole = place("resume-whole");
    whole.run(TRAIN).done();

    let broken = place("resume-broken");
    type Moment = (&'static str, fn(&Path) -> bool);
    let moments: [Moment; 7] = [
        ("before the first file", |_| true),
        ("at the first checkpoint", |run| epochs(&run.join("jobs/a/fold0")) > 0),
        ("later in the same job", |run| epochs(&run.join("jobs/a/fold0")) > 2),
        ("when the first job is done", |run| run.join("jobs/a/fold0/job.json").exists()),
        ("while weights are stored", |run| run.join("jobs/b/fold0/weights.safetensors").exists()),
        ("in the second learner's last job", |run| epochs(&run.join("jobs/b/full")) > 3),
        ("while level 2 is written", |run| run.join("oof/b.csv").exists()),
    ];
    let mut kills = 0;
    for (name, moment) in moments {
        if killed(&broken, &moment) {
            kills += 1;
        } else {
            eprintln!("{name}: the run ended before it could be killed");
        }
    }
    assert!(kills >= 5, "only {kills} kills hit the run");
    broken.run(TRAIN).done();
    assert_same(&broken, &whole, "killed while training");

    // Level 2 is made again each time, so it can be killed at each of its steps.
    for file in ["level2/booster.json", "results.json", "bundle/learner-a.onnx"] {
        for part in ["level2", "results.json", "bundle"] {
            broken.remove(&format!("run/{part}"));
        }
        let was_killed = killed(&broken, &|run| run.join(file).exists());
        if was_killed && !broken.path("run/bundle/SHA256SUMS").exists() {
            broken.run("tag data/audio_test --model run/bundle").failed(&["run/bundle is not a usable bundle"]);
        }
        broken.run("stack run").done();
        assert_same(&broken, &whole, file);
    }
}

/// A kill between a job's mark and the end of its checkpoint leaves a checkpoint that nobody needs.
#[test]
fn the_checkpoint_of_a_finished_job_is_removed() {
    let place = Place::with_run("resume-late");
    let tree = || {
        let mut files = place.tree("run");
        files.remove("log.jsonl");
        files
    };
    let whole = tree();
    for file in ["checkpoint.json", "checkpoint-00002.safetensors", ".earmark-Ab3xY9"] {
        place.write(&format!("run/jobs/a/full/{file}"), "left behind");
    }
    place.run(TRAIN).done();
    assert!(tree() == whole);
}

/// What a kill leaves is no bundle that tags wrongly, and no run that passes for a finished one.
#[test]
fn a_broken_run_is_not_taken_for_a_finished_one() {
    let place = place("resume-unfinished");
    assert!(killed(&place, &|run| epochs(&run.join("jobs/a/fold0")) > 0));
    place.run("stack run").failed(&["a/fold0 is not done", "earmark train"]);
    place.run("evaluate run").failed(&["the learners of run are not stacked yet", "`earmark train` resumes"]);
    place.run("predict run --out s.csv").failed(&["the learners of run are not stacked yet"]);
    place.run("tag data/audio_test --model run/bundle").failed(&["run/bundle is not a usable bundle", "SHA256SUMS"]);
    assert!(!place.path("s.csv").exists());
}

/// A job that was trained by itself, as on another machine, is the same job.
#[test]
fn jobs_one_by_one_are_the_jobs_of_a_run() {
    let whole = place("resume-at-once");
    whole.run(TRAIN).done();
    let parts = place("resume-one-by-one");
    for job in ["b/full", "a/fold1"] {
        // One job alone gets as many threads as each of two at once.
        parts.run(&format!("{} --job {job}", TRAIN.replace("--threads 2", "--threads 1"))).done();
    }
    parts.run(TRAIN).done();
    assert_same(&parts, &whole, "jobs one by one");
}
