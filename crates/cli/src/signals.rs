//! SIGTERM and Ctrl-C while jobs are under way: the first lets each job stop at its next batch, a second one ends the
//! process at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The signal that came; 0: none. Signals are the whole process's, and so are these.
static CAME: AtomicUsize = AtomicUsize::new(0);
/// Whether a signal ends the process at once.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// As long as it lives, a first signal does nothing but be noticed. Before and after it ends the process.
pub struct Caught(());

impl Caught {
    /// Catches signals from now on; to be called once.
    pub fn begin() -> anyhow::Result<Self> {
        for signal in [SIGTERM, SIGINT] {
            // In the order in which they act: only the second signal finds what the first one has set. Whoever ends at once
            // ends by the code and not by the signal, which does nothing to a container's first process.
            let registered = flag::register_conditional_shutdown(signal, code(signal), &AT_ONCE)
                .and_then(|_| flag::register(signal, &AT_ONCE))
                .and_then(|_| flag::register_usize(signal, &CAME, signal as usize));
            registered.context("cannot catch signals")?;
        }
        Ok(Self(()))
    }

    /// Whether a signal has come.
    pub fn came(&self) -> bool {
        CAME.load(Ordering::SeqCst) != 0
    }

    /// The end of a process that a signal has asked to stop, and that has something to say of it; none without a signal.
    pub fn stopped(&self, words: &str) -> Option<Stopped> {
        let (signal, name) = match CAME.load(Ordering::SeqCst) as i32 {
            0 => return None,
            SIGINT => (SIGINT, "Ctrl-C"),
            signal => (signal, "SIGTERM"),
        };
        Some(Stopped { signal, message: format!("stopped by {name}: {words}") })
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        AT_ONCE.store(true, Ordering::SeqCst);
    }
}

/// A signal has ended the work, and all is saved.
#[derive(Debug)]
pub struct Stopped {
    signal: i32,
    message: String,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Stopped {}

impl Stopped {
    /// The exit code: 143 or 130, as shells tell of a process that SIGTERM or Ctrl-C has ended.
    pub fn code(&self) -> u8 {
        code(self.signal) as u8
    }
}

fn code(signal: i32) -> i32 {
    128 + signal
}
