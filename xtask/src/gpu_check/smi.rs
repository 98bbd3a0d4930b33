//! `nvidia-smi`: what a GPU is, and how busy it is over time.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

const PROGRAM: &str = "nvidia-smi";

/// One look at the GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Seconds since 1970.
    pub at: f64,
    /// Percent of the time in which a kernel ran.
    pub utilization: f64,
    pub watts: f64,
    /// MiB in use by all programs.
    pub memory: f64,
}

/// Looks at the GPU ten times per second until it is stopped.
pub struct Sampler {
    child: Child,
    reader: Option<JoinHandle<Vec<Sample>>>,
}

impl Sampler {
    /// `None` for a CPU, or without `nvidia-smi`.
    pub fn start(device: &str) -> Option<Self> {
        let number = device.strip_prefix("cuda:")?;
        let mut command = Command::new(PROGRAM);
        // The instantaneous power is new; the other one is its mean over a second.
        command.args(["-i", number, "--format=csv,noheader,nounits", "-lms", "100"]);
        command.arg("--query-gpu=utilization.gpu,power.draw,power.draw.instant,memory.used");
        Self::of(command)
    }

    fn of(mut command: Command) -> Option<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let stdout = child.stdout.take()?;
        let read = || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.filter_map(|line| Sample::parse(&line, now())).collect()
        };
        Some(Self { child, reader: Some(std::thread::spawn(read)) })
    }

    /// All samples.
    pub fn stop(mut self) -> Vec<Sample> {
        let _ = self.child.kill();
        self.reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sample {
    fn parse(line: &str, at: f64) -> Option<Self> {
        let numbers: Vec<Option<f64>> = line.split(',').map(|word| word.trim().parse().ok()).collect();
        let [utilization, mean, instant, memory] = numbers[..] else { return None };
        Some(Self { at, utilization: utilization?, watts: instant.or(mean)?, memory: memory? })
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The mean of a quantity over some stretches of time; `None` without a sample in them.
pub fn mean(samples: &[Sample], spans: &[[f64; 2]], quantity: fn(&Sample) -> f64) -> Option<f64> {
    let is_within = |sample: &&Sample| spans.iter().any(|[from, to]| (*from..=*to).contains(&sample.at));
    let values: Vec<f64> = samples.iter().filter(is_within).map(quantity).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The GPU's name, its driver's version and its power limit; null without them.
pub fn gpu(device: &str) -> Value {
    let Some(number) = device.strip_prefix("cuda:") else { return Value::Null };
    let mut command = Command::new(PROGRAM);
    command.args(["-i", number, "--format=csv,noheader", "--query-gpu=name,driver_version,power.limit,memory.total"]);
    let Ok(output) = command.stderr(Stdio::null()).output() else { return Value::Null };
    let text = String::from_utf8_lossy(&output.stdout);
    let words: Vec<&str> = text.lines().next().unwrap_or_default().split(',').map(str::trim).collect();
    let [name, driver, power, memory] = words[..] else { return Value::Null };
    json!({"name": name, "driver": driver, "power_limit": power, "memory": memory})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let sample = Sample { at: 1.0, utilization: 97.0, watts: 412.5, memory: 1024.0 };
        assert_eq!(Sample::parse("97, 398.12, 412.50, 1024", 1.0), Some(sample));
        let older = Sample::parse("97, 398.12, [N/A], 1024", 1.0);
        assert_eq!(older, Some(Sample { watts: 398.12, ..sample }));
        for line in ["", "No devices were found", "97, [N/A], [N/A], 1024", "1, 2, 3"] {
            assert_eq!(Sample::parse(line, 1.0), None, "{line}");
        }
    }

    #[test]
    fn means_are_of_the_spans() {
        let samples = [1.0, 2.0, 3.0, 4.0].map(|at| Sample { at, utilization: 10.0 * at, watts: 1.0, memory: 1.0 });
        let mean = |spans: &[[f64; 2]]| mean(&samples, spans, |sample| sample.utilization);
        assert_eq!(mean(&[[1.5, 3.5]]), Some(25.0));
        assert_eq!(mean(&[[0.5, 1.5], [3.5, 9.0]]), Some(25.0));
        assert_eq!(mean(&[[5.0, 9.0]]), None);
    }

    #[cfg(unix)]
    #[test]
    fn samples_are_taken_until_the_end() {
        let mut command = Command::new("sh");
        command.arg("-c").arg("while :; do echo '50, 100, 200, 300'; sleep 0.01; done");
        let sampler = Sampler::of(command).unwrap();
        let start = now();
        std::thread::sleep(std::time::Duration::from_millis(500));
        let samples = sampler.stop();
        assert!(samples.len() > 1, "{samples:?}");
        assert!(samples.iter().all(|sample| sample.watts == 200.0 && (start - 1.0..=now()).contains(&sample.at)));
        assert!(Sampler::start("cpu").is_none());
    }
}
