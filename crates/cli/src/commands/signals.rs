//! Ctrl-C and SIGTERM end a command without leaving temporary files.

use std::thread;

use anyhow::Context;

/// From now on, a signal removes the files that are not whole, and ends the process with the exit
/// code that shells report for it.
pub fn end_without_debris() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
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
