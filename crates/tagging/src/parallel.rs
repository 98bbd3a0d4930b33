//! Jobs in parallel, with results in the order of the jobs.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Results of one job that may wait until it is its turn; the job waits with further ones.
const WAITING: usize = 4;

/// A result of a job, or its panic.
type Sent<T> = thread::Result<T>;

/// Processes jobs in parallel, `at_once` at a time, and calls `each` on the calling thread with the
/// number of the job and each result that the job sends, job by job. `jobs` advances on the calling
/// thread, at most `started` jobs before their turn. A job should end when its `send` returns
/// false, because nobody takes its results.
///
/// # Errors
/// An error of `each` ends the work: jobs that have begun are finished and discarded.
///
/// # Panics
/// If a job panics.
pub(crate) fn in_order<J: Send, T: Send, E>(
    mut jobs: impl Iterator<Item = J>,
    (at_once, started): (usize, usize),
    process: impl Fn(J, &mut dyn FnMut(T) -> bool) + Sync,
    mut each: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let (begin, queue) = mpsc::channel::<(J, SyncSender<Sent<T>>)>();
    let queue = Mutex::new(queue);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let work = || {
        while let Ok((job, results)) = next() {
            let mut send = |result| results.send(Ok(result)).is_ok();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| process(job, &mut send))) {
                results.send(Err(panic)).unwrap_or_default();
            }
        }
    };
    thread::scope(|scope| {
        // Moved in here: if this returns early, the channels close and the workers stop.
        let begin = begin;
        let mut begun: VecDeque<Receiver<Sent<T>>> = VecDeque::new();
        let mut workers = 0;
        for number in 0.. {
            while begun.len() < started.max(1)
                && let Some(job) = jobs.next()
            {
                let (results, receiver) = mpsc::sync_channel(WAITING);
                begin.send((job, results)).unwrap_or_default();
                begun.push_back(receiver);
                if workers < at_once.max(1) {
                    scope.spawn(work);
                    workers += 1;
                }
            }
            let Some(results) = begun.pop_front() else { break };
            for result in results {
                each(number, result.unwrap_or_else(|panic| resume_unwind(panic)))?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        for at_once in [1, 3] {
            let mut taken = Vec::new();
            let process = |job: u64, send: &mut dyn FnMut((u64, u64)) -> bool| {
                thread::sleep(Duration::from_millis(10 - job));
                (0..2 * job).for_each(|part| assert!(send((job, part))));
            };
            let done = in_order(0..10, (at_once, 5), process, |number, (job, part)| {
                assert_eq!(number as u64, job);
                taken.push((job, part));
                Ok::<(), ()>(())
            });
            assert_eq!(done, Ok(()));
            assert_eq!(taken, (0..10).flat_map(|job| (0..2 * job).map(move |part| (job, part))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn few_jobs_are_started_before_their_turn() {
        let (begun, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let jobs = (0..100).inspect(|_| {
            let ahead = begun.fetch_add(1, Ordering::SeqCst) - done.load(Ordering::SeqCst);
            assert!(ahead <= 6, "{ahead}");
        });
        let each = |_, ()| {
            done.fetch_add(1, Ordering::SeqCst);
            Ok::<(), ()>(())
        };
        assert_eq!(in_order(jobs, (2, 6), |_, send| assert!(send(())), each), Ok(()));
        assert_eq!(done.into_inner(), 100);
    }

    #[test]
    fn whoever_has_enough_ends_jobs_that_never_end() {
        let process = |job: usize, send: &mut dyn FnMut(usize) -> bool| while send(job) {};
        let mut given = 0;
        let done = in_order(0.., (3, 8), process, |number, job| {
            assert_eq!((number, job), (0, 0));
            given += 1;
            if given == 50 { Err("enough") } else { Ok(()) }
        });
        assert_eq!(done, Err("enough"));
    }
}
