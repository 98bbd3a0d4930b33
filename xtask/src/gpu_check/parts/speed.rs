//! Crops per second of full-size networks: ours, PyTorch's eager mode and `torch.compile`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::gpu_check::context::{Check, Outcome, number};
use crate::gpu_check::process::{PAUSE, Running};

const NETWORKS: [&str; 6] =
    ["resnet50", "resnext50_32x4d", "seresnext50_32x4d", "dpn92", "legacy_xception", "wave_resnext50_32x4d"];
const TINY: [&str; 2] = ["resnet_nano", "wave_resnet_nano"];
/// The goals: our speed as a share of the peer's.
const EAGER: f64 = 1.0;
const COMPILE: f64 = 0.9;
/// Seconds for one measurement of one network.
const SECONDS: u64 = 60;
/// Seconds that a peer may wait until it measures: at most until the end of the check.
const WAITING: u64 = 3600;
/// Seconds to wait for the last peer to compile, once all parts before are done.
const COMPILING: u64 = 90;

fn networks(check: &Check) -> &'static [&'static str] {
    if check.tiny { &TINY } else { &NETWORKS }
}

/// The amount of work: batch, steps of a round, rounds.
fn amount(check: &Check) -> [&'static str; 6] {
    match check.tiny {
        true => ["--batch", "8", "--steps", "2", "--rounds", "2"],
        false => ["--batch", "128", "--steps", "24", "--rounds", "3"],
    }
}

/// Starts one peer per network: compiling takes up to a minute, on the CPU. Each waits until it may
/// measure. A test does not compile.
pub fn start_peers(check: &mut Check) {
    if check.python.fault.is_some() || check.tiny {
        return;
    }
    let start = |name: &str| {
        let peer = start_peer(check, name, "--wait", WAITING);
        (name.to_owned(), peer)
    };
    check.peers = networks(check).iter().map(|name| start(name)).collect();
}

fn start_peer(check: &Check, name: &str, how: &str, seconds: u64) -> Result<Running> {
    let mut command = std::process::Command::new(&check.python.program);
    command.arg(check.folder.join("peer.py")).arg(&check.device).arg(name).args(amount(check)).arg(how);
    // All peers compile at once; each would start as many workers as there are cores.
    command.env("TORCHINDUCTOR_COMPILE_THREADS", "3");
    // The default folder may hold what an earlier check compiled, or not be writable.
    command.env("TORCHINDUCTOR_CACHE_DIR", check.work("inductor")).env("TRITON_CACHE_DIR", check.work("triton"));
    check.start(&format!("peer-{name}{how}"), command, seconds)
}

pub fn speed(check: &mut Check) -> Result<Outcome> {
    let names = networks(check);
    wait_until_compiled(check, COMPILING);
    let mut rows = Vec::new();
    for &name in names {
        let words: Vec<&str> = amount(check).into_iter().chain([name]).collect();
        let ours = check.measure(&format!("speed-{name}"), "speed", &words, SECONDS);
        let peer = measure_peer(check, name);
        rows.push(row(name, ours, peer));
    }
    let goals = ["eager", "compile"].into_iter().zip([EAGER, COMPILE]).map(|(peer, goal)| judged(&rows, peer, goal));
    let failed = rows.iter().filter_map(|row| row["fault"].as_str().map(str::to_owned));
    let faults = failed.collect();
    Ok(Outcome { value: json!({"goals": goals.collect::<Vec<_>>(), "networks": rows}), faults })
}

/// Nothing else may run on the GPU while one is measured, so all peers have to be done with
/// compiling, or are stopped.
fn wait_until_compiled(check: &mut Check, seconds: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    for (name, peer) in &mut check.peers {
        let fault = loop {
            let Ok(running) = peer else { break None };
            if !running.values().is_empty() {
                break None;
            }
            match running.poll() {
                Ok(None) if Instant::now() < until => sleep(PAUSE),
                Ok(None) => break Some(anyhow::anyhow!("torch.compile of {name} took too long")),
                Ok(Some(_)) => break Some(running.fault("ended before it was ready")),
                Err(error) => break Some(error),
            }
        };
        if let Some(fault) = fault {
            *peer = Err(fault);
        }
    }
}

