//! `cargo xtask gpu-check`: what a GPU computes, and how fast, against the CPU and PyTorch.
//!
//! The check is prepared where cargo is, as one folder of programs, and may run on another machine
//! that has neither Rust nor a network. Each part runs as programs of their own with a time limit,
//! and the results are written after each part, so that a part that fails or hangs costs no other
//! part its result.

mod context;
mod parts;
mod prepare;
mod process;
mod python;
mod smi;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use context::{Check, Outcome, PREPARED};
use parts::{PARTS, Part};
use python::Python;

/// The GPU that is checked.
const GPU: &str = "cuda:0";
/// Seconds for the whole check, so that it ends within ten minutes.
const SECONDS: u64 = 570;
/// The same in a test, on a machine that may be busy.
const TEST_SECONDS: u64 = 3600;

/// What the words of the command line choose.
#[derive(Debug, PartialEq)]
struct Options {
    prepare: bool,
    cpu: bool,
    out: PathBuf,
    /// Names of parts; all if empty.
    only: Vec<String>,
}

impl Options {
    fn of(words: &[&str]) -> Result<Self> {
        let mut options = Self { prepare: false, cpu: false, out: "gpu-check".into(), only: Vec::new() };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--prepare" => options.prepare = true,
                "--cpu" => options.cpu = true,
                "--out" => options.out = words.next().context("--out needs a folder")?.into(),
                "--only" => {
                    let names = words.next().context("--only needs names of parts")?;
                    options.only = names.split(',').map(str::to_owned).collect();
                }
                _ => bail!("gpu-check has no option {word}: it has --prepare, --cpu, --out and --only"),
            }
        }
        if let Some(name) = options.only.iter().find(|name| PARTS.iter().all(|part| part.name != name.as_str())) {
            bail!("gpu-check has no part {name}: it has {}", PARTS.map(|part| part.name).join(", "));
        }
        Ok(options)
    }
}

/// The folder of this program, if it is one that was prepared for the check.
pub fn prepared_folder() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    folder.join(PREPARED).is_file().then_some(folder)
}

/// Prepares the folder and runs the check from it.
pub fn gpu_check(root: &Path, words: &[&str]) -> Result<()> {
    let options = Options::of(words)?;
    ensure!(
        options.cpu || options.prepare || !smi::gpu(GPU).is_null(),
        "nvidia-smi finds no GPU here; --prepare makes the folder for a machine that has one, --cpu checks this CPU"
    );
    let folder = prepare::prepare(root, options.cpu, options.prepare)?;
    if options.prepare { Ok(()) } else { check(&folder, words) }
}

