//! Progress bars on a terminal; in a pipe, nothing but what was asked for.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use earmark_training::{Learning, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;
use crate::schedule::{Pace, duration};

/// How often a line in a pipe tells of the whole run, while no job ends.
const TELL_EVERY: Duration = Duration::from_secs(60);

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

    /// The bar of the whole run: jobs of these costs, and so many workers.
    pub fn overall(&self, costs: impl ExactSizeIterator<Item = f64>, workers: usize) -> Overall<'_> {
        let bar = self.bar("jobs", costs.len(), "{prefix:>28} {bar:24} {msg}");
        let all = costs.len();
        let now = Now { pace: Pace::new(costs, workers), all, done: 0, failed: 0, running: BTreeMap::new() };
        let overall = Overall { all: self, bar, now: Mutex::new(now), told: Mutex::new(Instant::now()) };
        overall.bar.set_message(overall.now().to_string());
        overall
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

/// The bar of the whole run: jobs done, running and left, and the time to the end. Where lines are wanted instead, there is
/// one whenever a job ends, and one a minute besides.
pub struct Overall<'a> {
    all: &'a Bars,
    bar: ProgressBar,
    now: Mutex<Now>,
    told: Mutex<Instant>,
}

/// Where the run stands.
struct Now {
    pace: Pace,
    all: usize,
    done: usize,
    failed: usize,
    /// When each running job was last heard of.
    running: BTreeMap<usize, Instant>,
}

impl Overall<'_> {
    /// A job stands where this cost of it is left.
    pub fn update(&self, job: usize, left: f64) {
        let mut now = self.now();
        match now.running.insert(job, Instant::now()) {
            Some(last) => now.pace.work(job, left, last.elapsed().as_secs_f64()),
            None => now.pace.resume(job, left),
        }
        self.show(&now, false);
    }

    /// A job has ended, well or not, or was stopped (`None`), and then is neither done nor failed.
    pub fn end(&self, job: usize, well: Option<bool>) {
        let mut now = self.now();
        now.running.remove(&job);
        now.pace.end(job);
        now.done += usize::from(well == Some(true));
        now.failed += usize::from(well == Some(false));
        if well.is_some() {
            self.bar.inc(1);
        }
        self.show(&now, true);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, now: &Now, at_once: bool) {
        self.bar.set_message(now.to_string());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if self.all.verbose && (at_once || told.elapsed() >= TELL_EVERY) {
            *told = Instant::now();
            self.all.line(&format!("jobs: {now}"));
        }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Display for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pace, all, done, failed, running } = self;
        write!(f, "{done} of {all} done, ")?;
        if *failed > 0 {
            write!(f, "{failed} failed, ")?;
        }
        let running = running.len();
        write!(f, "{running} running, {} left", all.saturating_sub(done + failed + running))?;
        match pace.seconds_left() {
            Some(seconds) => write!(f, ", {} to the end", duration(seconds)),
            None => Ok(()),
        }
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
