//! Several processes that train one run.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::thread;

use earmark_pipeline::{
    CancelToken, Event, JobOutcome, JobSelection, PipelineError, Result, Shard, Silent, TrainOptions, Trained, stack,
    train,
};

use crate::child::Child;
use crate::common::{JOBS, RECIPE, Workspace};

/// Trains, and returns how each job ended.
fn train_jobs(options: &TrainOptions) -> (Result<Trained>, BTreeMap<String, JobOutcome>) {
    let outcomes: Mutex<BTreeMap<String, JobOutcome>> = Mutex::default();
    let observer = |event: &Event| {
        if let Event::JobFinished { job, outcome, .. } = event {
            outcomes.lock().unwrap().insert(job.name.to_owned(), *outcome);
        }
    };
    let ended = train(options, &observer, &CancelToken::new());
    (ended, outcomes.into_inner().unwrap())
}

#[test]
fn a_job_is_trained_by_one_process() {
    let workspace = Workspace::new("locked");
    let first = Child::start(&workspace, 1, "batch 1 of a/fold0");
    first.wait_for_stop();
    let one = TrainOptions { selection: JobSelection::One("a/fold0".to_owned()), ..workspace.options(1) };
    let (ended, outcomes) = train_jobs(&one);
    assert!(matches!(&ended, Err(PipelineError::Jobs(failures)) if failures.len() == 1), "{ended:?}");
    assert_eq!(outcomes["a/fold0"], JobOutcome::Elsewhere);
    // A call for all jobs trains the other jobs first, and does not stack.
    let (ended, outcomes) = train_jobs(&workspace.options(2));
    assert!(matches!(&ended, Err(PipelineError::Jobs(failures)) if failures.len() == 1), "{ended:?}");
    for job in JOBS {
        let expected = if job == "a/fold0" { JobOutcome::Elsewhere } else { JobOutcome::Done };
        assert_eq!(outcomes[job], expected, "{job}");
    }
    assert!(!workspace.run().join("results.json").exists());
    // A killed process holds no lock.
    first.kill();
    let (ended, outcomes) = train_jobs(&workspace.options(1));
    ended.unwrap();
    assert_eq!(outcomes.values().filter(|outcome| **outcome == JobOutcome::DoneBefore).count(), 5);
    workspace.assert_same();
}

#[test]
fn two_processes_share_the_jobs_of_a_run() {
    let workspace = Workspace::new("shared");
    let children = [(); 2].map(|()| Child::start(&workspace, 1, ""));
    let finished = children.map(Child::finish);
    // The last process stacks; the first one may find that the other is still training its last
    // job.
    assert!(finished.iter().any(|child| child.is_whole), "{finished:?}");
    let mut done: Vec<&String> = finished.iter().flat_map(|child| &child.done).collect();
    done.sort();
    assert_eq!(done, JOBS, "each job once: {finished:?}");
    workspace.assert_same();
}

#[test]
fn shards_at_once_and_then_the_stack_are_a_whole_run() {
    let workspace = Workspace::new("shards");
    let shard = |number| {
        let selection = JobSelection::Shard(Shard::new(number, 3).unwrap());
        TrainOptions { selection, ..workspace.options(1) }
    };
    let trained: Vec<_> = thread::scope(|scope| {
        let shards = [3, 1, 2].map(|number| scope.spawn(move || train_jobs(&shard(number))));
        shards.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut jobs = Vec::new();
    for (ended, outcomes) in trained {
        assert!(ended.unwrap().results.is_none(), "a shard does not stack");
        assert!(outcomes.len() == 2, "six jobs of about the same cost: {outcomes:?}");
        jobs.extend(outcomes.into_keys());
    }
    jobs.sort();
    assert_eq!(jobs, JOBS);
    assert!(!workspace.run().join("results.json").exists());
    stack(&workspace.run()).unwrap();
    workspace.assert_same();
    // A shard whose jobs are done changes nothing.
    let (_, outcomes) = train_jobs(&shard(2));
    assert!(outcomes.values().all(|outcome| *outcome == JobOutcome::DoneBefore), "{outcomes:?}");
    workspace.assert_same();
}

#[test]
fn jobs_one_by_one_are_the_jobs_of_a_run() {
    let workspace = Workspace::new("one-by-one");
    for job in ["b/full", "a/fold1"] {
        let selection = JobSelection::One(job.to_owned());
        let (ended, outcomes) = train_jobs(&TrainOptions { selection, ..workspace.options(1) });
        assert!(ended.unwrap().results.is_none());
        assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [(job.to_owned(), JobOutcome::Done)]);
    }
    workspace.finish();
    workspace.assert_same();
}

#[test]
fn a_learner_that_another_process_removes_is_reported() {
    let workspace = Workspace::new("removed");
    let one = |job: &str| TrainOptions { selection: JobSelection::One(job.to_owned()), ..workspace.options(1) };
    train(&one("a/fold0"), &Silent, &CancelToken::new()).unwrap();
    let stored = workspace.run().join("recipe.toml");
    let before = fs::read(&stored).unwrap();
    let learner = &RECIPE[RECIPE.find("[[learners]]").unwrap()..RECIPE.rfind("[[learners]]").unwrap()];
    let learner = learner.replace("name = \"a\"", "name = \"c\"");
    workspace.write("recipe.toml", RECIPE.replace("[stack]", &format!("{learner}[stack]")));
    let observer = |event: &Event| {
        if matches!(event, Event::JobStarted(_)) {
            fs::write(&stored, &before).unwrap();
        }
    };
    let ended = train(&one("c/fold0"), &observer, &CancelToken::new());
    assert!(matches!(&ended, Err(PipelineError::LearnersRemoved { learners, .. }) if learners == &["c"]), "{ended:?}");
    // The same call adds the learner again.
    train(&one("c/fold0"), &Silent, &CancelToken::new()).unwrap();
    assert!(fs::read_to_string(&stored).unwrap().contains("name = \"c\""));
}
