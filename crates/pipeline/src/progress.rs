//! The progress of a run's jobs, for progress bars and the like.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use earmark_training::Progress;

use crate::events::JobOutcome;
use crate::text::duration;
use crate::throughput::{JobCost, ThroughputEstimator};

/// The warm-up of a job ends with its first epoch in this process, or after this time.
const WARM_UP: Duration = Duration::from_secs(60);
/// After the warm-up, a job is timed for an epoch at a time, or for this time.
const PART: Duration = Duration::from_secs(30);

/// The number of jobs that are done, running and left, and the estimated time to the end. An
/// [`Observer`](crate::Observer) updates it from the events; it is displayed as one line.
#[derive(Debug)]
pub struct JobsProgress {
    estimator: ThroughputEstimator,
    jobs: usize,
    done: usize,
    failed: usize,
    running: BTreeMap<usize, RunningJob>,
}

/// A running job.
#[derive(Debug)]
struct RunningJob {
    /// The time of its first batch in this process.
    first: Instant,
    /// The epoch that it trains.
    epoch: usize,
    /// Whether it began in this process.
    is_whole: bool,
    /// When the part began that is timed, and what was left then; `None` during the warm-up.
    part: Option<(Instant, f64)>,
}

impl JobsProgress {
    /// Starts with the costs and the number of workers of
    /// [`Event::JobsStarted`](crate::Event::JobsStarted).
    pub fn new(costs: &[JobCost], workers: usize) -> Self {
        let estimator = ThroughputEstimator::new(costs, workers);
        Self { estimator, jobs: costs.len(), done: 0, failed: 0, running: BTreeMap::new() }
    }

    /// Sets the progress and the remaining cost of a job
    /// ([`Event::JobAdvanced`](crate::Event::JobAdvanced)).
    pub fn update(&mut self, job: usize, progress: Progress, left: f64) {
        self.update_at(Instant::now(), job, progress, left);
    }

    fn update_at(&mut self, now: Instant, job: usize, progress: Progress, left: f64) {
        self.estimator.advance(job, left);
        let (epoch, batches) = match progress {
            Progress::Learning(learning) => (learning.epoch, learning.batches),
            Progress::Predicting { .. } => (usize::MAX, usize::MAX),
        };
        let running = self.running.entry(job);
        let running = running.or_insert(RunningJob { first: now, epoch, is_whole: batches <= 1, part: None });
        let is_new = epoch > running.epoch;
        running.epoch = epoch;
        match running.part {
            Some((begin, before)) if is_new || now - begin >= PART => {
                self.estimator.measure_part(job, before - left, (now - begin).as_secs_f64());
                running.part = Some((now, left));
            }
            None if is_new || now - running.first >= WARM_UP => running.part = Some((now, left)),
            _ => {}
        }
        if matches!(progress, Progress::Predicting { .. }) {
            // Predictions have another speed than training.
            running.part = None;
            running.first = now;
        }
    }

    /// Records that a job has ended after so many seconds
    /// ([`Event::JobFinished`](crate::Event::JobFinished)).
    pub fn finish(&mut self, job: usize, outcome: JobOutcome, seconds: f64) {
        let running = self.running.remove(&job);
        match outcome {
            JobOutcome::Done => {
                self.done += 1;
                if running.is_some_and(|running| running.is_whole) {
                    self.estimator.measure_job(job, seconds);
                }
            }
            JobOutcome::DoneBefore => self.done += 1,
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
    use earmark_training::Learning;

    use super::*;

    fn costs(kind: &'static str, count: usize) -> Vec<JobCost> {
        vec![JobCost { cost: 100.0, learner: "l".to_owned(), kind }; count]
    }

    fn batch(epoch: usize, batches: usize) -> Progress {
        Progress::Learning(Learning { epoch, batches, ..Learning::default() })
    }

    #[test]
    fn jobs_are_counted() {
        let mut jobs = JobsProgress::new(&costs("network", 3), 1);
        jobs.update(0, batch(1, 1), 50.0);
        assert_eq!(jobs.to_string(), "0 of 3 done, 1 running, 2 left");
        jobs.finish(0, JobOutcome::Failed, 1.0);
        jobs.finish(1, JobOutcome::DoneBefore, 0.0);
        jobs.finish(2, JobOutcome::Cancelled, 1.0);
        assert_eq!((jobs.to_string().as_str(), jobs.ended()), ("1 of 3 done, 1 failed, 0 running, 1 left", 2));
    }

    /// Ten epochs of two batches: the first batch of a process takes as long as many others.
    #[test]
    fn the_first_epoch_gives_no_estimate() {
        let mut jobs = JobsProgress::new(&costs("network", 2), 1);
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let left = |batches: usize| 100.0 - 5.0 * batches as f64;
        for (seconds, epoch, batches) in [(10.0, 1, 1), (15.0, 1, 2), (16.0, 2, 3), (16.5, 2, 4)] {
            jobs.update_at(at(seconds), 0, batch(epoch, batches), left(batches));
            assert!(!jobs.to_string().contains("to the end"), "{jobs}");
        }
        jobs.update_at(at(17.0), 0, batch(3, 5), left(5));
        // 75 and 100 at 10 per second.
        assert!(jobs.to_string().ends_with(", 18 s to the end"), "{jobs}");
        // Predictions are not timed.
        jobs.update_at(at(26.0), 0, Progress::Predicting { windows: 0, of: 9 }, 1.0);
        let before = jobs.estimator.seconds_left();
        jobs.update_at(at(900.0), 0, Progress::Predicting { windows: 4, of: 9 }, 1.0);
        jobs.update_at(at(999.0), 0, Progress::Predicting { windows: 5, of: 9 }, 1.0);
        assert_eq!(jobs.estimator.seconds_left(), before);
        jobs.finish(0, JobOutcome::Done, 1_000.0);
        assert!(jobs.to_string().ends_with(", 17 min to the end"), "a whole job: {jobs}");
    }

    #[test]
    fn a_long_epoch_is_timed_in_parts() {
        let mut jobs = JobsProgress::new(&costs("network", 1), 1);
        let start = Instant::now();
        for (seconds, batches) in [(0, 1), (30, 2), (61, 3), (80, 4)] {
            jobs.update_at(start + Duration::from_secs(seconds), 0, batch(1, batches), 100.0 - batches as f64);
            assert!(!jobs.to_string().contains("to the end"), "{seconds}: {jobs}");
        }
        jobs.update_at(start + Duration::from_secs(91), 0, batch(1, 6), 94.0);
        // 3 in 30 seconds.
        assert!(jobs.to_string().ends_with(", 16 min to the end"), "{jobs}");
    }

    /// A fit at once reports nothing until it ends.
    #[test]
    fn a_kernel_is_timed_as_a_whole() {
        let mut jobs = JobsProgress::new(&costs("kernel", 3), 1);
        let start = Instant::now();
        jobs.update_at(start, 0, batch(1, 1), 0.001);
        jobs.update_at(start + Duration::from_secs(1), 0, Progress::Predicting { windows: 9, of: 9 }, 0.0);
        assert!(!jobs.to_string().contains("to the end"), "{jobs}");
        jobs.finish(0, JobOutcome::Done, 4.0);
        assert!(jobs.to_string().ends_with("1 of 3 done, 0 running, 2 left, 8 s to the end"), "{jobs}");
    }
}
