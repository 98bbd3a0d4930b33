//! One folder with everything that the check needs, except PyTorch: programs, libraries, recipes,
//! the peer, and the CPU's scores of the quick start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::context::PREPARED;
use super::parts::QUICKSTART_DATA;
use crate::setup::setup;
use crate::steps::{Steps, cargo, run, target_folder};

/// The programs, as paths in the folder of cargo's profile.
const PROGRAMS: [&str; 3] = ["earmark", "earmark-train", "examples/measure"];
/// The folders of libraries in `.native/`; an install has one of the last two. All files are put in
/// one folder, which LD_LIBRARY_PATH names.
const LIBRARIES: [&str; 3] = ["xgboost/lib", "xgboost_cpu.libs", "xgboost.libs"];
/// Files of the checkout, and their places.
const FILES: [(&str, &str); 3] = [
    ("crates/training/examples/measure/peer.py", "peer.py"),
    ("recipes/quickstart.toml", "recipes/quickstart.toml"),
    ("recipes/dcase2018.toml", "recipes/dcase2018.toml"),
];

/// Builds the programs and assembles the folder, and with `carried` an archive of it. A check on
/// the CPU at the sizes of a test trains its own reference.
///
/// # Errors
/// With `carried`, an XGBoost for GPUs, whose library alone has hundreds of megabytes.
pub fn prepare(root: &Path, tiny: bool, carried: bool) -> Result<PathBuf> {
    ensure!(
        !(carried && root.join(".native/xgboost.libs").exists()),
        "XGBoost of `setup --cuda` is too large to be carried: remove .native/ and prepare again, which installs the \
         one for CPUs"
    );
    let mut steps = Steps::new(root);
    steps.step("setup", || setup(root, false))?;
    steps.run(&mut cargo(root, "build --release -p earmark --locked"))?;
    steps.run(&mut cargo(root, "build --release -p earmark-training --example measure --locked"))?;
    let target = target_folder(root)?;
    let (built, folder) = (target.join("release"), target.join("gpu-check"));
    let scores = if tiny { Value::Null } else { cpu_scores(root, &built.join("earmark"), &mut steps)? };
    steps.step("assemble", || assemble(root, &built, &folder, &scores))?;
    let archive = target.join("gpu-check.tar.gz");
    if carried {
        let mut tar = Command::new("tar");
        steps.run(tar.arg("-C").arg(&target).arg("-czf").arg(&archive).arg("gpu-check"))?;
    }
    eprintln!("{}", steps.summary());
    if carried {
        let megabytes = fs::metadata(&archive)?.len() as f64 / 1e6;
        eprintln!("{}: {megabytes:.1} MB", archive.display());
    }
    Ok(folder)
}

/// The scores of the quick start on this CPU, of the run that `cargo xtask quickstart` makes. The
/// same commands make it here; if it is finished, training it again changes nothing, and fails if
/// the recipe is another one.
fn cpu_scores(root: &Path, earmark: &Path, steps: &mut Steps) -> Result<Value> {
    let (recipe, folder) = ("recipes/quickstart.toml", root.join("runs/quickstart"));
    let (data, out) = (folder.join("data"), folder.join("run"));
    if !data.exists() {
        steps.run(Command::new(earmark).args(QUICKSTART_DATA.split_whitespace()).arg(&data))?;
    }
    let mut train = Command::new(earmark);
    train.args(["train", "--recipe", recipe, "--device", "cpu", "--data"]).arg(&data).arg("--out").arg(&out);
    steps.run(&mut train).context("remove runs/quickstart to train it again")?;
    let text = fs::read(out.join("results.json")).context("the quick start has no results.json")?;
    serde_json::from_slice(&text).context("results.json of the quick start")
}

fn assemble(root: &Path, built: &Path, folder: &Path, scores: &Value) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    for part in ["lib", "nets", "recipes"] {
        fs::create_dir_all(folder.join(part))?;
    }
    for program in PROGRAMS {
        let name = Path::new(program).file_name().context("a program has a name")?;
        strip(&built.join(program), &folder.join(name))?;
    }
    // Not by its name: cargo may have built another one meanwhile.
    let this = format!("/proc/{}/exe", std::process::id());
    strip(Path::new(&this), &folder.join("gpu-check"))?;
    for library in LIBRARIES.map(|library| root.join(".native").join(library)).iter().filter(|path| path.exists()) {
        // Their symbols stay: they are patched, and `strip` does not always understand such files.
        for file in files(library)? {
            let place = folder.join("lib").join(file.file_name().unwrap_or_default());
            fs::copy(&file, place).with_context(|| format!("cannot copy {}", file.display()))?;
        }
    }
    for (from, to) in FILES {
        fs::copy(root.join(from), folder.join(to)).with_context(|| format!("cannot copy {from}"))?;
    }
    // The networks in PyTorch import each other.
    for file in files(&root.join("golden/nets"))?.iter().filter(|file| file.extension().is_some_and(|end| end == "py"))
    {
        let place = folder.join("nets").join(file.file_name().unwrap_or_default());
        fs::copy(file, place).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    let prepared = json!({"version": env!("CARGO_PKG_VERSION"), "quickstart": scores});
    fs::write(folder.join(PREPARED), format!("{prepared:#}\n")).context("cannot write the scores")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(listing.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

/// Copies a program without its symbols.
fn strip(from: &Path, to: &Path) -> Result<()> {
    run(Command::new("strip").arg("-o").arg(to).arg(from)).with_context(|| format!("cannot copy {}", from.display()))
}
