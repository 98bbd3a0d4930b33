//! The commands of training, one file each.

pub mod compare;
pub mod evaluate;
pub mod evaluate_events;
pub mod predict;
pub mod report;
pub mod stack;
pub mod train;

use std::fmt::Display;

use earmark_cli::output;
use earmark_pipeline::{Run, RunResults};
use serde::Serialize;

/// Prints scores as text or as JSON.
fn print(value: &(impl Display + Serialize), as_json: bool) -> anyhow::Result<()> {
    if as_json { output::print_json(value) } else { output::print(&value.to_string()) }
}

/// Prints the scores of a run and writes its report. If the report cannot be written, this only
/// warns: the results are stored, and `earmark report` can write it later.
fn finish(run: &Run, results: &RunResults, as_json: bool) -> anyhow::Result<()> {
    let folder = run.folder.display();
    match earmark_report::write_results(run, results, None) {
        Ok(_) => output::line(&format!("report: {}", run.path("report.html").display())),
        Err(error) => {
            let reason = output::message(&error.into());
            output::warning(&format!("no report was written: {reason}; `earmark report {folder}` tries again"));
        }
    }
    output::line(&format!("bundle: {}", run.path("bundle").display()));
    print(results, as_json)
}
