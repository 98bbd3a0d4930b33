//! A real training of a full-size network: how busy the device is, and how long it waits for data.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::gpu_check::context::{Check, Outcome};
use crate::gpu_check::process::{PAUSE, Running};
use crate::gpu_check::smi::{self, Sampler};

/// As many training clips as FSDKaggle2018 has.
const CLIPS: usize = 9473;
const TINY_CLIPS: usize = 72;
/// The goal: the share of a step that the device works.
const BUSY: f64 = 0.9;
/// Seconds to wait for the rest of the data set.
const MAKING: u64 = 60;
const SECONDS: u64 = 120;

const RECIPE: &str = r#"
seed = 1

[data]
folds = 2

[features.logmel]
kind = "logmel"
sr = 22050
n_fft = 1764
hop_length = 220
n_mels = 64

[[learners]]
name = "net"
arch = "ARCH"
features = "logmel"
crop_seconds = 1.5
mixup = 3.0
epochs = EPOCHS
batch_size = BATCH
learning_rate = 0.01
prediction = { hop_seconds = 1.0 }

[stack]
test_from = "full"
"#;

fn clips(check: &Check) -> usize {
    if check.tiny { TINY_CLIPS } else { CLIPS }
}

/// The network, its epochs and the batch size.
fn values(check: &Check) -> [&'static str; 3] {
    if check.tiny { ["resnet_nano", "3", "8"] } else { ["resnet50", "8", "128"] }
}

/// Starts to make the data set, with one thread, while other parts run.
pub fn start_data(check: &Check) -> Result<Running> {
    let mut synth = check.earmark("synth --seed 2 --test-clips 24");
    synth.arg("--train-clips").arg(clips(check).to_string()).arg("--out").arg(check.work("epoch-data"));
    check.start("epoch-synth", synth, 300)
}

pub fn epoch(check: &mut Check) -> Result<Outcome> {
    let mut data = check.data.take().map_or_else(|| start_data(check), Ok)?;
    if !check.tiny {
        data.limit(MAKING);
    }
    data.finish()?;
    let run = check.work("epoch-run");
    let train = train(check, &run)?;

    let sampler = Sampler::start(&check.device);
    let start = smi::now();
    let mut running = check.start("epoch-train", train, SECONDS)?;
    // When each epoch ended.
    let mut ends = Vec::new();
    loop {
        let is_over = running.poll()?.is_some();
        let done = epochs(&run).len();
        ends.resize(done.max(ends.len()), smi::now());
        if is_over {
            break;
        }
        sleep(PAUSE);
    }
    running.finish()?;
    let samples = sampler.map(Sampler::stop).unwrap_or_default();

    let epochs = epochs(&run);
    // The first epoch has the set-up in it.
    ensure!(epochs.len() > 1, "the log has {} epochs", epochs.len());
    let mut value = summary(&epochs[1..], clips(check));
    value["network"] = values(check)[0].into();
    value["seconds_to_first_epoch"] = (ends[0] - start).into();
    let counted = [[ends[0], ends[ends.len() - 1]]];
    let mean = |quantity| smi::mean(&samples, &counted, quantity);
    value["utilization"] = mean(|sample| sample.utilization / 100.0).into();
    value["watts"] = mean(|sample| sample.watts).into();
    value["memory_mib"] = mean(|sample| sample.memory).into();
    value["samples"] = samples.len().into();
    value["goals"] = goals(&value);
    Ok(Outcome::passed(value))
}

/// Writes the recipe; the command trains it on all clips.
fn train(check: &Check, run: &Path) -> Result<Command> {
    let keys = ["ARCH", "EPOCHS", "BATCH"].into_iter().zip(values(check));
    let recipe = keys.fold(RECIPE.to_owned(), |recipe, (key, value)| recipe.replace(key, value));
    let path = check.work("epoch.toml");
    fs::write(&path, recipe).with_context(|| format!("cannot write {}", path.display()))?;
    let mut train = check.earmark("train --no-progress --job net/full");
    train.arg("--recipe").arg(path).arg("--data").arg(check.work("epoch-data")).arg("--out").arg(run);
    train.args(["--device", &check.device]);
    Ok(train)
}

fn goals(value: &Value) -> Value {
    let goal = |name: &str, share: Option<f64>| {
        let met = share.map(|share| share >= BUSY);
        json!({"name": name, "goal": BUSY, "value": share, "met": met})
    };
    json!([
        goal(
            "one epoch, share of the time not waiting for data",
            value["waiting_share"].as_f64().map(|share| 1.0 - share)
        ),
        goal("one epoch, utilization by nvidia-smi", value["utilization"].as_f64()),
    ])
}

/// The records of the epochs in a run's log so far.
fn epochs(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("log.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.map(|mut line| line["fields"].take());
    fields.filter(|fields| fields["message"] == "epoch").collect()
}

/// Speed and waiting time over some epochs.
fn summary(epochs: &[Value], clips: usize) -> Value {
    let seconds = |epoch: &Value| Some(clips as f64 / epoch["crops_per_second"].as_f64()?);
    let all: Option<f64> = epochs.iter().map(seconds).sum();
    let waiting: Option<f64> = epochs.iter().map(|epoch| epoch["waiting_seconds"].as_f64()).sum();
    json!({
        "epochs": epochs.len(),
        "clips": clips,
        "crops_per_second": all.map(|all| (clips * epochs.len()) as f64 / all),
        "waiting_share": waiting.zip(all).map(|(waiting, all)| waiting / all),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_summed() {
        let epoch = |speed: f64, waiting: f64| json!({"crops_per_second": speed, "waiting_seconds": waiting});
        let both = summary(&[epoch(50.0, 0.5), epoch(100.0, 0.1)], 100);
        assert!((both["waiting_share"].as_f64().unwrap() - 0.2).abs() < 1e-12, "{both}");
        assert!((both["crops_per_second"].as_f64().unwrap() - 200.0 / 3.0).abs() < 1e-9, "{both}");
        assert_eq!(summary(&[json!({"crops_per_second": 50.0})], 100)["waiting_share"], Value::Null);
    }
}
