//! The versions of what computes.

use anyhow::Result;

use crate::gpu_check::context::{Check, Outcome};
use crate::gpu_check::smi;

pub fn versions(check: &mut Check) -> Result<Outcome> {
    let mut value = check.measure("versions", "versions", &[], 60)?.swap_remove(0);
    value["gpu"] = smi::gpu(&check.device);
    value["pytorch"] = check.python.torch.clone().into();
    value["cores"] = std::thread::available_parallelism().map_or(1, usize::from).into();
    Ok(Outcome::passed(value))
}
