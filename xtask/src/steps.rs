//! Runs commands one after the other, with their names and times.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The steps so far.
pub struct Steps {
    root: PathBuf,
    done: Vec<(String, f64)>,
}

impl Steps {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), done: Vec::new() }
    }

    /// Runs one step; an error includes the step's name.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        eprintln!("== {name}");
        let start = Instant::now();
        work().with_context(|| format!("{name} failed"))?;
        self.done.push((name.to_owned(), start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Runs a command in the root of the checkout, as a step with the command as its name.
    pub fn run(&mut self, command: &mut Command) -> Result<()> {
        let mut name = shown(command);
        for (variable, value) in command.get_envs() {
            if let Some(value) = value {
                name = format!("{}='{}' {name}", variable.display(), value.display());
            }
        }
        command.current_dir(&self.root);
        self.step(&name, || run(command))
    }

    /// One line per step, with its duration in seconds.
    pub fn summary(&self) -> String {
        let lines: Vec<_> = self.done.iter().map(|(name, seconds)| format!("{seconds:8.1} s  {name}")).collect();
        let total: f64 = self.done.iter().map(|(_, seconds)| seconds).sum();
        format!("{}\n{total:8.1} s  in all", lines.join("\n"))
    }
}

/// Runs a command to its end without capturing its output.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{status}");
    }
    Ok(())
}

/// The stdout of a command.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", shown(command), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} did not print text", shown(command)))
}

/// The command as one would type it, without the folder of the program.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ")
}

/// The running `cargo`, with arguments given as one string.
pub fn cargo(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments.split_whitespace());
    command
}

/// The output of `cargo metadata` for the workspace.
pub fn metadata(root: &Path) -> Result<serde_json::Value> {
    let text = output(&mut cargo(root, "metadata --format-version 1 --locked"))?;
    serde_json::from_str(&text).context("cargo metadata printed no JSON")
}

/// The target folder of cargo.
pub fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root)?;
    Ok(metadata["target_directory"].as_str().context("cargo metadata names no target folder")?.into())
}

/// Makes `path` a symbolic link to `target`.
#[cfg(unix)]
pub fn link(target: &Path, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path).with_context(|| format!("cannot link {}", path.display()))
}

#[cfg(not(unix))]
pub fn link(_: &Path, path: &Path) -> Result<()> {
    bail!("cannot link {}: this works on Linux alone; docs/setup.md names the variables", path.display())
}
