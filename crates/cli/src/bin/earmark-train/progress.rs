//! The progress of a training: progress bars on a terminal, lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use earmark_cli::commands::download_bar::Bar as DownloadBar;
use earmark_cli::{logging, output};
use earmark_pipeline::text::duration;
use earmark_pipeline::{Event, JobCost, JobId, JobOutcome, JobsProgress, LOG, Observer, Stage};
use earmark_training::{Learning, Progress as JobProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::signals::Signals;

/// If stderr is not a terminal, a line reports the state of the run at least this often.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Shows the events of a run on stderr.
pub struct Progress<'a> {
    display: Arc<Display>,
    signals: &'a Signals,
    /// Dropping it ends the thread that writes lines.
    _lines: Option<Sender<()>>,
}

/// The display mode, and the state that is displayed.
struct Display {
    bars: MultiProgress,
    /// Whether bars are drawn.
    drawn: bool,
    /// Whether lines are written instead.
    lines: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stage: Option<(Stage, ProgressBar)>,
    download: Option<DownloadBar>,
    jobs: BTreeMap<usize, JobBar>,
    /// All jobs.
    total: Option<(ProgressBar, JobsProgress)>,
    last_line: Option<Instant>,
}

impl<'a> Progress<'a> {
    /// Draws bars if stderr is a terminal, and writes lines otherwise. Shows only warnings and
    /// notes if progress is not wanted, and nothing with `--quiet`.
    pub fn new(wanted: bool, signals: &'a Signals) -> Self {
        let (terminal, wanted) = (std::io::stderr().is_terminal(), wanted && !logging::is_quiet());
        let drawn = wanted && terminal && !logging::is_on_stderr();
        let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let display = Arc::new(Display { bars, drawn, lines: wanted && !terminal, state: Mutex::default() });
        let lines = display.lines.then(|| write_lines(Arc::clone(&display)));
        Self { display, signals, _lines: lines }
    }
}

