//! Progress bars on a terminal; in a pipe, nothing but what was asked for.

use std::io::IsTerminal;
use std::time::Duration;

use earmark_training::{Learning, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// All bars of a run.
pub struct Bars {
    bars: MultiProgress,
    verbose: bool,
}

impl Bars {
    /// Bars on stderr, if that is a terminal and they are wanted; `verbose` prints a line for each job besides.
    pub fn new(wanted: bool, verbose: bool) -> Self {
        let shown = wanted && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), verbose }
    }

    /// A bar that counts to `length`.
    pub fn counter(&self, name: &str, length: usize) -> ProgressBar {
        self.bar(name, length, "{prefix:>28} {bar:24} {pos}/{len}  {msg} {eta} left")
    }

    /// A job's bar.
    pub fn job(&self, name: &str) -> JobBar<'_> {
        let bar = self.bar(name, 0, "{prefix:>28} {bar:24} {msg}  {eta} left");
        bar.enable_steady_tick(Duration::from_millis(250));
        JobBar { all: self, bar, last: None }
    }

    /// A line above the bars, on stderr.
    pub fn line(&self, text: &str) {
        self.bars.suspend(|| output::tell(text));
    }

    fn bar(&self, name: &str, length: usize, template: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = self.bars.add(ProgressBar::new(length as u64).with_style(style.progress_chars("━╸ ")));
        bar.set_prefix(name.to_owned());
        bar
    }
}

/// The bar of one job.
pub struct JobBar<'a> {
    all: &'a Bars,
    bar: ProgressBar,
    last: Option<Learning>,
}

impl JobBar<'_> {
    /// Shows where the job stands.
    pub fn update(&mut self, progress: Progress) {
        match progress {
            Progress::Learning(now) => {
                if self.last.is_none() {
                    // What was done before a resume says nothing about the speed now.
                    self.bar.set_length(now.all_batches as u64);
                    self.bar.set_position(now.batches as u64);
                    self.bar.reset_eta();
                }
                self.bar.set_position(now.batches as u64);
                self.bar.set_message(text(&now));
                self.last = Some(now);
            }
            Progress::Predicting { clips, of } => {
                if clips == 1 {
                    self.bar.set_length(of as u64);
                    self.bar.reset_eta();
                }
                self.bar.set_position(clips as u64);
                self.bar.set_message(format!("predicts {clips}/{of} clips"));
            }
        }
    }

    /// Takes the bar away; says what became of the job, if that is wanted.
    pub fn finish(self, outcome: &str) {
        self.bar.finish_and_clear();
        if self.all.verbose {
            let last = self.last.as_ref().map_or(String::new(), |now| format!(": {}", text(now)));
            self.all.line(&format!("{} {outcome}{last}", self.bar.prefix()));
        }
    }
}

fn text(now: &Learning) -> String {
    let Learning { epoch, epochs, loss, accuracy, crops_per_second, .. } = now;
    format!("epoch {epoch}/{epochs}  loss {loss:.3}  accuracy {accuracy:.3}  {crops_per_second:.0} crops/s")
}
