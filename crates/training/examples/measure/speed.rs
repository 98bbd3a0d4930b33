//! Crops per second of training and windows per second of prediction, through a real job: with
//! cutting, mixing, copying and logging.

use std::ops::ControlFlow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use earmark_nets::Variant;
use earmark_training::Progress;
use serde_json::{Value, json};

use crate::noise::Noise;
use crate::{Options, Result};

/// The number of clips to predict, of `batch` windows each. On a GPU they fill so many batches of
/// windows, which are larger than those of training: progress is reported every 16 batches, and the
/// time is that from the first report to the end.
fn predicted(batch: usize, device: &str) -> usize {
    const BATCHES: usize = 24;
    if device == "cpu" { 4 } else { BATCHES * (4 * batch).max(256).div_ceil(batch) }
}

/// A stretch of time, in seconds since 1970: to find the power that a GPU drew meanwhile.
#[derive(Clone, Copy)]
struct Span {
    from: f64,
    seconds: f64,
}

impl Span {
    fn since(start: (f64, Instant)) -> Self {
        Self { from: start.0, seconds: start.1.elapsed().as_secs_f64() }
    }

    fn json(self) -> Value {
        json!([self.from, self.from + self.seconds])
    }
}

fn now() -> (f64, Instant) {
    (SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()), Instant::now())
}

/// The median of the rounds. A round is an epoch without its first step: a GPU works on steps while
/// the next ones are queued, and the job waits for it only after the first and the last step of an
/// epoch. The first epoch is not counted, because libraries are loaded and algorithms chosen in it.
pub fn speed(variant: &Variant, options: &Options) -> Result<Value> {
    let &Options { steps, rounds, ref device, .. } = options;
    let batch = options.batch.unwrap_or(if device == "cpu" { 32 } else { 128 });
    let noise = Noise::new(variant, batch, batch * steps, rounds + 1, true)?;
    let folder = tempfile::tempdir()?;
    let (mut start, mut spans) = (now(), Vec::new());
    // Seconds of waiting for batches: in this epoch at the round's start, and in all rounds.
    let (mut before, mut waiting) = (0.0, 0.0);
    let (mut first_prediction, mut predicting) = (None, None);
    noise.job(predicted(batch, device), device, folder.path()).run(&mut |progress| {
        match progress {
            Progress::Learning(learning) => match learning.batches % steps {
                1 => (start, before) = (now(), learning.waiting_seconds),
                0 if learning.epoch > 1 => {
                    spans.push(Span::since(start));
                    waiting += learning.waiting_seconds - before;
                }
                _ => {}
            },
            // The time starts with the first windows that are done: before, algorithms are chosen.
            Progress::Predicting { windows, of } => match first_prediction {
                None if windows > 0 => first_prediction = Some((windows, now())),
                Some((before, first)) if windows == of => predicting = Some((of - before, Span::since(first))),
                _ => {}
            },
        }
        ControlFlow::Continue(())
    })?;
    let mut speeds: Vec<f64> = spans.iter().map(|span| (batch * (steps - 1)) as f64 / span.seconds).collect();
    speeds.sort_by(f64::total_cmp);
    let median = *speeds.get(speeds.len() / 2).ok_or("no round was completed")?;
    let (windows, predicting) = predicting.ok_or("too few windows were predicted")?;
    Ok(json!({
        "network": variant.name,
        "batch": batch,
        "crops_per_second": median,
        "waiting_share": waiting / spans.iter().map(|span| span.seconds).sum::<f64>(),
        "slowest": speeds.first(),
        "fastest": speeds.last(),
        "rounds": spans.iter().map(|span| span.json()).collect::<Vec<_>>(),
        "windows_per_second": windows as f64 / predicting.seconds,
        "predicting": predicting.json(),
    }))
}