/// Writes a line whenever nothing was written for a while, until the sender is dropped.
fn write_lines(display: Arc<Display>) -> Sender<()> {
    let (sender, ended) = channel();
    thread::spawn(move || {
        while ended.recv_timeout(Duration::from_secs(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let mut state = display.state();
            if state.last_line.get_or_insert_with(Instant::now).elapsed() >= LINE_EVERY
                && let Some(line) = state.line()
            {
                display.line(&mut state, &line);
            }
        }
    });
    sender
}

impl Observer for Progress<'_> {
    fn event(&self, event: &Event<'_>) {
        let display = &self.display;
        match event {
            // The log on stderr already has them.
            Event::Warning(_) | Event::Note(_) if logging::is_on_stderr() => {}
            Event::Warning(warning) => display.bars.suspend(|| output::warning(&warning.to_string())),
            Event::Note(note) => display.bars.suspend(|| output::line(&note.to_string())),
            Event::StageStarted(stage, steps) => display.start_stage(*stage, *steps),
            Event::StageAdvanced(_) => {
                if let Some((_, bar)) = &display.state().stage {
                    bar.inc(1);
                }
            }
            Event::StageFinished(_) => {
                if let Some((_, bar)) = display.state().stage.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Download(event) => {
                display.state().download.get_or_insert_with(|| DownloadBar::new(display.drawn)).show(*event);
            }
            Event::DownloadFinished => {
                if let Some(bar) = display.state().download.take() {
                    bar.end();
                }
            }
            Event::RunStarted(folder) => {
                if let Err(error) = logging::also_to(&folder.join(LOG)) {
                    let log = folder.join(LOG);
                    display.bars.suspend(|| output::warning(&format!("{} cannot be written: {error}", log.display())));
                }
            }
            Event::JobsStarted { costs, workers } => {
                if let Err(error) = self.signals.catch() {
                    display.bars.suspend(|| output::warning(&output::message(&error)));
                }
                display.start_jobs(costs, *workers);
            }
            Event::JobStarted(job) => display.start_job(*job),
            Event::JobAdvanced { job, progress, left } => display.advance_job(*job, *progress, *left),
            Event::JobFinished { job, outcome, seconds } => display.finish_job(*job, *outcome, *seconds),
            Event::JobsFinished => {
                self.signals.release();
                if let Some((bar, _)) = display.state().total.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }
}

impl Display {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line above the bars.
    fn line(&self, state: &mut State, line: &str) {
        state.last_line = Some(Instant::now());
        self.bars.suspend(|| output::line(line));
    }

    fn bar(&self, name: &str, length: usize, template: &str) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(length as u64).with_style(style(template)));
        bar.set_prefix(name.to_owned());
        bar
    }

    fn start_stage(&self, stage: Stage, steps: usize) {
        let bar = self.bar(&stage.to_string(), steps, "{prefix:>28} {bar:24} {pos}/{len}  {msg} {eta} left");
        self.state().stage = Some((stage, bar));
    }

    fn start_jobs(&self, costs: &[JobCost], workers: usize) {
        let bar = self.bar("jobs", costs.len(), "{prefix:>28} {bar:24} {msg}");
        let mut state = self.state();
        state.total = Some((bar, JobsProgress::new(costs, workers)));
        state.update_total(|_| {});
    }

    fn start_job(&self, job: JobId<'_>) {
        let bar = self.bar(job.name, 0, "{prefix:>28} {bar:24} {msg}");
        bar.enable_steady_tick(Duration::from_millis(250));
        self.state().jobs.insert(job.index, JobBar { bar, last: None, first_epoch: None });
    }

    fn advance_job(&self, job: JobId<'_>, progress: JobProgress, left: f64) {
        let mut state = self.state();
        if let Some(bar) = state.jobs.get_mut(&job.index) {
            bar.update(progress);
        }
        state.update_total(|jobs| jobs.update(job.index, progress, left));
    }

    fn finish_job(&self, job: JobId<'_>, outcome: JobOutcome, seconds: f64) {
        let mut state = self.state();
        let bar = state.jobs.remove(&job.index);
        if let Some(bar) = &bar {
            bar.bar.finish_and_clear();
        }
        state.update_total(|jobs| jobs.finish(job.index, outcome, seconds));
        let is_news = matches!(outcome, JobOutcome::Failed | JobOutcome::Elsewhere);
        let is_wanted = is_news || self.lines && outcome != JobOutcome::DoneBefore;
        // Log records on stderr have the same.
        if is_wanted && !logging::is_on_stderr() {
            let last = bar.and_then(|bar| bar.last).map_or(String::new(), |now| format!(": {}", text(&now)));
            let total = state.total.as_ref().filter(|_| self.lines);
            let total = total.map_or(String::new(), |(_, jobs)| format!("; {jobs}"));
            let time = if outcome == JobOutcome::Done { format!(" in {}", duration(seconds)) } else { String::new() };
            self.line(&mut state, &format!("{} {outcome}{time}{last}{total}", job.name));
        }
    }
}

impl State {
    fn update_total(&mut self, change: impl FnOnce(&mut JobsProgress)) {
        if let Some((bar, jobs)) = &mut self.total {
            change(jobs);
            bar.set_position(jobs.ended() as u64);
            bar.set_message(jobs.to_string());
        }
    }

    /// The state of the run in one line; `None` before it has begun.
    fn line(&self) -> Option<String> {
        if let Some((_, total)) = &self.total {
            let jobs =
                self.jobs.values().filter_map(|job| Some(format!("{} {}", job.bar.prefix(), text(job.last.as_ref()?))));
            return Some(std::iter::once(format!("jobs: {total}")).chain(jobs).collect::<Vec<_>>().join("; "));
        }
        let (stage, bar) = self.stage.as_ref()?;
        Some(format!("{}: {} of {}", stage, bar.position(), bar.length().unwrap_or(0)))
    }
}

/// The bar of one job.
struct JobBar {
    bar: ProgressBar,
    last: Option<Learning>,
    /// The first epoch in this process, until it ends: it is slower than the others, so no time is
    /// estimated.
    first_epoch: Option<usize>,
}

impl JobBar {
    fn update(&mut self, progress: JobProgress) {
        let (done, of, is_first, message) = match progress {
            JobProgress::Learning(now) => (now.batches, now.all_batches, self.last.is_none(), text(&now)),
            JobProgress::Predicting { windows, of } => {
                (windows, of, windows == 0, format!("predicts {windows}/{of} windows"))
            }
        };
        self.bar.set_position(done as u64);
        self.bar.set_message(message);
        if is_first {
            self.bar.set_length(of as u64);
        }
        let JobProgress::Learning(now) = progress else { return };
        if self.last.is_none() {
            self.first_epoch = Some(now.epoch);
        }
        if self.first_epoch.is_some_and(|first| now.epoch > first) {
            self.first_epoch = None;
            self.bar.set_style(style("{prefix:>28} {bar:24} {msg}  {eta} left"));
            self.bar.reset_eta();
        }
        self.last = Some(now);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ")
}

fn text(now: &Learning) -> String {
    let Learning { epoch, epochs, loss, accuracy, crops_per_second, .. } = now;
    format!("epoch {epoch}/{epochs}  loss {loss:.3}  accuracy {accuracy:.3}  {crops_per_second:.0} crops/s")
}
