//! The commands that need neither libtorch nor XGBoost, one file each.

mod bundle;
mod data_check;
#[cfg(feature = "download")]
mod data_download;
mod detection;
#[cfg(feature = "download")]
pub mod download_bar;
mod embed;
mod export;
mod features;
mod listen;
mod manual;
mod mix;
mod model;
pub mod nets;
mod signals;
mod similar;
mod sounds;
mod synth;
mod tag;

use std::path::{Path, PathBuf};

use earmark_tagging::{ModelStore, TaggingError};

use crate::args::{Command, Data};

/// The folder of the bundle that `--model` names, or of the installed model that is chosen.
fn model_of(name: Option<&str>) -> Result<PathBuf, TaggingError> {
    let store = ModelStore::open()?;
    Ok(match name {
        Some(name) => store.resolve(name, Path::new(""))?,
        None => store.default_path()?,
    })
}

/// Runs a command.
///
/// # Errors
/// The command failed, or only `earmark-train` has it.
pub fn run(command: Command) -> anyhow::Result<()> {
    // Listening ends in its own way.
    if !matches!(command, Command::Listen(_)) {
        signals::end_without_debris()?;
    }
    match command {
        Command::Synth(options) => synth::run(&options),
        Command::Mix(options) => mix::run(&options),
        Command::Data(Data::Check(options)) => data_check::run(&options),
        #[cfg(feature = "download")]
        Command::Data(Data::Download(options)) => data_download::run(&options),
        #[cfg(not(feature = "download"))]
        Command::Data(Data::Download(_)) => anyhow::bail!("this build of Earmark cannot download"),
        Command::Features(options) => features::run(&options),
        Command::Nets(command) => nets::run(&command, None),
        Command::Tag(options) => tag::run(&options),
        Command::Listen(options) => listen::run(&options),
        Command::Embed(options) => embed::run(&options),
        Command::Similar(options) => similar::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Bundle(command) => bundle::run(&command),
        Command::Model(command) => model::run(&command),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::pages(&folder),
        Command::Train(_)
        | Command::Stack(_)
        | Command::Evaluate(_)
        | Command::EvaluateEvents(_)
        | Command::Compare(_)
        | Command::Report(_)
        | Command::Predict(_) => anyhow::bail!("only earmark-train has this command"),
    }
}
