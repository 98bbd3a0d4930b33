//! `cargo xtask golden`: golden values from the Python reference libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::python::Python;
use crate::setup::{cache_folder, setup};
use crate::steps::{Steps, cargo, output, run, target_folder};

const REQUIREMENTS: &str = "golden/requirements.txt";

/// Runs every `golden/*/make.py`, which writes its values next to itself.
pub fn make(root: &Path) -> Result<()> {
    let python = environment(root)?;
    let mut steps = Steps::new(root);
    for script in scripts(root, "make.py")? {
        steps.run(Command::new(&python).arg(script))?;
    }
    eprintln!("== made again; `git diff --stat golden` shows what differs\n{}", steps.summary());
    Ok(())
}

/// Runs every `golden/*/check.py` with the path of the earmark binary, for comparisons with weights
/// that are too large to commit.
pub fn check(root: &Path) -> Result<()> {
    let python = environment(root)?;
    setup(root, false)?;
    let mut steps = Steps::new(root);
    steps.run(&mut cargo(root, "build --release -p earmark --locked"))?;
    let binary = target_folder(root)?.join("release/earmark");
    for script in scripts(root, "check.py")? {
        steps.run(Command::new(&python).arg(script).arg(&binary))?;
    }
    eprintln!("== every comparison holds\n{}", steps.summary());
    Ok(())
}

/// The paths of all scripts of this name, relative to the root; there is one per folder of
/// `golden/`.
fn scripts(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(root.join("golden")).context("cannot read golden/")? {
        let script = Path::new("golden").join(entry?.file_name()).join(name);
        if root.join(&script).is_file() {
            scripts.push(script);
        }
    }
    if scripts.is_empty() {
        bail!("golden/ holds no {name}");
    }
    scripts.sort();
    Ok(scripts)
}

/// The interpreter of a virtual environment with the pinned reference libraries.
fn environment(root: &Path) -> Result<PathBuf> {
    let requirements = fs::read_to_string(root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    virtual_environment("golden", &requirements)
}

/// The interpreter for the tests that use Python, with NumPy, ONNX, ONNX Runtime and soxr in the
/// pinned versions.
pub fn for_tests(root: &Path) -> Result<PathBuf> {
    let requirements = fs::read_to_string(root.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    let names = ["numpy==", "onnx==", "onnxruntime==", "soxr=="];
    let needed = |line: &&str| names.iter().any(|name| line.starts_with(name));
    virtual_environment(
        "tests",
        &requirements.lines().filter(needed).map(|line| format!("{line}\n")).collect::<String>(),
    )
}

/// The interpreter of a virtual environment in the cache folder, which is created again if its
/// requirements have changed.
fn virtual_environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = cache_folder()?.join(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("earmark-requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) {
        return Ok(python);
    }
    eprintln!("installing Python libraries into {}", folder.display());
    output(Python::find()?.command().args(["-m", "venv", "--clear"]).arg(&folder)).context("no virtual environment")?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).with_context(|| format!("cannot write {}", list.display()))?;
    let install = ["-m", "pip", "install", "--quiet", "--no-cache-dir", "--requirement"];
    run(Command::new(&python).args(install).arg(&list))
        .with_context(|| format!("cannot install {}", list.display()))?;
    fs::write(&stamp, requirements).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}
