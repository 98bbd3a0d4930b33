//! Plans, and what stops the jobs of a run: signals, a loss that is not finite, invalid options.
//! Killed processes, and processes that share a run, are tested in `earmark-pipeline`.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

#[cfg(unix)]
use common::Running;
use common::{Place, RECIPE, Ran, TRAIN, TRAIN_ALONE, csv};

#[test]
fn shards_and_devices_with_faults() {
    let place = Place::with_data("jobs-faults");
    for (more, reason) in [
        ("--shard 4/3", "1/3 to 3/3"),
        ("--shard 0/3", "1/3 to 3/3"),
        ("--shard 2", "write I/N"),
        ("--shard 1/2 --job a/full", "cannot be used with"),
    ] {
        let ran = place.run(&format!("{TRAIN_ALONE} {more}"));
        assert!(ran.code == Some(2) && ran.stderr.contains(reason), "{ran}");
    }
    place.run(&format!("{TRAIN_ALONE} --shard 1/18446744073709551615")).failed();
    place.run(&format!("{TRAIN_ALONE} --device cpu,cpu")).failed();
    place.run(&format!("{TRAIN_ALONE} --device cuda:7,cuda:7")).failed();
    place.run(&format!("{TRAIN_ALONE} --device cpu,cuda:0")).failed();
    place.run(&format!("{TRAIN_ALONE} --device cuda:98,cuda:99")).failed_naming(&["cuda:98"]);
    place.run(&format!("{TRAIN_ALONE} --device cuda:00")).failed();
}

