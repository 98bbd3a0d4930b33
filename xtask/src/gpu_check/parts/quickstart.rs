//! The quick start's recipe on the device: its scores against the CPU's, after it was killed and
//! resumed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::gpu_check::context::{Check, Outcome, PREPARED, number};
use crate::gpu_check::process::PAUSE;

/// The data set of the quick start; its scores on the CPU are those of this data.
pub const DATA: &str = "synth --seed 1 --train-clips 720 --test-clips 240 --out";
const TINY_DATA: &str = "synth --seed 1 --train-clips 72 --test-clips 24 --out";
/// The largest difference of a score that is not in the CPU's interval.
const TOLERANCE: f64 = 0.03;
/// Seconds for the whole training.
const SECONDS: u64 = 200;
/// The most epochs that the checkpoint of a job may have for the run to be killed: many more are
/// left, also in a test.
const YOUNG: u64 = 2;
const RECORD: &str = "job.json";
const CHECKPOINT: &str = "checkpoint.json";

pub fn quickstart(check: &mut Check) -> Result<Outcome> {
    let (data, recipe) = (check.work("quickstart-data"), check.work("quickstart.toml"));
    let text = fs::read_to_string(check.folder.join("recipes/quickstart.toml")).context("recipes/quickstart.toml")?;
    fs::write(&recipe, if check.tiny { tiny(&text) } else { text })?;
    let mut synth = check.earmark(if check.tiny { TINY_DATA } else { DATA });
    synth.arg(&data);
    check.run("quickstart-synth", synth, 60)?;

    let start = Instant::now();
    let reference = match check.tiny {
        true => {
            let run = check.work("quickstart-reference");
            check.run("quickstart-reference", train(check, &recipe, &data, &run), SECONDS)?;
            results(&run)?
        }
        false => prepared(&check.folder)?,
    };
    let run = check.work("quickstart-run");
    let killed = start_and_kill(check, train(check, &recipe, &data, &run), &run)?;
    check.run("quickstart-resumed", train(check, &recipe, &data, &run), SECONDS)?;
    let (resumed, mut faults) = killed.compare(&run)?;
    let scores = compare(&results(&run)?, &reference)?;
    faults.extend(scores.iter().filter(|score| score["agrees"] != true).map(disagreement));
    let seconds = start.elapsed().as_secs_f64();
    let value = json!({"tolerance": TOLERANCE, "scores": scores, "resume": resumed, "seconds": seconds});
    Ok(Outcome { value, faults })
}

fn disagreement(score: &Value) -> String {
    let [model, set, name, device, cpu] = ["model", "set", "score", "device", "cpu"].map(|key| &score[key]);
    format!("{name} of {model}, {set}, is {device}, the CPU's is {cpu}")
}

/// The recipe with fewer epochs and folds.
fn tiny(recipe: &str) -> String {
    recipe.replace("epochs = 40", "epochs = 6").replace("folds = 5", "folds = 3")
}

fn train(check: &Check, recipe: &Path, data: &Path, run: &Path) -> Command {
    let words = if check.tiny { "train --no-progress --jobs 2 --threads 2" } else { "train --no-progress --jobs 4" };
    let mut command = check.earmark(words);
    command.arg("--recipe").arg(recipe).arg("--data").arg(data).arg("--out").arg(run);
    command.args(["--device", &check.device]);
    command
}

