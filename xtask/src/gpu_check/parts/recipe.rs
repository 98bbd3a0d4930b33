//! What the whole recipe `recipes/dcase2018.toml` would take, from measured steps.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use toml::Table;

use crate::gpu_check::context::{Check, Outcome, number};
use crate::gpu_check::smi::{self, Sampler};

/// FSDKaggle2018: training clips and test clips, and the hours of both.
const CLIPS: [f64; 2] = [9473.0, 1600.0];
const HOURS: [f64; 2] = [18.0, 2.0];
/// The recipe's windows: their length and distance in seconds.
const WINDOW: f64 = 1.5;
const HOP: f64 = 0.2;

const FORMULA: &str = "seconds of a learner = epochs x (folds x steps of (folds - 1)/folds of the clips + steps of \
    all clips) x batch / crops per second + windows / windows per second; joules = watts x seconds. Steps are rounded \
    up; watts are means over the measured time. Windows: each training clip once, by its fold, and each test clip \
    once, at clips' mean length (18 hours of training clips, 2 of test clips). Not included: decoding, features, \
    saving, level 2.";

/// A learner of the recipe.
#[derive(Debug, Clone, PartialEq)]
struct Learner {
    name: String,
    network: String,
    batch: f64,
    epochs: f64,
}

pub fn dcase2018(check: &mut Check) -> Result<Outcome> {
    let path = check.folder.join("recipes/dcase2018.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (folds, learners) = learners(&text)?;
    let mut measured: BTreeMap<String, Value> = BTreeMap::new();
    let mut rows = Vec::new();
    for learner in &learners {
        let network = if check.tiny { tiny(&learner.network) } else { &learner.network };
        let batch = if check.tiny { 8.0 } else { learner.batch };
        let key = format!("{network}-{batch}");
        if !measured.contains_key(&key) {
            measured.insert(key.clone(), measure(check, network, batch)?);
        }
        let mut row = row(learner, folds, &measured[&key])?;
        row["measured"] = json!({"network": network, "batch": batch});
        rows.push(row);
    }
    let sum = |key: &str| -> Option<f64> { rows.iter().map(|row| row[key].as_f64()).sum() };
    let value = json!({
        "clips": CLIPS[0], "folds": folds, "minutes": sum("minutes"), "joules": sum("joules"), "formula": FORMULA,
        "learners": rows,
    });
    Ok(Outcome::passed(value))
}

/// A small network with the same input, for a test.
fn tiny(network: &str) -> &'static str {
    if network.starts_with("wave_") { "wave_resnet_nano" } else { "resnet_nano" }
}

/// The speed of a network, and the power that the device draws meanwhile.
fn measure(check: &Check, network: &str, batch: f64) -> Result<Value> {
    let (batch, steps) = (batch.to_string(), if check.tiny { "2" } else { "30" });
    let words = ["--batch", &batch, "--steps", steps, "--rounds", "2", network];
    let sampler = Sampler::start(&check.device);
    let mut value = check.measure(&format!("dcase2018-{network}"), "speed", &words, 60)?.swap_remove(0);
    let samples = sampler.map(Sampler::stop).unwrap_or_default();
    let span = |value: &Value| Some([value[0].as_f64()?, value[1].as_f64()?]);
    let rounds: Vec<[f64; 2]> = value["rounds"].as_array().into_iter().flatten().filter_map(span).collect();
    let predicting: Vec<[f64; 2]> = span(&value["predicting"]).into_iter().collect();
    value["watts"] = smi::mean(&samples, &rounds, |sample| sample.watts).into();
    value["predicting_watts"] = smi::mean(&samples, &predicting, |sample| sample.watts).into();
    Ok(value)
}

fn row(learner: &Learner, folds: f64, speed: &Value) -> Result<Value> {
    let steps = |clips: f64| (clips / learner.batch).ceil();
    let steps = learner.epochs * (folds * steps(CLIPS[0] * (folds - 1.0) / folds) + steps(CLIPS[0]));
    let training = steps * learner.batch / number(speed, "crops_per_second")?;
    let windows = |set: usize| CLIPS[set] * (1.0 + (HOURS[set] * 3600.0 / CLIPS[set] - WINDOW) / HOP);
    let predicting = (windows(0) + windows(1)) / number(speed, "windows_per_second")?;
    let watts = speed["watts"].as_f64();
    // Prediction may be too short for a sample of its own.
    let predicting_watts = speed["predicting_watts"].as_f64().or(watts);
    Ok(json!({
        "learner": learner.name,
        "network": learner.network,
        "batch": learner.batch,
        "epochs": learner.epochs,
        "steps": steps,
        "step_ms": 1000.0 * learner.batch / number(speed, "crops_per_second")?,
        "crops_per_second": speed["crops_per_second"],
        "windows_per_second": speed["windows_per_second"],
        "watts": watts,
        "training_minutes": training / 60.0,
        "predicting_minutes": predicting / 60.0,
        "minutes": (training + predicting) / 60.0,
        "joules": watts.zip(predicting_watts).map(|(watts, other)| watts * training + other * predicting),
    }))
}

/// The folds and the learners of a recipe.
fn learners(text: &str) -> Result<(f64, Vec<Learner>)> {
    let recipe: Table = text.parse().context("the recipe is no TOML")?;
    let folds = recipe["data"].get("folds").and_then(toml::Value::as_integer).context("the recipe has no folds")?;
    let blocks = recipe["learners"].as_array().context("the recipe has no learners")?;
    let learner = |block: &toml::Value| {
        let text = |key: &str| Some(block.get(key)?.as_str()?.to_owned());
        let number = |key: &str| Some(block.get(key)?.as_integer()? as f64);
        let (network, batch) = (text("arch")?, number("batch_size")?);
        Some(Learner { name: text("name")?, network, batch, epochs: number("epochs")? })
    };
    let learners: Option<Vec<_>> = blocks.iter().map(learner).collect();
    Ok((folds as f64, learners.context("a learner lacks its name, arch, batch_size or epochs")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_is_read() {
        let text = include_str!("../../../../recipes/dcase2018.toml");
        let (folds, learners) = learners(text).unwrap();
        assert_eq!((folds, learners.len()), (5.0, 5));
        let last = Learner { name: "dpn-logmel".into(), network: "dpn98".into(), batch: 128.0, epochs: 100.0 };
        assert_eq!(learners[4], last);
        assert_eq!(tiny(&learners[1].network), "wave_resnet_nano");
    }

    #[test]
    fn time_and_energy_follow_from_the_steps() {
        let learner = Learner { name: "l".into(), network: "n".into(), batch: 128.0, epochs: 10.0 };
        let speed = json!({"crops_per_second": 1280.0, "windows_per_second": 1000.0, "watts": 500.0});
        let row = row(&learner, 5.0, &speed).unwrap();
        // 7578.4 clips are 60 steps, and 9473 are 75.
        assert_eq!(row["steps"], 3750.0);
        assert_eq!(row["step_ms"], 100.0);
        assert_eq!(row["training_minutes"], 6.25);
        let minutes = row["minutes"].as_f64().unwrap();
        assert!((11.0..12.0).contains(&minutes), "{row}");
        assert!((row["joules"].as_f64().unwrap() - 500.0 * 60.0 * minutes).abs() < 1e-6);
    }
}
