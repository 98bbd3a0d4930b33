//! Work that a thread does ahead of its use.

use std::ops::ControlFlow;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Number of items that are made in advance.
const AHEAD: usize = 2;

/// Makes a value of each item and uses it, in order, until `consume` breaks or fails. With
/// `prefetch`, a thread of its own makes the values. `consume` also gets the time it waited for the
/// value.
pub(crate) fn for_each<Item: Send, Value: Send, Error>(
    items: impl Iterator<Item = Item> + Send,
    prefetch: bool,
    mut make: impl FnMut(Item) -> Value + Send,
    mut consume: impl FnMut(Value, Duration) -> Result<ControlFlow<()>, Error>,
) -> Result<ControlFlow<()>, Error> {
    if !prefetch {
        for item in items {
            let begin = Instant::now();
            let value = make(item);
            if consume(value, begin.elapsed())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        return Ok(ControlFlow::Continue(()));
    }
    std::thread::scope(|scope| {
        let (ready, next) = sync_channel::<Value>(AHEAD);
        scope.spawn(move || {
            for item in items {
                // The use has ended early.
                if ready.send(make(item)).is_err() {
                    return;
                }
            }
        });
        loop {
            let begin = Instant::now();
            let Ok(value) = next.recv() else { return Ok(ControlFlow::Continue(())) };
            if consume(value, begin.elapsed())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_used_in_order_until_the_use_breaks_or_fails() {
        for prefetch in [false, true] {
            let mut used = Vec::new();
            let mut consume = |value: usize, stop: usize, result: Result<ControlFlow<()>, String>| {
                used.push(value);
                if value == stop { result } else { Ok(ControlFlow::Continue(())) }
            };
            let double = |item: usize| 2 * item;
            let go_on = Ok(ControlFlow::Continue(()));
            assert_eq!(for_each(0..5, prefetch, double, |value, _| consume(value, 99, go_on.clone())), go_on);
            let stop = Ok(ControlFlow::Break(()));
            assert_eq!(for_each(0..50, prefetch, double, |value, _| consume(value, 4, stop.clone())), stop);
            let fail = Err("full".to_owned());
            assert_eq!(for_each(0..50, prefetch, double, |value, _| consume(value, 2, fail.clone())), fail);
            assert_eq!(used, [0, 2, 4, 6, 8, 0, 2, 4, 0, 2]);
        }
    }
}
