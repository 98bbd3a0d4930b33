//! Runs that are killed or cancelled at a given point, and runs that several processes share: the
//! same call finishes them with results identical to those of an uninterrupted run.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod child;
#[path = "../common/mod.rs"]
mod common;
mod sharing;

use std::fs;
use std::path::Path;

use child::Child;
use common::{RECIPE, Workspace};
use earmark_pipeline::{
    CancelToken, Event, JobSelection, PipelineError, PredictOptions, Progress, Silent, TrainOptions, evaluate, predict,
    stack, train,
};
use earmark_tagging::{Bundle, TaggingError};

/// The process that other tests start and kill.
#[test]
#[ignore = "other tests start it as a process of its own"]
fn child() {
    child::run();
}

/// The points at which one run is killed, one after the other, with the number of jobs that it
/// trains at once until then. With one job at once, nothing else happens concurrently.
const KILLS: [(usize, &str); 14] = [
    // The recipe is written, the clips are not.
    (1, "renaming splits.csv"),
    (1, "written splits.csv"),
    // The arrays of the first epoch are written, the file that names them is not.
    (2, "written jobs/a/fold0/checkpoint-00001.safetensors"),
    (1, "written jobs/a/fold0/checkpoint.json"),
    // Within the second epoch.
    (1, "batch 3 of a/fold0"),
    (1, "renaming jobs/a/fold0/checkpoint.json"),
    (1, "written jobs/a/fold0/weights.safetensors"),
    // The job is done, and its checkpoint is still there.
    (1, "written jobs/a/fold0/job.json"),
    (1, "renaming jobs/b/full/job.json"),
    // Level 2 is half-written, or complete without scores.
    (1, "written level2/oof.csv"),
    (1, "written test/b.csv"),
    (1, "written level2/manifest.json"),
    (1, "written bundle/learner-b.onnx"),
    (1, "renaming bundle/SHA256SUMS"),
];

#[test]
fn a_killed_run_ends_with_the_same_bits() {
    let workspace = Workspace::new("killed");
    for (jobs, point) in KILLS {
        kill_at(&workspace, jobs, point);
        assert_no_bundle(&workspace.run(), point);
    }
    workspace.finish();
    workspace.assert_same();

    // The bundle of a finished run is replaced file by file, and is not a bundle in between.
    for point in ["renaming bundle/learner-a.onnx", "written bundle/stack.onnx"] {
        kill_at(&workspace, 1, point);
        assert_no_bundle(&workspace.run(), point);
    }
    stack(&workspace.run()).unwrap();
    workspace.assert_same();
}

#[track_caller]
fn kill_at(workspace: &Workspace, jobs: usize, point: &str) {
    let child = Child::start(workspace, jobs, point);
    child.wait_for_stop();
    child.kill();
}

#[track_caller]
fn assert_no_bundle(run: &Path, point: &str) {
    let opened = Bundle::read(&run.join("bundle"));
    assert!(matches!(opened, Err(TaggingError::Bundle { .. })), "killed at {point}: {opened:?}");
}

#[test]
fn a_cancelled_run_resumes_at_the_next_batch_with_the_same_bits() {
    let workspace = Workspace::new("cancelled");
    // Within the first epoch, within the second one, and at the end of an epoch.
    for (job, batch, epochs, batches_of_epoch, jobs_done) in
        [("a/fold0", 1, 0, 1, 0), ("a/full", 6, 1, 2, 2), ("b/full", 4, 1, 0, 5)]
    {
        let ended = cancel_at(&workspace.options(1), job, batch);
        assert!(matches!(ended, PipelineError::Cancelled { done, of: 6 } if done == jobs_done), "{ended}");
        let folder = workspace.run().join("jobs").join(job);
        let checkpoint: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("checkpoint.json")).unwrap()).unwrap();
        assert_eq!(checkpoint["history"].as_array().unwrap().len(), epochs, "{job}");
        assert_eq!(checkpoint["part"]["batches"], batches_of_epoch, "{job}");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!names.into_iter().any(|name| name.to_string_lossy().starts_with(".earmark-")), "{job}");
    }
    workspace.finish();
    workspace.assert_same();
}

/// Trains until a job has done this many batches, and cancels the run there.
fn cancel_at(options: &TrainOptions, job: &str, batch: usize) -> PipelineError {
    let cancel = CancelToken::new();
    let observer = |event: &Event| match event {
        Event::JobAdvanced { job: advanced, progress: Progress::Learning(now), .. }
            if advanced.name == job && now.batches == batch =>
        {
            cancel.cancel();
        }
        _ => {}
    };
    train(options, &observer, &cancel).unwrap_err()
}

#[test]
fn an_unfinished_run_is_not_taken_for_a_finished_one() {
    let workspace = Workspace::new("unfinished");
    let options = TrainOptions { selection: JobSelection::One("a/fold1".to_owned()), ..workspace.options(1) };
    train(&options, &Silent, &CancelToken::new()).unwrap();
    let run = workspace.run();
    let fault = stack(&run).unwrap_err();
    assert!(matches!(fault.root(), PipelineError::JobNotDone(job) if job == "a/fold0"), "{fault}");
    let fault = evaluate(&run).unwrap_err();
    assert!(matches!(fault, PipelineError::NotStacked(_)), "{fault}");
    let submission = workspace.path("submission.csv");
    let fault = predict(&run, &PredictOptions { submission: Some(submission.clone()), ..Default::default() });
    assert!(matches!(fault, Err(PipelineError::NotStacked(_))) && !submission.exists(), "{fault:?}");
    assert_no_bundle(&run, "no point");
}

#[test]
fn a_cancelled_job_resumes_with_the_pretrained_weights_that_it_began_with() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/weights/resnet_nano.pth");
    let golden = fs::read(golden).unwrap();
    let recipe = RECIPE.replacen("mixup", "pretrained = \"nano.pth\"\nmixup", 1);
    let options = |workspace: &Workspace| {
        workspace.write("recipe.toml", &recipe);
        workspace.write("nano.pth", &golden);
        TrainOptions { selection: JobSelection::One("a/fold0".to_owned()), ..workspace.options(1) }
    };
    let (whole, broken) = (Workspace::new("pretrained-whole"), Workspace::new("pretrained"));
    train(&options(&whole), &Silent, &CancelToken::new()).unwrap();
    let options = options(&broken);
    let ended = cancel_at(&options, "a/fold0", 3);
    assert!(matches!(ended, PipelineError::Cancelled { done: 0, of: 1 }), "{ended}");
    // Other weights of the same network: the run does not mix them.
    let mut other = earmark_nets::Weights::read(&broken.path("nano.pth")).unwrap();
    other.0.get_mut("conv1.weight").unwrap().data[0] += 1.0;
    broken.write("nano.pth", other.to_safetensors().unwrap());
    let fault = train(&options, &Silent, &CancelToken::new()).unwrap_err();
    assert!(matches!(fault.root(), PipelineError::OtherWeights(_)), "{fault}");
    broken.write("nano.pth", &golden);
    train(&options, &Silent, &CancelToken::new()).unwrap();
    for file in ["weights.safetensors", "predictions.csv", "job.json"] {
        let [ours, whole] = [&broken, &whole].map(|of| fs::read(of.run().join("jobs/a/fold0").join(file)).unwrap());
        assert!(ours == whole, "{file}");
    }
}
