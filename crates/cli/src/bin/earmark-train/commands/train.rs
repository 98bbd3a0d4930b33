//! `earmark train`.

use std::process::ExitCode;

use earmark_cli::args::Train;
use earmark_cli::output;
use earmark_pipeline::{JobSelection, PipelineError, Shard, TrainOptions, evaluate_jobs, plan, train};

use super::{finish, print};
use crate::progress::Progress;
use crate::signals::Signals;

/// Trains, or prints the plan. The exit code is 143 or 130 if SIGTERM or Ctrl-C stopped it.
pub fn run(arguments: &Train) -> anyhow::Result<ExitCode> {
    output::check_place("--out", &arguments.out)?;
    arguments.cache.as_deref().map_or(Ok(()), |cache| output::check_place("--cache", cache))?;
    let options = options(arguments)?;
    let signals = Signals::default();
    let progress = Progress::new(!arguments.no_progress, &signals);
    if arguments.plan {
        print(&plan(&options, &progress)?, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let trained = train(&options, &progress, signals.cancel_token());
    drop(progress);
    let trained = match (trained, signals.came()) {
        (Err(error @ (PipelineError::Cancelled { .. } | PipelineError::Jobs(_))), Some((signal, code))) => {
            if let PipelineError::Jobs(failures) = &error {
                failures.iter().for_each(|failure| output::error(failure));
            }
            let saved = match &error {
                PipelineError::Cancelled { .. } => error.to_string(),
                _ => "what the other jobs trained is saved; the same command resumes from there".to_owned(),
            };
            output::line(&format!("stopped by {signal}: {saved}"));
            return Ok(ExitCode::from(code));
        }
        (trained, _) => trained?,
    };
    match &trained.results {
        Some(results) => finish(&trained.run, results, arguments.json)?,
        None => {
            let run = &trained.run.folder;
            output::line(&format!("when all jobs are done, `earmark stack {}` fits level 2", run.display()));
            arguments.json.then(|| output::print_json(&evaluate_jobs(run)?)).transpose()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &Train) -> anyhow::Result<TrainOptions> {
    let selection = match (&arguments.job, arguments.shard) {
        (Some(job), _) => JobSelection::One(job.clone()),
        (None, Some((number, of))) => JobSelection::Shard(Shard::new(number, of)?),
        (None, None) => JobSelection::All,
    };
    Ok(TrainOptions {
        recipe: arguments.recipe.clone(),
        data: arguments.data.clone(),
        open: arguments.reading.options()?,
        out: arguments.out.clone(),
        cache: arguments.cache.clone(),
        verified_by: arguments.verified_by.clone(),
        hub: arguments.hub.clone(),
        devices: arguments.device.clone(),
        selection,
        jobs: arguments.jobs,
        threads: arguments.threads,
    })
}
