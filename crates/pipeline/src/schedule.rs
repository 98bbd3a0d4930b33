//! Which job runs where, and when the last one ends: devices, shards. Nothing here runs a job.

use std::cmp::Reverse;
use std::str::FromStr;

use crate::error::{PipelineError, Result};

/// The device that needs no GPU.
pub const CPU: &str = "cpu";

/// Checks that these devices can be used together.
///
/// # Errors
/// [`PipelineError::Options`].
pub(crate) fn check_together(devices: &[String]) -> Result<()> {
    for (index, device) in devices.iter().enumerate() {
        if devices[..index].contains(device) {
            return Err(PipelineError::Options(format!(
                "--device: {device} is named twice; --jobs N gives a device several jobs at once"
            )));
        }
    }
    match devices.len() < 2 || devices.iter().all(|device| device != CPU) {
        true => Ok(()),
        false => Err(PipelineError::Options(
            "--device: cpu and GPUs cannot be combined: a job on the CPU would take many times as long as the others"
                .to_owned(),
        )),
    }
}

/// The device of each worker. There are as many workers as are `wanted`, but no more than jobs, and
/// they are assigned to the devices in turn. The default is one for each thread of the CPU, or one
/// for each GPU.
pub(crate) fn workers(devices: &[String], wanted: Option<usize>, threads: usize, jobs: usize) -> Vec<&str> {
    let usual = if devices.iter().any(|device| device == CPU) { threads } else { devices.len() };
    let count = wanted.unwrap_or(usual).clamp(1, jobs.max(1));
    devices.iter().map(String::as_str).cycle().take(count).collect()
}

/// The GPUs on which more than one job runs at once.
pub(crate) fn shared_gpus<'a>(devices: &[&'a str]) -> Vec<&'a str> {
    let is_shared = |(index, device): &(usize, &&str)| {
        **device != CPU && devices[..*index].iter().filter(|other| other == device).count() == 1
    };
    devices.iter().enumerate().filter(is_shared).map(|(_, &device)| device).collect()
}

/// A shard of the jobs: `2/3` is the second of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// The index of the shard, counted from 0.
    index: usize,
    of: usize,
}

/// More shards than any cluster needs.
const MOST_SHARDS: usize = 100_000;

impl Shard {
    /// Shard `number` of `of`, counted from 1.
    ///
    /// # Errors
    /// There is no such shard.
    pub fn new(number: usize, of: usize) -> Result<Self> {
        match (1..=of).contains(&number) {
            true if of > MOST_SHARDS => {
                Err(PipelineError::Options(format!("{of} shards are too many (at most {MOST_SHARDS})")))
            }
            true => Ok(Self { index: number - 1, of }),
            false => Err(PipelineError::Options(format!("shards are counted from 1: 1/{0} to {0}/{0}", of.max(1)))),
        }
    }

    /// Which of the jobs with these costs belong to this shard. Every shard computes the same
    /// assignment.
    pub(crate) fn selects(&self, costs: &[u64]) -> Vec<bool> {
        assign_shards(costs, self.of).iter().map(|&shard| shard == self.index).collect()
    }
}

impl FromStr for Shard {
    type Err = PipelineError;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let (number, of) = numbers
            .ok_or_else(|| PipelineError::Options(format!("{text:?} is not a shard; write I/N, such as 1/3")))?;
        Self::new(number, of)
    }
}

/// The shard of each job: the most expensive jobs first, each assigned to the shard with the least
/// work.
fn assign_shards(costs: &[u64], shards: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&job| Reverse(costs[job]));
    let (mut loads, mut dealt) = (vec![0; shards], vec![0; costs.len()]);
    for job in order {
        let least = (0..shards).min_by_key(|&shard| loads[shard]).unwrap_or(0);
        loads[least] += u128::from(costs[job]);
        dealt[job] = least;
    }
    dealt
}

