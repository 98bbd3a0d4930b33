//! `earmark stack`.

use earmark_cli::args::Stack;
use earmark_pipeline::{Run, stack};

use super::finish;

/// Stacks the learners of a run again.
pub fn run(options: &Stack) -> anyhow::Result<()> {
    let results = stack(&options.run)?;
    finish(&Run::open(&options.run)?, &results, options.json)
}
