//! The progress of a run's jobs, for progress bars and the like.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use crate::events::JobOutcome;
use crate::schedule::ThroughputEstimator;
use crate::text::duration;

/// The number of jobs that are done, running and left, and the estimated time to the end. An
/// [`Observer`](crate::Observer) updates it from the events; it is displayed as one line.
#[derive(Debug)]
pub struct JobsProgress {
    estimator: ThroughputEstimator,
    jobs: usize,
    done: usize,
    failed: usize,
    /// When each running job was last updated.
    running: BTreeMap<usize, Instant>,
}

impl JobsProgress {
    /// Starts with the costs and the number of workers of
    /// [`Event::JobsStarted`](crate::Event::JobsStarted).
    pub fn new(costs: &[f64], workers: usize) -> Self {
        let estimator = ThroughputEstimator::new(costs.iter().copied(), workers);
        Self { estimator, jobs: costs.len(), done: 0, failed: 0, running: BTreeMap::new() }
    }

    /// Sets the remaining cost of a job ([`Event::JobAdvanced`](crate::Event::JobAdvanced)).
    pub fn update(&mut self, job: usize, left: f64) {
        match self.running.insert(job, Instant::now()) {
            Some(last) => self.estimator.work(job, left, last.elapsed().as_secs_f64()),
            None => self.estimator.resume(job, left),
        }
    }

    /// Records that a job has ended ([`Event::JobFinished`](crate::Event::JobFinished)).
    pub fn finish(&mut self, job: usize, outcome: JobOutcome) {
        self.running.remove(&job);
        match outcome {
            JobOutcome::Done | JobOutcome::DoneBefore => self.done += 1,
            JobOutcome::Failed => self.failed += 1,
            // The job may still be tried again, or will not be.
            JobOutcome::Cancelled | JobOutcome::Elsewhere => return,
        }
        self.estimator.end(job);
    }

    /// The number of jobs that are done or have failed.
    pub fn ended(&self) -> usize {
        self.done + self.failed
    }
}

impl fmt::Display for JobsProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} done, ", self.done, self.jobs)?;
        if self.failed > 0 {
            write!(f, "{} failed, ", self.failed)?;
        }
        let running = self.running.len();
        write!(f, "{running} running, {} left", self.jobs.saturating_sub(self.ended() + running))?;
        match self.estimator.seconds_left() {
            Some(seconds) => write!(f, ", {} to the end", duration(seconds)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted() {
        let mut jobs = JobsProgress::new(&[1e9, 1e9, 1e9], 1);
        jobs.update(0, 5e8);
        assert_eq!(jobs.to_string(), "0 of 3 done, 1 running, 2 left");
        jobs.finish(0, JobOutcome::Failed);
        jobs.finish(1, JobOutcome::DoneBefore);
        jobs.finish(2, JobOutcome::Cancelled);
        assert_eq!((jobs.to_string().as_str(), jobs.ended()), ("1 of 3 done, 1 failed, 0 running, 1 left", 2));
    }
}
