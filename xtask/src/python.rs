//! The Python that downloads and unpacks: any version from 3.9 on, with pip.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A suitable interpreter.
pub struct Python(OsString);

impl Python {
    /// The first suitable one of `EARMARK_PYTHON` (only this, if it is set), `python3` and
    /// `python`.
    pub fn find() -> Result<Self> {
        let chosen = std::env::var_os("EARMARK_PYTHON").filter(|value| !value.is_empty());
        let names = match &chosen {
            Some(name) => vec![name.clone()],
            None => vec!["python3".into(), "python".into()],
        };
        let mut reasons = Vec::new();
        for name in names {
            match unfit(&name) {
                None => return Ok(Self(name)),
                Some(reason) => reasons.push(format!("{}: {reason}", name.display())),
            }
        }
        bail!("Python 3.9 or newer with pip is missing (EARMARK_PYTHON can name one): {}", reasons.join("; "))
    }

    /// A command that runs the interpreter.
    pub fn command(&self) -> Command {
        Command::new(&self.0)
    }

    /// Runs a script with arguments and returns its stdout; its stderr is shown.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Result<String> {
        let output = self
            .command()
            .arg("-c")
            .arg(script)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run Python")?;
        if !output.status.success() {
            bail!("Python ended with {}", output.status);
        }
        String::from_utf8(output.stdout).context("Python did not print text")
    }
}

/// The reason why an interpreter is not suitable; `None` if it is.
fn unfit(name: &OsString) -> Option<String> {
    let says = |arguments: &[&str]| Command::new(name).args(arguments).output();
    match says(&["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]) {
        Err(error) => return Some(error.to_string()),
        Ok(output) if !output.status.success() => return Some("older than 3.9, or broken".into()),
        Ok(_) => {}
    }
    match says(&["-m", "pip", "--version"]) {
        Ok(output) if output.status.success() => None,
        _ => Some("has no pip (`python3 -m ensurepip`, or the system's package python3-pip, brings it)".into()),
    }
}
