//! `earmark evaluate-events`.

use earmark_cli::args::EvaluateEvents;
use earmark_cli::output;
use earmark_pipeline::{DetectionOptions, EventSettings, evaluate_events};

use super::print;

/// Prints the scores of detected events.
pub fn run(options: &EvaluateEvents) -> anyhow::Result<()> {
    let EvaluateEvents { collar, resolution, ignore_unlisted, .. } = *options;
    let settings = EventSettings { collar, resolution, ..EventSettings::default() };
    let options_of = DetectionOptions { settings, ignore_unlisted };
    let report = evaluate_events(&options.reference, &options.estimated, &options_of)?;
    report.warnings.iter().for_each(|warning| output::warning(warning));
    print(&report, options.json)
}
