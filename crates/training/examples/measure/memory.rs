//! What a job advises when the memory of the device is used up, and whether the advice fits.

use std::ops::ControlFlow;

use earmark_nets::Variant;
use earmark_training::{Progress, TrainingError};
use serde_json::{Value, json};

use crate::noise::Noise;
use crate::{Options, Result};

/// The first batch to try. Each is twice the one before; arrays of the first one have fewer than
/// 2^31 values, beyond which some kernels refuse to work.
const FIRST_BATCH: usize = 12_288;
const DOUBLINGS: usize = 4;
/// The steps of the job with the advised batch.
const STEPS: usize = 3;

/// On a CPU no allocation fails before the system ends the process, so only the estimate is
/// computed, and a few steps are run.
pub fn memory(variant: &Variant, options: &Options) -> Result<Value> {
    let first = options.batch.unwrap_or(FIRST_BATCH);
    let device = &options.device;
    if device == "cpu" {
        return Ok(json!({
            "network": variant.name,
            "not_applicable": "a CPU's memory is the system's",
            "batch": first,
            "step_bytes": [step_bytes(variant, first, device)?, step_bytes(variant, 2 * first, device)?],
            "steps": steps(variant, first, STEPS, device)?,
        }));
    }
    for batch in (0..DOUBLINGS).map(|doubling| first << doubling) {
        let error = match steps(variant, batch, 1, device) {
            Ok(_) => continue,
            Err(error) => error,
        };
        let Some(TrainingError::OutOfMemory { fits, .. }) = error.downcast_ref() else { return Err(error) };
        let mut result = json!({
            "network": variant.name,
            "batch": batch,
            "step_bytes": [step_bytes(variant, batch, device)?],
            "message": error.to_string(),
            "fits": fits,
        });
        if let &Some(fits) = fits {
            match steps(variant, fits, STEPS, device) {
                Ok(steps) => result["steps"] = steps.into(),
                Err(error) => result["refused"] = error.to_string().into(),
            }
        }
        return Ok(result);
    }
    Err(format!("a batch of {} does not use up the memory of {device}", first << (DOUBLINGS - 1)).into())
}

/// Trains on batches of this size and returns the number of steps done.
fn steps(variant: &Variant, batch: usize, steps: usize, device: &str) -> Result<usize> {
    let noise = Noise::new(variant, batch, batch * steps, 1, false)?;
    let folder = tempfile::tempdir()?;
    let mut done = 0;
    noise.job(0, device, folder.path()).run(&mut |progress| {
        if let Progress::Learning(learning) = progress {
            done = learning.batches;
        }
        ControlFlow::Continue(())
    })?;
    Ok(done)
}

/// The bytes that a step is estimated to need.
fn step_bytes(variant: &Variant, batch: usize, device: &str) -> Result<u64> {
    let noise = Noise::new(variant, batch, batch, 1, false)?;
    let folder = tempfile::tempdir()?;
    Ok(noise.job(0, device, folder.path()).step_bytes().ok_or("the network cannot use these features")?)
}
