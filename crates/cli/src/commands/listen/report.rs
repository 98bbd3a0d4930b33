//! What people see on stderr: a line of status on a terminal, warnings, and the summary.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use earmark_tables::counted;

use crate::{logging, output};

/// From one state to the next on a terminal.
const STATUS: Duration = Duration::from_millis(500);
/// From one look at the speed to the next.
const LOOK: Duration = Duration::from_secs(10);
/// Sound that waits longer than this is late, seconds.
const LATE: f64 = 5.0;

/// Counts what happens.
pub struct Report {
    is_terminal: bool,
    has_status: bool,
    shown: Instant,
    /// Since the last look at the speed, and the sound tagged since.
    looked: Instant,
    since: f64,
    is_late: bool,
    seconds: f64,
    events: u64,
    dropped: f64,
    connections: u64,
    /// The longest time that sound waited, seconds.
    longest_wait: f64,
    lost_clips: usize,
}

impl Report {
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !logging::is_quiet() && !logging::is_on_stderr();
        let now = Instant::now();
        Self {
            is_terminal,
            has_status: false,
            shown: now,
            looked: now,
            since: 0.0,
            is_late: false,
            seconds: 0.0,
            events: 0,
            dropped: 0.0,
            connections: 0,
            longest_wait: 0.0,
            lost_clips: 0,
        }
    }

    /// The source gives sound, for the first time or again.
    pub fn connected(&mut self) {
        self.connections += 1;
        (self.looked, self.since) = (Instant::now(), 0.0);
        tracing::info!(connection = self.connections, "the source gives sound");
    }

    pub fn event(&mut self) {
        self.events += 1;
    }

    /// Sound was tagged that arrived at this time; `open` are the labels of open events.
    pub fn tagged<'a>(&mut self, seconds: f64, arrived: Instant, open: impl Iterator<Item = &'a str>) {
        let waited = arrived.elapsed().as_secs_f64();
        self.longest_wait = self.longest_wait.max(waited);
        self.seconds += seconds;
        self.since += seconds;
        if self.looked.elapsed() >= LOOK {
            let speed = self.since / self.looked.elapsed().as_secs_f64();
            (self.looked, self.since) = (Instant::now(), 0.0);
            let is_late = waited > LATE && speed < 1.0;
            if is_late && !self.is_late {
                self.warning(&format!(
                    "tagging is slower than real time ({speed:.2} times), and sound waits for {waited:.0} s; a longer \
                     --hop, more --threads or a smaller model are faster, and --drop omits what does not fit"
                ));
            }
            self.is_late = is_late;
        }
        if self.is_terminal && self.shown.elapsed() >= STATUS {
            self.shown = Instant::now();
            let labels = open.collect::<Vec<_>>().join(", ");
            let line: String = format!("{}, waits {waited:.1} s: {labels}", self.sound()).chars().take(78).collect();
            let _ = write!(std::io::stderr().lock(), "\r{line}\x1b[K");
            self.has_status = true;
        }
    }

    pub fn dropped(&mut self, seconds: f64) {
        self.dropped += seconds;
        self.warning(&format!(
            "{seconds:.2} s of sound were dropped, because tagging is too slow; in all {:.2} s",
            self.dropped
        ));
    }

    pub fn lost_clip(&mut self, error: &str) {
        self.lost_clips += 1;
        self.clear();
        output::error(error);
    }

    pub fn warning(&mut self, text: &str) {
        self.clear();
        output::warning(text);
    }

    /// Removes the status.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.has_status) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }

    fn sound(&self) -> String {
        let Self { seconds, events, .. } = self;
        format!("{seconds:.1} s of sound, {}", counted(*events as usize, "event"))
    }

    pub fn summary(&self) -> String {
        let Self { dropped, connections, longest_wait, .. } = self;
        let again = connections.saturating_sub(1);
        let times = if again == 1 { "once".to_owned() } else { format!("{again} times") };
        let again = if again > 0 { format!(", {times} again after a pause") } else { String::new() };
        format!("listened to {}{again}; {dropped:.1} s dropped; sound waited at most {longest_wait:.2} s", self.sound())
    }

    /// # Errors
    /// Clips could not be written.
    pub fn check(&self) -> anyhow::Result<()> {
        let lost = self.lost_clips;
        anyhow::ensure!(lost == 0, "{} could not be written", counted(lost, "clip"));
        Ok(())
    }
}