/// The peer's line, with a reason if something was not measured.
fn measure_peer(check: &mut Check, name: &str) -> Result<Value> {
    if let Some(fault) = &check.python.fault {
        anyhow::bail!("no PyTorch to compare with: {fault}");
    }
    let place = check.peers.iter().position(|(peer, _)| peer == name);
    let waiting = match place.map(|place| check.peers.swap_remove(place).1) {
        Some(Ok(mut running)) => {
            running.limit(SECONDS);
            running.say("measure").map(|()| running)
        }
        Some(Err(error)) => Err(error),
        None => Err(anyhow::anyhow!("not compiled at the sizes of a test")),
    };
    let last = |mut lines: Vec<Value>| lines.pop().context("the peer printed nothing");
    match waiting.and_then(Running::finish) {
        Ok(lines) => {
            let first = lines.first().cloned().unwrap_or_default();
            let mut line = last(lines)?;
            line["reason"] = first["reason"].clone();
            line["compile_seconds"] = first["seconds"].clone();
            Ok(line)
        }
        Err(error) => {
            let mut line = last(start_peer(check, name, "--eager", SECONDS)?.finish()?)?;
            line["reason"] = format!("{error:#}").into();
            Ok(line)
        }
    }
}

fn row(name: &str, ours: Result<Vec<Value>>, peer: Result<Value>) -> Value {
    let mut row = json!({"network": name, "ours": null, "eager": null, "compile": null});
    match ours {
        Ok(mut lines) => {
            let line = lines.swap_remove(0);
            row["ours"] = line["crops_per_second"].clone();
            for key in ["batch", "slowest", "fastest", "waiting_share"] {
                row[key] = line[key].clone();
            }
        }
        Err(error) => row["fault"] = format!("{error:#}").into(),
    }
    row["reason"] = row["fault"].clone();
    match peer {
        Ok(line) => {
            for key in ["eager", "compile", "compile_seconds"] {
                row[key] = line[key].clone();
            }
            if !line["reason"].is_null() {
                row["reason"] = line["reason"].clone();
            }
        }
        Err(error) => row["reason"] = format!("{error:#}").into(),
    }
    for peer in ["eager", "compile"] {
        let ratio = number(&row, "ours").and_then(|ours| Ok(ours / number(&row, peer)?)).ok();
        row[format!("ratio_{peer}")] = ratio.into();
    }
    row
}

/// The goal for the slowest network, compared with a peer.
fn judged(rows: &[Value], peer: &str, goal: f64) -> Value {
    let ratios: Vec<f64> = rows.iter().filter_map(|row| row[format!("ratio_{peer}")].as_f64()).collect();
    let lowest = ratios.iter().copied().reduce(f64::min);
    let name = format!("speed, lowest ratio to PyTorch ({peer})");
    // One network can miss the goal, but it is met only if each is measured.
    let met = lowest.map(|lowest| lowest >= goal).filter(|met| !met || ratios.len() == rows.len());
    json!({"name": name, "goal": goal, "value": lowest, "met": met})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_judged() {
        let ours = |speed: f64| Ok(vec![json!({"crops_per_second": speed, "batch": 8})]);
        let peer = Ok(json!({"eager": 100.0, "compile": 120.0}));
        let fast = row("a", ours(110.0), peer);
        assert_eq!((fast["ratio_eager"].as_f64(), fast["batch"].as_u64()), (Some(1.1), Some(8)));
        let slow = row("b", ours(99.0), Ok(json!({"eager": 100.0, "compile": null, "reason": "no compiler"})));
        assert_eq!((&slow["ratio_compile"], &slow["reason"]), (&Value::Null, &json!("no compiler")));
        assert_eq!(judged(std::slice::from_ref(&fast), "eager", 1.0)["met"], true);
        assert_eq!(judged(&[fast.clone(), slow.clone()], "eager", 1.0)["met"], false);
        assert_eq!(judged(&[fast, slow], "compile", 0.9)["met"], Value::Null);
        let broken = row("c", Err(anyhow::anyhow!("x")), Err(anyhow::anyhow!("y")));
        assert_eq!((&broken["fault"], &broken["reason"]), (&json!("x"), &json!("y")));
    }
}
