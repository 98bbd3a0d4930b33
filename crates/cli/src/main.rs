//! The `earmark` binary: reads the command line, runs the command, and reports errors.

mod args;
mod check;
mod data;
#[cfg(feature = "download")]
mod download;
mod nets;
mod output;
mod place;
mod settings;
mod synth;
mod tag;

#[cfg(feature = "train")]
mod bundle;
#[cfg(feature = "train")]
mod contributions;
#[cfg(feature = "train")]
mod gather;
#[cfg(feature = "train")]
mod jobs;
#[cfg(feature = "train")]
mod plan;
#[cfg(feature = "train")]
mod predict;
#[cfg(feature = "train")]
mod pretrained;
#[cfg(feature = "train")]
mod progress;
#[cfg(feature = "train")]
mod recipe;
#[cfg(feature = "train")]
mod report;
#[cfg(feature = "train")]
mod results;
#[cfg(feature = "train")]
mod run;
#[cfg(feature = "train")]
mod schedule;
#[cfg(feature = "train")]
mod signals;
#[cfg(feature = "train")]
mod sounds;
#[cfg(feature = "train")]
mod stack;
#[cfg(feature = "train")]
mod statistics;
#[cfg(feature = "train")]
mod submission;
#[cfg(feature = "train")]
mod systems;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod verified;
#[cfg(feature = "train")]
mod work;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, Data};

/// 0: done; 1: failed; 2 (given by clap): wrong usage; 143 and 130: a signal has stopped the training.
fn main() -> ExitCode {
    quiet_decoders();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<output::ClosedStdout>() => ExitCode::SUCCESS,
        #[cfg(feature = "train")]
        Err(error) if error.is::<signals::Stopped>() => {
            output::tell(&output::message(&error));
            error.downcast_ref::<signals::Stopped>().map_or(ExitCode::FAILURE, |stopped| stopped.code().into())
        }
        Err(error) => {
            output::tell(&format!("error: {}", output::message(&error)));
            ExitCode::FAILURE
        }
    }
}

/// Some broken files make the decoding library panic. `earmark-audio` catches that and returns an
/// error of the file; the panic's own message would only puzzle people.
fn quiet_decoders() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let of_decoder = panic.location().is_some_and(|place| place.file().contains("symphonia"));
        if !of_decoder {
            usual(panic);
        }
    }));
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Synth(options) => synth::run(&options),
        Command::Data(Data::Check(options)) => check::run(&options),
        #[cfg(feature = "download")]
        Command::Data(Data::Download(options)) => download::run(&options),
        Command::Features(options) => data::features(&options),
        Command::Nets(command) => nets::run(&command),
        Command::Tag(options) => tag::run(&options),
        #[cfg(feature = "train")]
        Command::Train(options) => train::run(&options),
        #[cfg(feature = "train")]
        Command::Stack(options) => stack::run(&options),
        #[cfg(feature = "train")]
        Command::Evaluate(options) => results::evaluate(&options),
        #[cfg(feature = "train")]
        Command::Report(options) => report::run(&options),
        #[cfg(feature = "train")]
        Command::Predict(options) => predict::run(&options),
    }
}
