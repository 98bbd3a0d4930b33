//! Child programs with a time limit. Their output goes to files, so that nothing is lost when one
//! is killed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

/// The time between two looks at a child.
pub const PAUSE: Duration = Duration::from_millis(20);
/// Lines of stderr in an error.
const LINES: usize = 5;

/// A child that runs, in a process group of its own.
pub struct Running {
    child: Child,
    name: String,
    stdout: PathBuf,
    stderr: PathBuf,
    started: Instant,
    until: Instant,
}

impl Running {
    /// Starts a program. `name` names its files in the folder `logs`.
    pub fn start(mut command: Command, logs: &Path, name: &str, until: Instant) -> Result<Self> {
        fs::create_dir_all(logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let file = |end: &str| logs.join(format!("{name}.{end}"));
        let (stdout, stderr) = (file("out"), file("err"));
        let create = |path: &Path| File::create(path).with_context(|| format!("cannot write {}", path.display()));
        command.stdin(Stdio::piped()).stdout(create(&stdout)?).stderr(create(&stderr)?);
        // Programs that it starts itself are to end with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Self { child, name: name.to_owned(), stdout, stderr, started: Instant::now(), until })
    }

    /// Whether it has ended, and how. It is killed, and this is an error, when its time is over.
    pub fn poll(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait().with_context(|| format!("{} is lost", self.name))?;
        if status.is_none() && Instant::now() > self.until {
            self.kill();
            return Err(self.fault(&format!("was stopped after {:.0} s", self.started.elapsed().as_secs_f64())));
        }
        Ok(status)
    }

    /// Limits its time to so many seconds from now.
    pub fn limit(&mut self, seconds: u64) {
        self.until = self.until.min(Instant::now() + Duration::from_secs(seconds));
    }

    /// Waits for its end; an error has the last lines of stderr.
    pub fn finish(mut self) -> Result<Vec<Value>> {
        loop {
            if let Some(status) = self.poll()? {
                if !status.success() {
                    return Err(self.fault(&format!("ended with {status}")));
                }
                return Ok(self.values());
            }
            sleep(PAUSE);
        }
    }

    /// The JSON values on stdout so far, one per line.
    pub fn values(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.stdout).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Writes a line to its stdin.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("the child has no stdin")?;
        writeln!(stdin, "{line}").with_context(|| format!("{} does not read", self.name))
    }

    /// Kills its whole process group.
    pub fn kill(&mut self) {
        // The standard library has no signal to a group; the shell has.
        let _ =
            Command::new("sh").arg("-c").arg(format!("kill -9 -{}", self.child.id())).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// An error about it, with the last lines of stderr.
    pub fn fault(&self, what: &str) -> anyhow::Error {
        anyhow::anyhow!("{} {what}{}", self.name, self.last_lines())
    }

    fn last_lines(&self) -> String {
        let text = fs::read(&self.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        if last.is_empty() { String::new() } else { format!(": {}", last.join(" | ")) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str, seconds: u64) -> Running {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        let logs = std::env::temp_dir().join(format!("gpu-check-test-{}", std::process::id()));
        Running::start(command, &logs, name, Instant::now() + Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn values_and_faults_are_reported() {
        let values = shell("values", "echo '{\"a\": 1}'; echo noise; echo 2", 60).finish().unwrap();
        assert_eq!(values, [serde_json::json!({"a": 1}), 2.into()]);
        let error = shell("fault", "seq 9 >&2; exit 3", 60).finish().unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with(": 5 | 6 | 7 | 8 | 9"), "{error}");
        let mut reader = shell("reader", "read line; echo \"[$line]\"", 60);
        reader.say("7").unwrap();
        assert_eq!(reader.finish().unwrap(), [serde_json::json!([7])]);
    }

    #[test]
    fn a_group_is_killed_when_its_time_is_over() {
        let mut running = shell("slow", "sleep 600 & echo $!; echo late >&2; wait", 1);
        let error = loop {
            match running.poll() {
                Ok(status) => assert!(status.is_none()),
                Err(error) => break error.to_string(),
            }
            sleep(PAUSE);
        };
        assert!(error.contains("slow was stopped after 1 s: late"), "{error}");
        let grandchild = running.values()[0].as_u64().unwrap();
        // The system may need a moment to remove it; a zombie has no command line.
        let is_there = || fs::read(format!("/proc/{grandchild}/cmdline")).is_ok_and(|line| !line.is_empty());
        let since = Instant::now();
        while is_there() && since.elapsed() < Duration::from_secs(10) {
            sleep(PAUSE);
        }
        assert!(!is_there());
    }
}
