//! Handles SIGTERM and Ctrl-C while jobs run: the first signal stops each job at its next batch, a
//! second one ends the process immediately.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;
use earmark_pipeline::CancelToken;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The signal handlers of a training. Before the jobs begin and after they have ended, a signal
/// ends the process.
#[derive(Debug, Default)]
pub struct Signals {
    cancel: CancelToken,
    /// The number of the received signal, or 0.
    came: Arc<AtomicUsize>,
    /// Whether the next signal ends the process immediately.
    at_once: Arc<AtomicBool>,
}

impl Signals {
    /// The token that the first signal cancels.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Registers the handlers when the jobs begin. Call it only once.
    pub fn catch(&self) -> anyhow::Result<()> {
        for signal in [SIGTERM, SIGINT] {
            // The handlers run in this order, so only the second signal finds the flag set. The
            // process exits with a code instead of letting the signal kill it, because the default
            // action of a signal is ignored for a container's first process.
            let registered = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&self.at_once))
                .and_then(|_| flag::register(signal, Arc::clone(&self.at_once)))
                .and_then(|_| flag::register(signal, self.cancel.flag()))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&self.came), signal as usize));
            registered.context("cannot catch signals")?;
        }
        Ok(())
    }

    /// Lets the next signal end the process, after the jobs have ended.
    pub fn release(&self) {
        self.at_once.store(true, Ordering::SeqCst);
    }

    /// The signal that stopped the jobs: its name, and the exit code that shells report for a
    /// process that it killed, 143 or 130.
    pub fn came(&self) -> Option<(&'static str, u8)> {
        match self.came.load(Ordering::SeqCst) as i32 {
            0 => None,
            SIGINT => Some(("Ctrl-C", 128 + SIGINT as u8)),
            signal => Some(("SIGTERM", 128 + signal as u8)),
        }
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test stops at the first fault")]
mod tests {
    use std::process::Command;

    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    #[ignore = "another test starts it as a process of its own"]
    fn two_signals_come() {
        let signals = Signals::default();
        signals.catch().unwrap();
        assert!(!signals.cancel_token().is_cancelled() && signals.came().is_none());
        raise(SIGTERM).unwrap();
        assert!(signals.cancel_token().is_cancelled());
        assert_eq!(signals.came(), Some(("SIGTERM", 143)));
        raise(SIGINT).unwrap();
    }

    #[test]
    #[ignore = "another test starts it as a process of its own"]
    fn one_signal_comes_after_the_jobs() {
        let signals = Signals::default();
        signals.catch().unwrap();
        signals.release();
        raise(SIGTERM).unwrap();
    }

    /// The exit code of a process that runs one test of this module; 0 or 101 if no signal ends it.
    fn exit_code(test: &str) -> Option<i32> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("signals::tests::{test}"), "--ignored"]);
        command.output().unwrap().status.code()
    }

    #[test]
    fn the_second_signal_ends_the_process_at_once() {
        assert_eq!(exit_code("two_signals_come"), Some(130));
    }

    #[test]
    fn a_signal_after_the_jobs_ends_the_process_at_once() {
        assert_eq!(exit_code("one_signal_comes_after_the_jobs"), Some(143));
    }
}
