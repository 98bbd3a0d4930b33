//! `earmark evaluate`.

use earmark_cli::args::Evaluate;
use earmark_cli::output;
use earmark_pipeline::{evaluate, evaluate_jobs, evaluate_submission};
use earmark_tables::counted;

use super::print;

/// Prints the scores of a run, of its jobs, or of a submission.
pub fn run(options: &Evaluate) -> anyhow::Result<()> {
    match (&options.run, &options.submission, &options.truth) {
        (Some(run), ..) if options.jobs => print(&evaluate_jobs(run)?, options.json),
        (Some(run), ..) => print(&evaluate(run)?, options.json),
        (None, Some(submission), Some(truth)) => {
            let scores = evaluate_submission(submission, truth)?;
            if scores.ignored > 0 {
                let clips = counted(scores.ignored, "clip");
                output::line(&format!("not scored: {clips} of the usage `Ignored`"));
            }
            scores.warnings.iter().for_each(|warning| output::warning(warning));
            print(&scores, options.json)
        }
        // clap rejects this.
        _ => anyhow::bail!("name a run, or --submission and --truth"),
    }
}
