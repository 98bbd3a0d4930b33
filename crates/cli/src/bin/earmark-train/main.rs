//! The executable `earmark-train`: `earmark` with libtorch and XGBoost. `earmark` starts it for the
//! commands that need them.

mod commands;
mod progress;
mod signals;

use std::process::ExitCode;

use earmark_cli::args::{Arguments, Command};

fn main() -> ExitCode {
    earmark_cli::main(run)
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Train(options) => return commands::train::run(&options),
        Command::Stack(options) => commands::stack::run(&options)?,
        Command::Compare(options) => commands::compare::run(&options)?,
        Command::Evaluate(options) => commands::evaluate::run(&options)?,
        Command::EvaluateEvents(options) => commands::evaluate_events::run(&options)?,
        Command::Report(options) => commands::report::run(&options)?,
        Command::Predict(options) => commands::predict::run(&options)?,
        Command::Nets(command) => {
            let random = |graph: &_| earmark_training::initial_weights(graph, 0, &[]);
            earmark_cli::commands::nets::run(&command, Some(random))?;
        }
        command => earmark_cli::commands::run(command)?,
    }
    Ok(ExitCode::SUCCESS)
}
