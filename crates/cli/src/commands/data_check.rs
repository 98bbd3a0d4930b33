//! `earmark data check`: the contents of a data set, and its problems.

use std::io::{IsTerminal, Write as _};

use earmark_datasets::check::{CheckSettings, check};

use crate::args::Check;
use crate::{logging, output};

/// Runs the command.
pub fn run(options: &Check) -> anyhow::Result<()> {
    let visible = std::io::stderr().is_terminal() && !logging::is_quiet();
    let tick = |done: usize, of: usize| {
        if visible && (done == of || done.is_multiple_of(of.div_ceil(100))) {
            let end = if done == of { "\n" } else { "" };
            let _ = write!(std::io::stderr().lock(), "\rdecoded {done} of {of} clips{end}");
        }
    };
    let settings = CheckSettings { limits: options.limits.limits()?, folds: options.folds };
    let report = check(&options.data, &options.reading.options()?, &settings, tick)?;
    if options.json {
        output::print_json(&report)?;
    } else {
        output::print(&report.to_string())?;
    }
    let problems = if report.errors == 1 { "problem" } else { "problems" };
    anyhow::ensure!(report.errors == 0, "{}: {} {problems} to fix", report.data, report.errors);
    Ok(())
}
