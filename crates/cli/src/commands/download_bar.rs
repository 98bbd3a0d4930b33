//! The progress of a download.

use std::io::IsTerminal;

use earmark_download::{Event, Step};
use earmark_tables::size;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{logging, output};

/// A progress bar for the current step, or lines if stderr is not a terminal.
pub struct Bar {
    bar: ProgressBar,
    now: Option<(Step, String)>,
}

impl Bar {
    /// A bar if stderr is a terminal and it is wanted; lines otherwise.
    pub fn new(wanted: bool) -> Self {
        let shown = wanted && !logging::is_quiet() && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bar: ProgressBar::with_draw_target(None, target), now: None }
    }

    /// Shows an event.
    pub fn show(&mut self, event: Event) {
        match event {
            Event::Note(text) => self.bar.suspend(|| output::line(text)),
            Event::Progress { step, archive, done, total } => {
                if self.now.as_ref().is_none_or(|(last, name)| *last != step || name != archive) {
                    self.begin(step, archive, done, total);
                }
                self.bar.set_position(done);
            }
        }
    }

    fn begin(&mut self, step: Step, archive: &str, done: u64, total: Option<u64>) {
        self.now = Some((step, archive.to_owned()));
        if self.bar.is_hidden() {
            let size = total.map_or(String::new(), |total| format!(", {}", size(total)));
            return output::line(&format!("{step} {archive}{size}"));
        }
        let template = match total {
            Some(_) => "{prefix} {bar:24} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left",
            None => "{prefix} {decimal_bytes} {decimal_bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("━╸ "));
        self.bar.set_prefix(format!("{step} {archive}"));
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        // The speed estimate must not include what an earlier call downloaded.
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
