//! Jobs of one run in several processes, and what stops them: signals, a loss that is no number,
//! another process.
#![cfg(feature = "train")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::io::Read;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::{Place, RECIPE, Ran, TRAIN, csv};

/// One worker with one thread, as each of the two of [`TRAIN`] is.
fn alone(more: &str) -> String {
    format!("{} {more}", TRAIN.replace("--jobs 2 --threads 2", "--jobs 1 --threads 1"))
}

/// A recipe of many small batches: time for signals between them.
fn slow() -> String {
    RECIPE.replace("epochs = 2", "epochs = 8").replace("batch_size = 16", "batch_size = 2")
}

/// Starts a command whose words on stderr are read when it has ended.
fn start(place: &Place, words: &str) -> Child {
    place.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(mut child: Child) -> (ExitStatus, String) {
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    (child.wait().unwrap(), printed)
}

/// Waits until a process has come so far; false if it has ended before.
fn comes(child: &mut Child, moment: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !moment() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(300), "the moment does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Every file of the run but those that tell of times and places.
fn files(place: &Place) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = place.tree("run");
    files.retain(|name, _| !common::tells_of_the_moment(name));
    files
}

#[track_caller]
fn assert_same(one: &Place, other: &Place) {
    let (one, other) = (files(one), files(other));
    assert!(one.keys().eq(other.keys()), "{:?} instead of {:?}", one.keys(), other.keys());
    assert!(one.keys().any(|name| name.ends_with("predictions.csv")) && one.contains_key("bundle/SHA256SUMS"));
    let differ: Vec<_> = one.iter().filter(|(name, bytes)| other[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differ.is_empty(), "these files differ: {differ:?}");
}

#[test]
fn shards_at_once_and_then_the_stack_are_a_whole_run() {
    let whole = Place::with_run("jobs-whole");
    let parts = Place::with_data("jobs-shards");
    let shards = ["3/3", "1/3", "2/3"].map(|shard| start(&parts, &alone(&format!("--shard {shard} --verbose"))));
    let mut jobs = Vec::new();
    for shard in shards {
        let (status, printed) = end(shard);
        assert!(status.success(), "{printed}");
        let done: Vec<String> =
            printed.lines().filter_map(|line| Some(line.split_once(" done in ")?.0.to_owned())).collect();
        assert!(printed.contains(&format!("{0} of {0} done, 0 running, 0 left", done.len())), "{printed}");
        assert!(done.len() == 2, "six jobs of about the same cost: {printed}");
        jobs.extend(done);
    }
    jobs.sort();
    assert_eq!(jobs, ["a/fold0", "a/fold1", "a/full", "b/fold0", "b/fold1", "b/full"]);
    assert!(!parts.path("run/results.json").exists(), "a shard does not stack");
    parts.run("stack run").done();
    assert_same(&parts, &whole);
    // Each finds all done, and leaves all as it is.
    parts.run(&alone("--shard 2/3")).done();
    assert_same(&parts, &whole);
}

#[test]
fn faults_of_shards_and_devices_are_told() {
    let place = Place::with_data("jobs-faults");
    for (more, reason) in [
        ("--shard 4/3", "1/3 to 3/3"),
        ("--shard 0/3", "1/3 to 3/3"),
        ("--shard 2", "write I/N"),
        ("--shard 1/2 --job a/full", "cannot be used with"),
    ] {
        let ran = place.run(&alone(more));
        assert!(ran.code == Some(2) && ran.stderr.contains(reason), "{ran}");
    }
    place.run(&alone("--device cpu,cpu")).failed(&["cpu is named twice", "--jobs N"]);
    place.run(&alone("--device cuda:7,cuda:7")).failed(&["cuda:7 is named twice"]);
    place.run(&alone("--device cpu,cuda:0")).failed(&["do not go together"]);
    place.run(&alone("--device cuda:98,cuda:99")).failed(&["device \"cuda:98\"", "GPU"]);
    place.run(&alone("--device cuda:00")).failed(&["device \"cuda:00\"", "expected cpu, or cuda:0"]);
    place.run(&alone("--job a/full")).done();
    place.run("stack run").failed(&["a/fold0 is not done", "earmark train"]);
}

#[cfg(unix)]
#[test]
fn a_job_is_one_process_s() {
    let place = Place::with_data("jobs-locked");
    place.write("recipe.toml", slow());
    let mut first = start(&place, &alone("--job a/fold0"));
    assert!(comes(&mut first, || place.path("run/jobs/a/fold0/checkpoint.json").exists()));
    send(&first, "-STOP");
    let printed = "another process trains a/fold0; when it is done, `earmark stack run` finishes the run";
    place.run(&alone("--job a/fold0")).failed(&["a/fold0 is being trained by another process", printed]);
    // A whole run does all other jobs first, and does not stack.
    let ran = place.run(&alone("--verbose")).failed(&[printed]);
    assert_eq!(ran.stderr.matches(" done in ").count(), 5, "{ran}");
    assert!(!place.path("run/results.json").exists());
    // A killed process holds nothing.
    first.kill().unwrap();
    end(first);
    let ran = place.run(&alone("--verbose")).done();
    assert_eq!(ran.stderr.matches(" done in ").count(), 1, "{ran}");
    assert!(!place.path("run/jobs/a/fold0/lock").exists());
}

#[test]
fn two_processes_share_the_jobs_of_a_run() {
    let whole = Place::with_run("jobs-alone");
    let place = Place::with_data("jobs-both");
    let both = [0, 1].map(|_| start(&place, &alone("--verbose")));
    let ended = both.map(end);
    // Who comes last stacks; who comes first may find that the other still trains its last job.
    assert!(ended.iter().any(|(status, _)| status.success()), "{ended:?}");
    for (status, printed) in &ended {
        assert!(status.success() || printed.contains("another process trains"), "{printed}");
    }
    let done: usize = ended.iter().map(|(_, printed)| printed.matches(" done in ").count()).sum();
    assert_eq!(done, 6, "no job twice: {ended:?}");
    assert_same(&place, &whole);
}

#[cfg(unix)]
fn send(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_at_the_next_batch_and_it_goes_on_there() {
    let whole = Place::with_data("jobs-unbroken");
    whole.write("recipe.toml", slow());
    whole.run(TRAIN).done();
    let place = Place::with_data("jobs-stopped");
    place.write("recipe.toml", slow());
    let mut within = 0;
    for (signal, code, job) in
        [("-TERM", 143, "a/fold0"), ("-INT", 130, "a/full"), ("-TERM", 143, "b/fold0"), ("-TERM", 143, "b/full")]
    {
        let checkpoint = place.path(&format!("run/jobs/{job}/checkpoint.json"));
        let saved = || std::fs::read(&checkpoint).unwrap_or_default();
        let before = saved();
        let mut child = start(&place, TRAIN);
        assert!(comes(&mut child, || saved() != before), "the run ended before {job} went on");
        send(&child, signal);
        let (status, printed) = end(child);
        assert_eq!(status.code(), Some(code), "{printed}");
        let name = if code == 130 { "Ctrl-C" } else { "SIGTERM" };
        assert!(
            printed.contains(&format!("stopped by {name}: "))
                && printed.contains(
                    "of 6 jobs are \
            done"
                ),
            "{printed}"
        );
        assert!(printed.contains("the same command resumes from there") && !printed.contains("error"), "{printed}");
        assert!(!place.tree("run").keys().any(|name| name.contains(".earmark-")), "no half-written file is left");
        let index: serde_json::Value = serde_json::from_slice(&saved()).unwrap();
        within += usize::from(index["part"]["batches"].as_u64().unwrap() > 0);
    }
    assert!(within > 0, "no signal came within an epoch");
    place.run(TRAIN).done();
    assert_same(&place, &whole);
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_a_run_at_once() {
    let place = Place::with_data("jobs-impatient");
    // A batch of seconds.
    place.write(
        "recipe.toml",
        RECIPE.replace("resnet_nano", "resnet50").replace("batch_size = 16", "batch_size = 64").replace("0.5", "6.0"),
    );
    let mut child = start(&place, &alone("--job a/full"));
    assert!(comes(&mut child, || place.path("run/jobs/a/full/lock").exists()));
    let id = child.id();
    let both = format!("kill -TERM {id}; sleep 0.2; kill -TERM {id}");
    assert!(std::process::Command::new("sh").args(["-c", &both]).status().unwrap().success());
    let (status, printed) = end(child);
    assert_eq!(status.code(), Some(143), "{printed}");
    assert!(!printed.contains("stopped by"), "it did not wait for its batch: {printed}");
    assert!(!place.path("run/jobs/a/full/checkpoint.json").exists());
}

#[test]
fn a_learner_that_diverges_stops_its_own_jobs() {
    let place = Place::with_data("jobs-diverged");
    let (a, b) = RECIPE.split_at(RECIPE.find("name = \"b\"").unwrap());
    let wild = b.replace("0.02", "100.0\nweight_decay = 0.9\nmomentum = 0.99").replace("epochs = 2", "epochs = 60");
    place.write("recipe.toml", format!("{a}{wild}"));
    let ran: Ran =
        place.run(&format!("{TRAIN} --verbose")).failed(&["job b/fold0: the ", "try a lower `learning_rate`"]);
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
    place.run("stack run").failed(&["b/fold0 is not done"]);
    place.run("evaluate run").failed(&["the learners of run are not stacked yet", "evaluate run --jobs"]);
    // The report says so, until the job is tried once more.
    place.run("report run").done();
    let report = place.text("run/report.html");
    assert!(report.contains("b/fold0 failed after ") && report.contains("<td>failed</td>"), "{report}");
    place.run("evaluate run --jobs").done();
    assert!(place.path("run/jobs/b/fold0/failure.txt").exists());
}

#[test]
fn a_plan_tells_what_jobs_will_take_and_writes_nothing() {
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
    // Two workers: no job waits for one that has none.
    let all: f64 = jobs.iter().map(|job| job["seconds"].as_f64().unwrap()).sum();
    let seconds = plan["seconds"].as_f64().unwrap();
    assert!(seconds >= all / 2.0 && seconds < all, "{plan}");
    assert_eq!(plan["devices"], serde_json::json!(["cpu", "cpu"]));
    assert_eq!(plan["threads_each"], 1);
    let memory = plan["memory_bytes"].as_u64();
    assert!(cfg!(not(target_os = "linux")) || memory.is_some_and(|bytes| bytes > 10_000_000), "{plan}");

    // What a shard will do is what it does; what is done takes nothing.
    let shard = place.run(&alone("--shard 2/3 --plan --json")).done().json();
    let planned: Vec<String> = shard["jobs"].as_array().unwrap().iter().map(job_name).collect();
    place.run(&alone("--shard 2/3")).done();
    let plan = place.run(&format!("{TRAIN} --plan --json")).done().json();
    let done: Vec<String> =
        plan["jobs"].as_array().unwrap().iter().filter(|job| job["done"] == true).map(job_name).collect();
    assert_eq!(done, planned);
    place.write("other.toml", RECIPE.replace("seed = 7", "seed = 8"));
    let other = TRAIN.replace("recipe.toml", "other.toml");
    place.run(&format!("{other} --plan")).failed(&["the recipe differs", "seed is 8 here, 7 there"]);
    let text = place.run(&format!("{TRAIN} --plan")).done().stdout;
    assert!(text.lines().next().unwrap().starts_with("job "), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("resnet_nano") || line.contains("resnext_nano")).count(), 6);
    assert!(text.contains("jobs: 4 to do, 2 at once on cpu with 1 threads each: "), "{text}");
}

#[test]
fn a_plan_measures_on_clips_that_count() {
    let place = Place::with_data("jobs-plan-verified");
    place.write("recipe.toml", RECIPE.replace("epochs = 2", "epochs = 2\nunverified_weight = 0.0"));
    let (header, rows) = csv(&place.text("data/train.csv"));
    let verified = |row: usize| if row % 6 == 1 { "1" } else { "0" };
    let rows = rows.iter().enumerate().map(|(row, cells)| format!("{},{},{}\n", cells[0], cells[1], verified(row)));
    place.write("data/train.csv", format!("{}\n{}", header.join(","), rows.collect::<String>()));
    // Without test clips, which count always.
    let words = TRAIN.replace("--data data", "--data data/train.csv --audio-dir data/audio_train");
    let plan = place.run(&format!("{words} --plan --json")).done().json();
    assert_eq!(plan["jobs"][2]["clips"], 10, "{plan}");
    assert!(plan["jobs"][2]["seconds"].as_f64().unwrap() > 0.0, "{plan}");
}

fn job_name(job: &serde_json::Value) -> String {
    format!("{}/{}", job["learner"].as_str().unwrap(), job["split"].as_str().unwrap())
}