#[test]
fn without_a_recipe_one_is_chosen_and_a_run_keeps_its_own() {
    let place = Place::with_run("jobs-chosen");
    let run = |words: &str| {
        let mut command = place.command(words);
        command.env("EARMARK_MODELS", place.path("models"));
        Ran::of(command, words).done()
    };
    let planned = run("train --data data --out other --plan --json");
    assert!(planned.stderr.contains("recipe: fast.toml ("), "{planned}");
    assert!(planned.stderr.contains("earmark model pull mn04_as"), "{planned}");
    assert!(planned.stderr.contains("with 4 folds"), "{planned}");
    let jobs = planned.json()["jobs"].as_array().unwrap().len();
    assert_eq!(jobs, 5 * (4 + 1), "five learners on four folds and all clips: {planned}");
    let before = place.tree("run/jobs");
    let resumed = run("train --data data --out run");
    assert!(resumed.stderr.contains("recipe: run/recipe.toml (the run's own)\n"), "{resumed}");
    assert!(place.tree("run/jobs") == before);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_with_its_state_saved_and_the_same_command_resumes_it() {
    let place = Place::with_data("jobs-signals");
    // No job may end before the signal arrives.
    place.write("recipe.toml", RECIPE.replace("epochs = 2", "epochs = 100000"));
    let mut epochs = 0;
    for (signal, code, name) in [("-TERM", 143, "SIGTERM"), ("-INT", 130, "Ctrl-C")] {
        let mut running = Running::start(&place, TRAIN);
        running.wait_until(|| place.epochs("a/fold0") > epochs);
        running.send(signal);
        let ran = running.end();
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(ran.stderr.contains(&format!("stopped by {name}: 0 of 6 jobs are done")), "{ran}");
        assert!(!ran.stderr.contains("error"), "{ran}");
        assert!(!place.tree("run").keys().any(|name| name.contains(".earmark-")), "no half-written file is left");
        let before = std::mem::replace(&mut epochs, place.epochs("a/fold0"));
        assert!(epochs > before, "{epochs} epochs, {before} before");
    }
}

#[test]
fn a_learner_that_diverges_stops_its_own_jobs() {
    let place = Place::with_data("jobs-diverged");
    let (a, b) = RECIPE.split_at(RECIPE.find("name = \"b\"").unwrap());
    let wild = b.replace("0.02", "100.0\nweight_decay = 0.9\nmomentum = 0.99").replace("epochs = 2", "epochs = 60");
    place.write("recipe.toml", format!("{a}{wild}"));
    let ran: Ran = place.run(TRAIN).failed_naming(&["job b/fold0: ", "`learning_rate`"]);
    for split in ["fold0", "fold1", "full"] {
        assert!(place.path(&format!("run/jobs/a/{split}/job.json")).exists(), "{ran}");
        let fault = ran.stderr.lines().find(|line| line.starts_with(&format!("error: job b/{split}: "))).unwrap();
        let (_, files) = fault.split_once("Last clips: ").unwrap();
        let names: Vec<&str> = files.split(", ").collect();
        assert!((2..=17).contains(&names.len()), "{fault}");
        assert!(names.iter().all(|name| place.path(&format!("data/audio_train/{name}")).exists()), "{fault}");
    }
    assert!(ran.stderr.contains("3 of 6 done, 3 failed, 0 running, 0 left"), "{ran}");
    assert!(ran.stdout.is_empty() && !place.path("run/results.json").exists());
    place.run("stack run").failed();
    place.run("evaluate run").failed();
    // The report says so, until the job is tried once more.
    place.run("report run").done();
    let report = place.text("run/report.html");
    assert!(report.contains("b/fold0 failed after ") && report.contains("<td>failed</td>"), "{report}");
    place.run("evaluate run --jobs").done();
    assert!(place.path("run/jobs/b/fold0/failure.txt").exists());
}

#[test]
fn the_log_has_the_end_of_each_job_once() {
    let place = Place::with_data("jobs-log");
    let ran = place.run(&format!("{TRAIN} --log-format json")).done();
    for text in [ran.stderr, place.text("run/log.jsonl")] {
        let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of_job = |record: &&serde_json::Value| record["span"]["name"] == "job";
        let ends = records.iter().filter(of_job).filter(|record| record["fields"]["message"] == "the job has ended");
        let mut jobs: Vec<String> = ends.map(|record| job_name(&record["span"])).collect();
        jobs.sort();
        assert_eq!(jobs, ["a/fold0", "a/fold1", "a/full", "b/fold0", "b/fold1", "b/full"]);
        assert!(!text.contains(" done in "), "{text}");
    }
}

#[test]
fn a_plan_has_the_time_of_each_job_and_writes_nothing() {
    let place = Place::with_data("jobs-plan");
    let before = place.tree(".");
    let plan = place.run(&format!("{TRAIN} --plan --json")).done().json();
    assert!(place.tree(".") == before, "nothing is written");
    let jobs = plan["jobs"].as_array().unwrap();
    let names: Vec<String> = jobs.iter().map(job_name).collect();
    assert_eq!(names, ["a/fold0", "a/fold1", "a/full", "b/fold0", "b/fold1", "b/full"]);
    assert!(jobs.iter().all(|job| job["seconds"].as_f64().unwrap() > 0.0 && job["done"] == false));
    let clips = |job: usize| (jobs[job]["clips"].as_u64().unwrap(), jobs[job]["predicted"].as_u64().unwrap());
    assert_eq!(clips(0).0 + clips(0).1, 60);
    assert_eq!(clips(2), (60, 12));
    // With two workers, no job waits while a worker is idle.
    let all: f64 = jobs.iter().map(|job| job["seconds"].as_f64().unwrap()).sum();
    let seconds = plan["seconds"].as_f64().unwrap();
    assert!(seconds >= all / 2.0 && seconds < all, "{plan}");
    assert_eq!(plan["devices"], serde_json::json!(["cpu", "cpu"]));
    assert_eq!(plan["threads_each"], 1);
    let memory = plan["memory_bytes"].as_u64();
    assert!(cfg!(not(target_os = "linux")) || memory.is_some_and(|bytes| bytes > 10_000_000), "{plan}");

    // A shard trains the jobs that its plan lists. Finished jobs take no time.
    let shard = place.run(&format!("{TRAIN_ALONE} --shard 2/3 --plan --json")).done().json();
    let planned: Vec<String> = shard["jobs"].as_array().unwrap().iter().map(job_name).collect();
    let trained = place.run(&format!("{TRAIN_ALONE} --shard 2/3 --json")).done();
    assert_eq!(trained.json().as_array().unwrap().len(), planned.len(), "{trained}");
    assert!(trained.stderr.contains("`earmark stack run`"), "{trained}");
    let plan = place.run(&format!("{TRAIN} --plan --json")).done().json();
    let done: Vec<String> =
        plan["jobs"].as_array().unwrap().iter().filter(|job| job["done"] == true).map(job_name).collect();
    assert_eq!(done, planned);
    place.write("other.toml", RECIPE.replace("seed = 7", "seed = 8"));
    let other = TRAIN.replace("recipe.toml", "other.toml");
    place.run(&format!("{other} --plan")).failed();
    let text = place.run(&format!("{TRAIN} --plan")).done().stdout;
    assert!(text.lines().next().unwrap().starts_with("job "), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("resnet_nano") || line.contains("resnext_nano")).count(), 6);
    assert!(text.contains("jobs: 4 to do, 2 at once on cpu with 1 thread each: "), "{text}");
}

#[test]
fn a_plan_measures_on_clips_that_count() {
    let place = Place::with_data("jobs-plan-verified");
    place.write("recipe.toml", RECIPE.replace("epochs = 2", "epochs = 2\nunverified_weight = 0.0"));
    let (header, rows) = csv(&place.text("data/train.csv"));
    let verified = |row: usize| if row % 6 == 1 { "1" } else { "0" };
    let rows = rows.iter().enumerate().map(|(row, cells)| format!("{},{},{}\n", cells[0], cells[1], verified(row)));
    place.write("data/train.csv", format!("{}\n{}", header.join(","), rows.collect::<String>()));
    // Without test clips, which always count.
    let words = TRAIN.replace("--data data", "--data data/train.csv --audio-dir data/audio_train");
    let plan = place.run(&format!("{words} --plan --json")).done().json();
    assert_eq!(plan["jobs"][2]["clips"], 10, "{plan}");
    assert!(plan["jobs"][2]["seconds"].as_f64().unwrap() > 0.0, "{plan}");
}

fn job_name(job: &serde_json::Value) -> String {
    format!("{}/{}", job["learner"].as_str().unwrap(), job["split"].as_str().unwrap())
}
