//! `earmark compare`.

use earmark_cli::args::Compare;
use earmark_pipeline::{CompareOptions, compare};

use super::print;

/// Prints the scores of two runs and their differences.
pub fn run(options: &Compare) -> anyhow::Result<()> {
    let compared = CompareOptions { model: options.model.clone(), common: options.common };
    print(&compare(&options.a, &options.b, &compared)?, options.json)
}
