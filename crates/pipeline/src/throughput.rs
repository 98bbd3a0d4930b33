//! The remaining time of jobs, from the speed of those that have been trained.

use std::collections::BTreeMap;

use crate::schedule::makespan;

/// The estimated cost of a job, and what its speed depends on: a kernel machine and a network of
/// the same cost in FLOPs take very different times.
#[derive(Debug, Clone, PartialEq)]
pub struct JobCost {
    /// The cost, in an arbitrary unit.
    pub cost: f64,
    /// The name of the learner.
    pub learner: String,
    /// The kind of the learner: `network`, `kernel` or `linear`.
    pub kind: &'static str,
}

/// Work that was timed: its cost, and the worker seconds that it took.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    cost: f64,
    seconds: f64,
}

impl Measured {
    fn add(&mut self, cost: f64, seconds: f64) {
        self.cost += cost;
        self.seconds += seconds;
    }
}

/// The remaining cost of jobs, and the speed of each learner so far.
#[derive(Debug)]
pub struct ThroughputEstimator {
    jobs: Vec<JobCost>,
    /// The remaining cost of each job, by index. The jobs begin in this order.
    left: BTreeMap<usize, f64>,
    workers: usize,
    /// Parts of jobs after their warm-up, by learner.
    parts: BTreeMap<String, Measured>,
    /// Whole jobs, by learner.
    whole: BTreeMap<String, Measured>,
}

impl ThroughputEstimator {
    /// Starts with jobs none of which has begun.
    pub fn new(jobs: &[JobCost], workers: usize) -> Self {
        let left = jobs.iter().map(|job| job.cost).enumerate().collect();
        Self { jobs: jobs.to_vec(), left, workers, parts: BTreeMap::new(), whole: BTreeMap::new() }
    }

    /// Sets the remaining cost of a job.
    pub fn advance(&mut self, job: usize, left: f64) {
        if let Some(cost) = self.left.get_mut(&job) {
            *cost = left;
        }
    }

    /// Records that a part of a job of this cost took so many seconds.
    pub fn measure_part(&mut self, job: usize, cost: f64, seconds: f64) {
        if let Some(job) = self.jobs.get(job).filter(|_| cost > 0.0 && seconds > 0.0) {
            self.parts.entry(job.learner.clone()).or_default().add(cost, seconds);
        }
    }

    /// Records that a job took so many seconds from its begin to its end.
    pub fn measure_job(&mut self, job: usize, seconds: f64) {
        if let Some(job) = self.jobs.get(job).filter(|job| job.cost > 0.0 && seconds > 0.0) {
            self.whole.entry(job.learner.clone()).or_default().add(job.cost, seconds);
        }
    }

    /// Records that a job has ended.
    pub fn end(&mut self, job: usize) {
        self.left.remove(&job);
    }

    /// Estimated seconds until all jobs have ended; `None` while the speed of a kind of learner is
    /// unknown. The speed of a learner that was not measured is that of the others of its kind.
    pub fn seconds_left(&self) -> Option<f64> {
        let seconds = |(&job, &left): (&usize, &f64)| {
            let job = self.jobs.get(job)?;
            let measured = self.measured(&job.learner).or_else(|| self.measured_kind(job.kind))?;
            Some(left * measured.seconds / measured.cost)
        };
        let seconds = self.left.iter().map(seconds).collect::<Option<Vec<f64>>>()?;
        Some(makespan(seconds, self.workers))
    }

    /// What was measured of a learner: whole jobs if there are any, because they include the
    /// warm-up and the predictions of each job.
    fn measured(&self, learner: &str) -> Option<Measured> {
        self.whole.get(learner).or_else(|| self.parts.get(learner)).copied()
    }

    fn measured_kind(&self, kind: &str) -> Option<Measured> {
        let mut learners: Vec<&str> =
            self.jobs.iter().filter(|job| job.kind == kind).map(|job| job.learner.as_str()).collect();
        learners.dedup();
        let measured = learners.into_iter().filter_map(|learner| self.measured(learner));
        measured.reduce(|a, b| Measured { cost: a.cost + b.cost, seconds: a.seconds + b.seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(learner: &str, kind: &'static str, cost: f64) -> JobCost {
        JobCost { cost, learner: learner.to_owned(), kind }
    }

    #[test]
    fn the_time_to_the_end_follows_the_speed_of_each_learner() {
        let jobs = [100.0, 100.0, 50.0].map(|cost| job("a", "network", cost));
        let mut estimator = ThroughputEstimator::new(&jobs, 2);
        assert_eq!(estimator.seconds_left(), None);
        // Half of it was done yesterday, which does not count for today's speed.
        estimator.advance(0, 50.0);
        assert_eq!(estimator.seconds_left(), None);
        // Two workers, each with a speed of 10 per second.
        estimator.measure_part(0, 10.0, 1.0);
        estimator.measure_part(1, 20.0, 2.0);
        estimator.advance(0, 40.0);
        estimator.advance(1, 80.0);
        assert_eq!(estimator.seconds_left(), Some(9.0), "40 and then 50, beside 80");
        estimator.end(0);
        assert_eq!(estimator.seconds_left(), Some(8.0), "80 beside 50");
        // A whole job, with its warm-up, is half as fast.
        estimator.measure_job(0, 20.0);
        assert_eq!(estimator.seconds_left(), Some(16.0));
        estimator.end(1);
        estimator.end(2);
        assert_eq!(estimator.seconds_left(), Some(0.0));
        estimator.measure_part(7, 1.0, 1.0);
        assert_eq!(estimator.seconds_left(), Some(0.0), "no such job");
    }

    #[test]
    fn a_kind_that_was_not_measured_has_no_time() {
        let jobs = [job("k", "kernel", 1e9), job("a", "network", 100.0), job("b", "network", 300.0)];
        let mut estimator = ThroughputEstimator::new(&jobs, 1);
        estimator.measure_job(0, 1.0);
        estimator.end(0);
        assert_eq!(estimator.seconds_left(), None, "a kernel says nothing about a network");
        estimator.measure_part(1, 10.0, 1.0);
        assert_eq!(estimator.seconds_left(), Some(40.0), "another network may be like the first");
        estimator.measure_part(2, 10.0, 5.0);
        assert_eq!(estimator.seconds_left(), Some(160.0));
    }
}
