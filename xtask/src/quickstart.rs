//! `cargo xtask quickstart`: the whole pipeline on the embedded data set.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::setup;
use crate::steps::{Steps, cargo, target_folder};

const DATA: &str = "runs/quickstart/data";
const RUN: &str = "runs/quickstart/run";
const BUNDLE: &str = "runs/quickstart/run/bundle";

pub fn quickstart(root: &Path) -> Result<()> {
    let mut steps = Steps::new(root);
    steps.step("setup", || setup(root, false))?;
    steps.run(&mut cargo(root, "build --release -p earmark --locked"))?;
    let binary = target_folder(root)?.join("release").join(format!("earmark{}", std::env::consts::EXE_SUFFIX));
    let earmark = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(arguments);
        command
    };
    steps.run(&mut earmark(&["synth", "--out", DATA, "--seed", "1", "--train-clips", "720", "--test-clips", "240"]))?;
    steps.run(&mut earmark(&["train", "--recipe", "recipes/quickstart.toml", "--data", DATA, "--out", RUN]))?;
    steps.run(&mut earmark(&["evaluate", RUN]))?;
    let clip = first_test_clip(root)?;
    let clip = clip.to_str().with_context(|| format!("{} is no Unicode path", clip.display()))?;
    steps.run(&mut earmark(&["tag", clip, "--model", BUNDLE]))?;

    eprintln!("== all done\n{}\n", steps.summary());
    eprintln!("Everything lies in {}:", root.join("runs/quickstart").display());
    for (path, what) in [
        (DATA, "the embedded data set: made sounds in the layout of FSDKaggle2018"),
        (RUN, "the run: recipe, folds, weights, out-of-fold probabilities, level 2, results.json"),
        (BUNDLE, "what tagging needs, and no more"),
    ] {
        eprintln!("  {path:<28} {what}");
    }
    eprintln!("Tag sounds of your own: {} tag FILE... --model {BUNDLE}", shortened(&binary, root).display());
    Ok(())
}

/// The first clip that is not in the training set.
fn first_test_clip(root: &Path) -> Result<PathBuf> {
    let folder = Path::new(DATA).join("audio_test");
    let listing = fs::read_dir(root.join(&folder)).with_context(|| format!("cannot read {}", folder.display()))?;
    let names: Vec<_> = listing.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    let first = names.into_iter().filter(|name| Path::new(name).extension() == Some(OsStr::new("wav"))).min();
    Ok(folder.join(first.with_context(|| format!("no WAV file in {}", folder.display()))?))
}

/// The path relative to the root of the checkout, if it is in there.
fn shortened<'a>(path: &'a Path, root: &Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}