/// Runs the check from a prepared folder.
pub fn check(folder: &Path, words: &[&str]) -> Result<()> {
    let options = Options::of(words)?;
    ensure!(!options.prepare, "this folder is prepared already");
    let deadline = Instant::now() + Duration::from_secs(if options.cpu { TEST_SECONDS } else { SECONDS });
    fs::create_dir_all(&options.out).with_context(|| format!("cannot make {}", options.out.display()))?;
    let out = options.out.canonicalize().with_context(|| options.out.display().to_string())?;
    // Not in the folder of the results, which is small and may be copied.
    let work = std::env::temp_dir().join(format!("earmark-gpu-check-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let mut check = Check {
        folder: folder.canonicalize()?,
        out,
        work,
        device: if options.cpu { "cpu" } else { GPU }.to_owned(),
        tiny: options.cpu,
        python: Python::find(),
        deadline,
        peers: Vec::new(),
        data: None,
    };
    let result = run(&mut check, &options.only);
    let _ = fs::remove_dir_all(&check.work);
    let result = result?;
    println!("{result:#}");
    eprintln!("{}", table::table(&result, &PARTS.map(|part| part.name)));
    match failed(&result) {
        names if names.is_empty() => Ok(()),
        names => bail!("failed: {}", names.join(", ")),
    }
}

/// Runs the parts in order, and writes what is known after each.
fn run(check: &mut Check, only: &[String]) -> Result<Value> {
    let start = Instant::now();
    let mut result = json!({
        "format": 1, "device": check.device, "sizes": if check.tiny { "tiny" } else { "full" },
        "started": smi::now(), "parts": {},
    });
    let is_chosen = |name: &str| only.is_empty() || only.iter().any(|chosen| chosen == name);
    let mut is_background_started = false;
    for part in PARTS.iter().filter(|part| is_chosen(part.name)) {
        eprintln!("== {}: {}", part.name, part.title);
        if !part.is_alone && !is_background_started {
            is_background_started = true;
            start_background(check, &is_chosen);
        }
        let begin = Instant::now();
        let mut entry = entry(part, check);
        if part.name == "speed" {
            // Peers that were not needed must not disturb what follows.
            check.peers.clear();
        }
        entry["seconds"] = begin.elapsed().as_secs_f64().into();
        entry["correctness"] = part.is_correctness.into();
        eprintln!("   {}{}", table::text(&entry["status"]), table::reason(&entry));
        result["parts"][part.name] = entry;
        result["seconds"] = start.elapsed().as_secs_f64().into();
        write(&check.out.join("gpu-check.json"), &format!("{result:#}\n"))?;
        write(&check.out.join("gpu-check.md"), &table::table(&result, &PARTS.map(|part| part.name)))?;
    }
    Ok(result)
}

/// Starts what takes long on the CPU, for parts that come later.
fn start_background(check: &mut Check, is_chosen: &dyn Fn(&str) -> bool) {
    if is_chosen("speed") {
        parts::start_peers(check);
    }
    if is_chosen("epoch") {
        // A fault is reported by the part.
        check.data = parts::start_data(check).ok();
    }
}

fn entry(part: &Part, check: &mut Check) -> Value {
    let left = check.deadline.saturating_duration_since(Instant::now());
    if left < Duration::from_secs(part.least_seconds) {
        return json!({"status": "skipped", "reasons": ["out of time"]});
    }
    match (part.run)(check) {
        Ok(Outcome { value, faults }) => {
            let status = if faults.is_empty() { "passed" } else { "failed" };
            json!({"status": status, "reasons": faults, "result": value})
        }
        Err(error) => json!({"status": "failed", "reasons": [format!("{error:#}")]}),
    }
}

/// The parts that failed, and those on correctness that were skipped.
fn failed(result: &Value) -> Vec<String> {
    let parts = result["parts"].as_object().into_iter().flatten();
    let is_failed =
        |part: &Value| part["status"] == "failed" || part["status"] == "skipped" && part["correctness"] == true;
    parts.filter(|(_, part)| is_failed(part)).map(|(name, _)| name.clone()).collect()
}

/// Replaces a file in one step, so that a check that is killed leaves a whole one.
fn write(path: &Path, text: &str) -> Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).with_context(|| format!("cannot write {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let default = Options::of(&[]).unwrap();
        assert_eq!((default.cpu, default.out.as_path()), (false, Path::new("gpu-check")));
        let given = Options::of(&["--cpu", "--only", "compare,speed", "--out", "o"]).unwrap();
        assert_eq!((given.cpu, given.only), (true, vec!["compare".to_owned(), "speed".to_owned()]));
        for (words, reason) in [
            (&["--gpu"][..], "no option --gpu"),
            (&["--out"], "--out needs a folder"),
            (&["--only", "speed,x"], "no part x"),
        ] {
            assert!(Options::of(words).unwrap_err().to_string().contains(reason), "{words:?}");
        }
    }

    #[test]
    fn parts_that_failed_fail_the_check() {
        let part = |status: &str, correctness: bool| json!({"status": status, "correctness": correctness});
        let result = json!({"parts": {
            "a": part("passed", true), "b": part("failed", false), "c": part("skipped", false),
            "d": part("skipped", true), "e": part("failed", true)}});
        assert_eq!(failed(&result), ["b", "d", "e"]);
    }
}
