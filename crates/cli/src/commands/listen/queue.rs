//! Sound on its way from the thread that reads the source to the one that tags.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What comes from a source.
pub enum Item {
    /// The source gives sound, from now on or again.
    Begin {
        sample_rate: u32,
        first_sample: SystemTime,
    },
    Samples {
        samples: Vec<f32>,
        arrived: Instant,
    },
    /// This many samples did not fit into the queue.
    Dropped(u64),
    /// The source has stopped for now.
    Pause,
    /// Something that the user should know.
    Warning(String),
    /// Nothing follows; after a failure, with its reason.
    End(Option<anyhow::Error>),
}

/// What happens to sound that does not fit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The source waits.
    Wait,
    Drop,
}

/// A queue with a maximum length in seconds.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    seconds: f64,
}

struct State {
    items: VecDeque<Item>,
    /// The number of samples in it, and their rate.
    samples: u64,
    sample_rate: u32,
    is_closed: bool,
}

impl Queue {
    pub fn new(seconds: f64) -> Self {
        let state = State { items: VecDeque::new(), samples: 0, sample_rate: 1, is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), seconds }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item. Returns false if nobody takes it any more.
    pub fn push(&self, item: Item, full: Full) -> bool {
        let mut state = self.lock();
        if let Item::Samples { samples, .. } = &item {
            let count = samples.len() as u64;
            while !state.is_closed && state.is_over(self.seconds) {
                if full == Full::Drop {
                    match state.items.back_mut() {
                        Some(Item::Dropped(more)) => *more += count,
                        _ => state.items.push_back(Item::Dropped(count)),
                    }
                    return true;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.samples += count;
        }
        if let Item::Begin { sample_rate, .. } = item {
            state.sample_rate = sample_rate.max(1);
        }
        state.items.push_back(item);
        self.changed.notify_all();
        !state.is_closed
    }

    /// Takes the next item; `None` if none comes within this time.
    pub fn pop(&self, timeout: Duration) -> Option<Item> {
        let state = self.lock();
        let is_empty = |state: &mut State| state.items.is_empty();
        let (mut state, _) =
            self.changed.wait_timeout_while(state, timeout, is_empty).unwrap_or_else(PoisonError::into_inner);
        let item = state.items.pop_front()?;
        if let Item::Samples { samples, .. } = &item {
            state.samples -= samples.len() as u64;
        }
        self.changed.notify_all();
        Some(item)
    }

    /// Lets the thread that reads end at its next item.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether nobody takes items any more.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }
}

impl State {
    fn is_over(&self, seconds: f64) -> bool {
        self.samples as f64 > seconds * f64::from(self.sample_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(count: usize) -> Item {
        Item::Samples { samples: vec![0.0; count], arrived: Instant::now() }
    }

    fn begin(queue: &Queue) {
        queue.push(Item::Begin { sample_rate: 10, first_sample: SystemTime::now() }, Full::Wait);
        assert!(matches!(queue.pop(Duration::ZERO), Some(Item::Begin { .. })));
    }

    #[test]
    fn what_does_not_fit_is_counted_in_its_place() {
        let queue = Queue::new(2.0);
        begin(&queue);
        for count in [15, 10, 7, 4] {
            assert!(queue.push(samples(count), Full::Drop));
        }
        assert!(queue.push(Item::Pause, Full::Drop));
        assert!(matches!(queue.pop(Duration::ZERO), Some(Item::Samples { samples, .. }) if samples.len() == 15));
        assert!(queue.push(samples(3), Full::Drop));
        assert!(matches!(queue.pop(Duration::ZERO), Some(Item::Samples { samples, .. }) if samples.len() == 10));
        assert!(matches!(queue.pop(Duration::ZERO), Some(Item::Dropped(11))));
        assert!(matches!(queue.pop(Duration::ZERO), Some(Item::Pause)));
        assert!(matches!(queue.pop(Duration::ZERO), Some(Item::Samples { samples, .. }) if samples.len() == 3));
        assert!(queue.pop(Duration::from_millis(1)).is_none());
    }

    #[test]
    fn a_source_waits_until_there_is_room_or_nobody_listens() {
        let queue = Queue::new(1.0);
        begin(&queue);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..100).all(|_| queue.push(samples(8), Full::Wait)));
            let mut taken = 0;
            while taken < 50 {
                taken += usize::from(matches!(queue.pop(Duration::from_secs(9)), Some(Item::Samples { .. })));
                assert!(queue.lock().samples <= 16);
            }
            queue.close();
            assert!(!writer.join().unwrap());
        });
    }
}
