//! What every part of the check uses: programs, places, sizes and time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::process::Running;
use super::python::Python;

/// The file that makes a folder one of this check; it holds the CPU's scores of the quick start.
pub const PREPARED: &str = "prepared.json";

/// How much longer programs may run in a test.
const PATIENCE: u64 = 10;

/// What a part found.
pub struct Outcome {
    pub value: Value,
    /// What is wrong with it; none if the part has passed.
    pub faults: Vec<String>,
}

impl Outcome {
    pub fn passed(value: Value) -> Self {
        Self { value, faults: Vec::new() }
    }
}

/// A check that runs.
pub struct Check {
    /// The folder of the programs.
    pub folder: PathBuf,
    /// The folder of the results and of logs.
    pub out: PathBuf,
    /// The folder of data sets and runs.
    pub work: PathBuf,
    pub device: String,
    /// Whether the sizes are those of a test, on a CPU.
    pub tiny: bool,
    pub python: Python,
    pub deadline: Instant,
    /// The peers that compile; the speed takes them.
    pub peers: Vec<(String, Result<Running>)>,
    /// The data set for the epoch, while it is made.
    pub data: Option<Running>,
}

impl Check {
    /// A path for a data set or a run.
    pub fn work(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// A program of the folder.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        let libraries = [Some(self.folder.join("lib")), self.libtorch()].into_iter().flatten();
        let before = std::env::var_os("LD_LIBRARY_PATH").filter(|paths| !paths.is_empty());
        let paths = libraries.map(OsString::from).chain(before).collect::<Vec<_>>().join(&OsString::from(":"));
        command.env("LD_LIBRARY_PATH", paths);
        // What the user has set for training must not change what is measured.
        for variable in ["EARMARK_DEVICE", "EARMARK_JOBS", "EARMARK_THREADS", "EARMARK_FEATURE_CACHE"] {
            command.env_remove(variable);
        }
        command
    }

    /// The folder of libtorch's libraries: of LIBTORCH, which must be for the device, else of
    /// Python's PyTorch. Without both, the programs find what is beside them.
    fn libtorch(&self) -> Option<PathBuf> {
        let chosen = std::env::var_os("LIBTORCH").map(|folder| Path::new(&folder).join("lib"));
        let is_fit = |libraries: &PathBuf| self.device == "cpu" || libraries.join("libtorch_cuda.so").exists();
        chosen.filter(is_fit).or_else(|| self.python.libraries.clone())
    }

    /// `earmark` with words, and then paths.
    pub fn earmark(&self, words: &str) -> Command {
        let mut command = self.program("earmark");
        command.args(words.split_whitespace());
        command
    }

    /// Starts a program that may run for so many seconds, or until the end of the check.
    pub fn start(&self, name: &str, command: Command, seconds: u64) -> Result<Running> {
        // A test's machine may be busy with other tests.
        let seconds = if self.tiny { PATIENCE * seconds } else { seconds };
        let until = self.deadline.min(Instant::now() + Duration::from_secs(seconds));
        Running::start(command, &self.out.join("logs"), name, until)
    }

    /// Runs a program to its end.
    pub fn run(&self, name: &str, command: Command, seconds: u64) -> Result<Vec<Value>> {
        self.start(name, command, seconds)?.finish()
    }

    /// Runs the measuring program on the device, and returns its lines.
    pub fn measure(&self, name: &str, what: &str, words: &[&str], seconds: u64) -> Result<Vec<Value>> {
        let mut command = self.program("measure");
        command.arg(what).arg(&self.device).args(words);
        if self.tiny {
            command.args(["--threads", "2"]);
        }
        let lines = self.run(name, command, seconds)?;
        ensure!(!lines.is_empty(), "{name} printed nothing");
        Ok(lines)
    }
}

/// A number of a JSON object.
pub fn number(value: &Value, key: &str) -> Result<f64> {
    value[key].as_f64().with_context(|| format!("{key} is no number: {}", value[key]))
}