/// The time at which the last job ends if each one, in this order, begins as soon as a worker is
/// free.
pub(crate) fn makespan(costs: impl IntoIterator<Item = f64>, workers: usize) -> f64 {
    let mut busy_until = vec![0.0f64; workers.max(1)];
    for cost in costs {
        if let Some(first) = busy_until.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *first += cost;
        }
    }
    busy_until.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(names: &str) -> Vec<String> {
        names.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn jobs_are_spread_over_devices() {
        let spread = |names: &str, wanted, jobs| workers(&devices(names), wanted, 8, jobs).join(" ");
        assert_eq!(spread("gpu:0,gpu:1", None, 12), "gpu:0 gpu:1");
        assert_eq!(spread("gpu:0,gpu:1", Some(4), 12), "gpu:0 gpu:1 gpu:0 gpu:1");
        assert_eq!(spread("gpu:0,gpu:1,gpu:2", Some(4), 12), "gpu:0 gpu:1 gpu:2 gpu:0");
        assert_eq!(spread("gpu:0,gpu:1", Some(1), 12), "gpu:0");
        assert_eq!(spread("gpu:0,gpu:1", None, 1), "gpu:0", "no worker without a job");
        assert_eq!(spread("gpu:3", None, 12), "gpu:3");
        assert_eq!(spread("cpu", None, 12), ["cpu"; 8].join(" "));
        assert_eq!(spread("cpu", Some(2), 12), "cpu cpu");
        assert_eq!(spread("cpu", Some(0), 0), "cpu");
    }

    #[test]
    fn a_gpu_is_shared_by_its_second_job() {
        assert_eq!(shared_gpus(&["cpu", "cpu"]), [""; 0]);
        assert_eq!(shared_gpus(&["cuda:0", "cuda:1"]), [""; 0]);
        assert_eq!(shared_gpus(&["cuda:0", "cuda:1", "cuda:0", "cuda:0"]), ["cuda:0"]);
        assert_eq!(shared_gpus(&["cuda:0", "cuda:1", "cuda:0", "cuda:1"]), ["cuda:0", "cuda:1"]);
    }

    #[test]
    fn devices_that_do_not_go_together_are_refused() {
        for good in ["cpu", "cuda:0", "cuda:1,cuda:0"] {
            check_together(&devices(good)).unwrap();
        }
        for (bad, reason) in [
            ("cpu,cpu", "cpu is named twice; --jobs N"),
            ("cuda:0,cuda:1,cuda:0", "cuda:0 is named twice"),
            ("cuda:0,cpu", "cannot be combined"),
        ] {
            let message = check_together(&devices(bad)).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn shards_are_named_from_one() {
        assert_eq!("1/3".parse::<Shard>().unwrap(), Shard { index: 0, of: 3 });
        assert_eq!("3/3".parse::<Shard>().unwrap(), Shard { index: 2, of: 3 });
        for bad in ["0/3", "4/3", "0/0", "1", "1/", "/3", "a/3", "-1/3", "1/3/3", "1.0/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_job_is_one_shard_s_and_shards_cost_alike() {
        // Two learners of six jobs each, one of them ten times as expensive as the other.
        let costs: Vec<u64> = (0..12).map(|job| if job % 2 == 0 { 1_000 + job } else { 100 + job }).collect();
        for of in 1..=20 {
            let taken: Vec<Vec<bool>> = (0..of).map(|index| Shard { index, of }.selects(&costs)).collect();
            let takers = |job: usize| taken.iter().filter(|jobs| jobs[job]).count();
            assert!((0..costs.len()).all(|job| takers(job) == 1));
            let load = |jobs: &Vec<bool>| jobs.iter().zip(&costs).filter(|(own, _)| **own).map(|(_, cost)| cost).sum();
            let loads: Vec<u64> = taken.iter().map(load).collect();
            // No shard gets a job while another one has less work.
            let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
            assert!(most - least <= costs[10], "{of}: {loads:?}");
            assert!(of != 3 || most - least <= 10, "two dear and two cheap ones each: {loads:?}");
        }
        assert_eq!(assign_shards(&[5, 5, 5, 5], 2), [0, 1, 0, 1]);
        assert_eq!(assign_shards(&[1, 9, 5, 4], 2), [0, 0, 1, 1]);
        assert_eq!(assign_shards(&[u64::MAX, u64::MAX, u64::MAX], 1), [0, 0, 0]);
    }

    #[test]
    fn the_end_is_that_of_the_last_job() {
        assert_eq!(makespan([3.0, 3.0, 3.0], 2), 6.0);
        assert_eq!(makespan([1.0, 5.0, 1.0, 1.0, 1.0], 2), 5.0);
        assert_eq!(makespan([4.0, 4.0], 8), 4.0);
        assert_eq!(makespan([], 2), 0.0);
        assert_eq!(makespan([1.0, 2.0], 0), 3.0);
    }
}