fn results(run: &Path) -> Result<Value> {
    let path = run.join("results.json");
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// The CPU's results, which were computed when the folder was prepared.
fn prepared(folder: &Path) -> Result<Value> {
    let text = fs::read(folder.join(PREPARED)).with_context(|| format!("cannot read {PREPARED}"))?;
    let results = serde_json::from_slice::<Value>(&text)?["quickstart"].take();
    ensure!(results.is_object(), "{PREPARED} has no scores of the CPU");
    Ok(results)
}

/// A run at the moment at which it was killed.
struct Killed {
    /// The records of the finished jobs, with their times.
    records: BTreeMap<PathBuf, (Vec<u8>, SystemTime)>,
    /// The folders of jobs with a checkpoint but no record, and the epochs in it.
    interrupted: Vec<(PathBuf, u64)>,
    log_lines: usize,
}

/// The epochs of a job that are in its checkpoint; `None` if it is done or has no checkpoint.
fn saved_epochs(job: &Path) -> Option<u64> {
    let checkpoint = || serde_json::from_slice::<Value>(&fs::read(job.join(CHECKPOINT)).ok()?).ok();
    let is_done = job.join(RECORD).exists();
    if is_done { None } else { checkpoint()?["history"].as_array().map(|history| history.len() as u64) }
}

/// Starts a training, and kills it with SIGKILL when a job is done and another one has a
/// checkpoint of its first epochs.
fn start_and_kill(check: &Check, command: Command, run: &Path) -> Result<Killed> {
    let mut running = check.start("quickstart-killed", command, SECONDS / 2)?;
    loop {
        if let Some(status) = running.poll()? {
            bail!("the training ended ({status}) before it could be killed");
        }
        let jobs = jobs(run);
        let is_young = |job: &PathBuf| saved_epochs(job).is_some_and(|epochs| (1..=YOUNG).contains(&epochs));
        if jobs.iter().any(|job| job.join(RECORD).exists()) && jobs.iter().any(is_young) {
            break;
        }
        sleep(PAUSE);
    }
    running.kill();
    // Only now, because in the meantime another job may have been finished.
    let (mut records, mut interrupted) = (BTreeMap::new(), Vec::new());
    for job in jobs(run) {
        let record = job.join(RECORD);
        if record.exists() {
            records.insert(record.clone(), (fs::read(&record)?, fs::metadata(&record)?.modified()?));
        } else if let Some(epochs) = saved_epochs(&job) {
            interrupted.push((job, epochs));
        }
    }
    Ok(Killed { records, interrupted, log_lines: log(run).len() })
}

/// The folders of a run's jobs.
fn jobs(run: &Path) -> Vec<PathBuf> {
    let folders = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    folders(&run.join("jobs")).flat_map(|learner| folders(&learner).collect::<Vec<_>>()).collect()
}

/// The records of a run's log.
fn log(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect()
}

impl Killed {
    /// Whether the resumed run left finished jobs as they were, and continued the others.
    fn compare(&self, run: &Path) -> Result<(Value, Vec<String>)> {
        let mut faults = Vec::new();
        for (record, before) in &self.records {
            if *before != (fs::read(record)?, fs::metadata(record)?.modified()?) {
                faults.push(format!("{} was written again", record.display()));
            }
        }
        let log = log(run);
        let later = log.get(self.log_lines..).unwrap_or_default();
        let mut continued = Vec::new();
        for (job, saved) in &self.interrupted {
            let name = |at: usize| job.iter().rev().nth(at).unwrap_or_default().to_string_lossy().into_owned();
            let (learner, split) = (name(1), name(0));
            let is_of_job = |line: &&Value| {
                let span = &line["span"];
                span["learner"] == learner.as_str() && span["split"] == split.as_str()
            };
            let first = later.iter().filter(is_of_job).filter_map(|line| line["fields"]["epoch"].as_u64()).min();
            // A job whose last epoch was saved has only its clips to predict.
            if first.is_some_and(|first| first != saved + 1) {
                faults
                    .push(format!("{learner}/{split} has {saved} epochs in its checkpoint, and resumed at {first:?}"));
            }
            continued.push(json!({"job": format!("{learner}/{split}"), "saved_epochs": saved, "first_epoch": first}));
        }
        if continued.iter().all(|job| job["first_epoch"].is_null()) {
            faults.push("no interrupted job continued its training".to_owned());
        }
        if self.records.is_empty() {
            faults.push("no job was finished when the run was killed".to_owned());
        }
        Ok((json!({"finished_before": self.records.len(), "continued": continued}), faults))
    }
}

/// The scores of all learners and of the stack. A score agrees if it differs by at most the
/// tolerance, or is within the CPU's interval.
fn compare(ours: &Value, cpu: &Value) -> Result<Vec<Value>> {
    let models = |results: &Value| results["systems"].as_array().cloned().unwrap_or_default();
    let references = models(cpu);
    let mut scores = Vec::new();
    for model in models(ours).iter().filter(|model| !model["name"].as_str().unwrap_or_default().ends_with(" mean")) {
        let name = &model["name"];
        let reference = references.iter().find(|reference| reference["name"] == *name);
        let reference = reference.with_context(|| format!("the CPU's results have no {name}"))?;
        for set in ["out_of_fold", "test"] {
            for score in ["accuracy", "map_at_3"] {
                let (device, cpu) = (number(&model[set], score)?, number(&reference[set], score)?);
                let interval = &reference[set]["intervals"][score];
                let is_within = number(interval, "low")? <= device && device <= number(interval, "high")?;
                let agrees = (device - cpu).abs() <= TOLERANCE || is_within;
                scores.push(json!({"model": name, "set": set, "score": score, "device": device, "cpu": cpu,
                    "within_interval": is_within, "agrees": agrees}));
            }
        }
    }
    ensure!(!scores.is_empty(), "the run has no scores");
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(accuracy: f64) -> Value {
        let set = json!({"accuracy": accuracy, "map_at_3": 0.9, "intervals": {
            "accuracy": {"low": accuracy - 0.05, "high": accuracy + 0.05}, "map_at_3": {"low": 0.9, "high": 0.9}}});
        let model = |name: &str| json!({"name": name, "out_of_fold": set, "test": set});
        json!({"systems": [model("a"), model("arithmetic mean"), model("stack")]})
    }

    #[test]
    fn scores_agree_within_the_tolerance_or_the_interval() {
        let agree = |ours: f64| {
            let scores = compare(&results(ours), &results(0.8)).unwrap();
            assert_eq!(scores.len(), 8);
            scores.iter().all(|score| score["agrees"] == true)
        };
        assert!(agree(0.8) && agree(0.775) && agree(0.845));
        assert!(!agree(0.74) && !agree(0.86));
        assert!(compare(&results(0.8), &json!({"systems": []})).is_err());
        assert!(compare(&json!({}), &results(0.8)).is_err());
    }
}
