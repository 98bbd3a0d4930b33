//! Ctrl-C and SIGTERM: the first one ends the work, a second one ends the process immediately.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A flag that the first signal sets.
pub fn catch() -> anyhow::Result<Arc<AtomicBool>> {
    let came = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // The handlers run in this order, so only the second signal finds the flag set.
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came))
            .and_then(|_| flag::register(signal, Arc::clone(&came)));
        registered.context("cannot catch signals")?;
    }
    Ok(came)
}
