//! Progress of tagging on stderr, where the output is a file.

use std::time::{Duration, Instant};

use earmark_tables::counted;

use crate::args::Form;
use crate::output;

/// Time from one line to the next.
const EVERY: Duration = Duration::from_secs(10);

/// Counts the sounds that are tagged.
pub struct Progress {
    /// Whether lines are written: not beside the tags on standard output.
    is_shown: bool,
    files: usize,
    /// Files that an earlier process tagged.
    before: usize,
    done: usize,
    seconds: f64,
    begun: Instant,
    last: Instant,
}

impl Progress {
    /// For this number of files, and those that are done.
    pub fn new(files: usize, before: usize, form: &Form) -> Self {
        let is_shown = form.output.is_some() || form.output_dir.is_some();
        let now = Instant::now();
        Self { is_shown, files, before, done: 0, seconds: 0.0, begun: now, last: now }
    }

    /// Adds a file of this length.
    pub fn add(&mut self, seconds: f64) {
        self.done += 1;
        self.seconds += seconds;
        if self.is_shown && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            let rate = self.done as f64 / self.begun.elapsed().as_secs_f64();
            let left = (self.files - self.done) as f64 / rate;
            let files = counted(self.files, "file");
            output::line(&format!("{} of {files}, {}, {} left", self.done, self.speed(), time(left)));
        }
    }

    /// Writes the summary.
    pub fn end(&self, failed: usize) {
        if !self.is_shown {
            return;
        }
        let Self { done, before, seconds, .. } = self;
        let tagged = done - failed.min(*done);
        let files = counted(tagged, "file");
        let mut line = format!("tagged {files}, {} of sound, in {}", time(*seconds), time(self.elapsed()));
        if *done > 0 {
            line += &format!(": {}", self.speed());
        }
        if failed > 0 {
            line += &format!("; {failed} could not be tagged");
        }
        if *before > 0 {
            line += &format!("; {before} {} done before", if *before == 1 { "was" } else { "were" });
        }
        output::line(&line);
    }

    fn elapsed(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn speed(&self) -> String {
        let elapsed = self.elapsed().max(1e-3);
        format!("{:.1} files/s, {:.0} times real time", self.done as f64 / elapsed, self.seconds / elapsed)
    }
}

/// A time for people.
fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ if seconds < 3600.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}
