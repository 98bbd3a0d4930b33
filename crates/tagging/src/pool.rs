//! Models that one thread at a time may use: each is loaded as often as threads use it at once.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::TaggingError;

/// Loads a value of the pool.
type Load<T> = Box<dyn Fn() -> Result<T, TaggingError> + Send + Sync>;

/// Values that are lent to one thread at a time.
pub(crate) struct Pool<T> {
    /// None if there is never more than one value.
    load: Option<Load<T>>,
    /// Maximum number of values.
    pub(crate) most: usize,
    state: Mutex<State<T>>,
    returned: Condvar,
}

struct State<T> {
    free: Vec<T>,
    /// Number of values, free or lent.
    made: usize,
}

impl<T> Pool<T> {
    /// Loads the first value; threads that need further ones load them.
    pub(crate) fn new(
        load: impl Fn() -> Result<T, TaggingError> + Send + Sync + 'static,
        most: usize,
    ) -> Result<Self, TaggingError> {
        let state = Mutex::new(State { free: vec![load()?], made: 1 });
        // What values are loaded from may be large.
        let load: Option<Load<T>> = if most > 1 { Some(Box::new(load)) } else { None };
        Ok(Self { load, most, state, returned: Condvar::new() })
    }

    /// Calls `work` with a value; waits while all are lent.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, TaggingError>) -> Result<R, TaggingError> {
        let mut lent = self.lend();
        let value = match (lent.value.take(), &self.load) {
            (Some(value), _) => value,
            (None, Some(load)) => load()?,
            (None, None) => unreachable!("the only value is never lost"),
        };
        work(lent.value.insert(value))
    }

    fn lend(&self) -> Lent<'_, T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = state.free.pop() {
                return Lent { pool: self, value: Some(value) };
            }
            if state.made < self.most {
                state.made += 1;
                return Lent { pool: self, value: None };
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A place in the pool: a value, or the right to load one. Returned on drop, so that a thread that
/// fails or panics does not block others.
struct Lent<'a, T> {
    pool: &'a Pool<T>,
    value: Option<T>,
}

impl<T> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.value.take() {
            Some(value) => state.free.push(value),
            None => state.made -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}
