//! Admits jobs to GPUs: as many at once as their measured memory allows.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The part of a GPU's free memory that jobs may fill. The rest is for what they do not share
/// evenly: blocks of other sizes that the allocator keeps, and the libraries' own workspaces.
const USABLE: f64 = 0.9;

fn usable(free: u64) -> u64 {
    (free as f64 * USABLE) as u64
}

/// How often a waiting job looks whether the run was cancelled.
const PATIENCE: Duration = Duration::from_millis(200);

/// The memory of each GPU, and the jobs on it.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    rooms: Mutex<BTreeMap<String, Room>>,
    left: Condvar,
}

/// A GPU.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Bytes that no job needs.
    free: u64,
    jobs: usize,
}

impl Admission {
    /// GPUs with these numbers of free bytes. On any other device, jobs never wait.
    pub fn new(free: impl IntoIterator<Item = (String, u64)>) -> Self {
        let room = |(device, free)| (device, Room { free: usable(free), jobs: 0 });
        Self { rooms: Mutex::new(free.into_iter().map(room).collect()), left: Condvar::new() }
    }

    /// The number of jobs that fit at once, at least 1, if each needs `bytes` of `free` bytes.
    pub fn fits(free: u64, bytes: u64) -> usize {
        usize::try_from(usable(free) / bytes.max(1)).unwrap_or(usize::MAX).max(1)
    }

    /// Waits until a device has `need` free bytes, or no other job: one that does not fit even then
    /// fails with the advice of its own error. `None` if `is_cancelled` becomes true.
    pub fn enter(&self, device: &str, need: u64, is_cancelled: impl Fn() -> bool) -> Option<Admitted<'_>> {
        let mut rooms = self.rooms();
        while !is_cancelled() {
            let Some(room) = rooms.get_mut(device) else {
                return Some(Admitted { admission: self, device: device.to_owned(), taken: 0 });
            };
            if room.jobs == 0 || need <= room.free {
                let taken = need.min(room.free);
                *room = Room { free: room.free - taken, jobs: room.jobs + 1 };
                return Some(Admitted { admission: self, device: device.to_owned(), taken });
            }
            rooms = self.left.wait_timeout(rooms, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<String, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job's share of a device; dropped when the job ends.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    device: String,
    taken: u64,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.admission.rooms().get_mut(&self.device) {
            *room = Room { free: room.free + self.taken, jobs: room.jobs - 1 };
        }
        self.admission.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    fn free(admission: &Admission) -> u64 {
        admission.rooms()["cuda:0"].free
    }

    #[test]
    fn jobs_enter_while_they_fit() {
        let admission = Admission::new([("cuda:0".to_owned(), 1_000)]);
        let no = || false;
        let first = admission.enter("cuda:0", 500, no).unwrap();
        let second = admission.enter("cuda:0", 400, no).unwrap();
        assert_eq!(free(&admission), 0);
        assert!(admission.enter("cuda:0", 1, || true).is_none());
        assert!(admission.enter("cpu", u64::MAX, no).is_some(), "no limit is known");
        drop(first);
        assert_eq!(free(&admission), 500);
        drop(second);
        let large = admission.enter("cuda:0", 5_000, no).unwrap();
        assert_eq!(free(&admission), 0, "alone, a job of any size enters");
        drop(large);
        assert_eq!(free(&admission), 900);
    }

    #[test]
    fn at_least_one_job_fits() {
        let fits = |bytes| Admission::fits(1_000, bytes);
        assert_eq!([0, 1, 300, 450, 451, 901, u64::MAX].map(fits), [900, 900, 3, 2, 1, 1, 1]);
    }

    #[test]
    fn a_job_waits_for_the_end_of_another() {
        let admission = Admission::new([("cuda:0".to_owned(), 1_000)]);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _admitted = admission.enter("cuda:0", 300, || false).unwrap();
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::sleep(Duration::from_micros(200));
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 3);
        assert_eq!(free(&admission), 900);
    }

    #[test]
    fn a_waiting_job_notices_that_the_run_is_cancelled() {
        let admission = Admission::new([("cuda:0".to_owned(), 1_000)]);
        let cancelled = AtomicBool::new(false);
        let _first = admission.enter("cuda:0", 900, || false).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| admission.enter("cuda:0", 900, || cancelled.load(Ordering::SeqCst)).is_none());
            thread::sleep(Duration::from_millis(20));
            cancelled.store(true, Ordering::SeqCst);
            assert!(waiting.join().unwrap());
        });
    }
}
