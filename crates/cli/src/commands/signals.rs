//! What Ctrl-C and SIGTERM do: they end a command at once, without temporary files, or set a flag.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A flag that the first signal sets, so that the work can be ended; a second one ends the process
/// immediately.
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

/// From now on, a signal removes the files that are not whole, and ends the process with the exit
/// code that shells report for it.
pub fn end_without_debris() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot catch signals")?;
        let wait = move || {
            if let Some(signal) = signals.forever().next() {
                earmark_files::remove_unfinished();
                // Not by `exit`, which destroys ONNX Runtime while threads use it.
                signal_hook::low_level::exit(128 + signal);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).context("cannot start a thread")?;
    }
    Ok(())
}
