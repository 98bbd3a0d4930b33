//! The command line.

mod bundle;
mod data;
mod embeddings;
mod events;
mod examples;
mod export;
mod global;
mod listen;
mod model;
mod sound;
mod tag;
mod train;

use clap::builder::RangedU64ValueParser;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub use bundle::Bundle;
pub use data::{Check, Data, Download, Reading, Synth};
pub use embeddings::{Embed, Similar};
pub use events::{ClipSet, EvaluateEvents, Mix, Noise};
pub use export::Export;
pub use global::{Color, Global, LogFormat};
pub use listen::{ClipOptions, Listen, LiveEvents, LiveReading};
pub use model::Model;
pub use sound::{FeatureKind, Features, LimitOptions, Nets};
pub use tag::{Form, Shard, Tag, Time, Which};
pub use train::{Compare, Evaluate, Predict, Report, Stack, Train};

/// Earmark, a general-purpose audio tagger: train on your own labeled sounds with one command, then
/// tag any sound.
#[derive(Debug, Parser)]
#[command(name = "earmark", version, propagate_version = true)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// What is written to the terminal
    #[command(flatten)]
    pub global: Global,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the embedded data set: synthetic sounds in FSDKaggle2018's layout
    Synth(Synth),
    /// Lay clips of a data set at random times over noise: recordings with known events, to judge
    /// the detection of events
    Mix(Box<Mix>),
    /// Download a data set, or check one
    #[command(subcommand)]
    Data(Data),
    /// Compute the features of one file
    Features(Features),
    /// List the networks, or write one as ONNX
    #[command(subcommand)]
    Nets(Nets),
    /// Train the learners of a recipe, stack them, and write a bundle
    Train(Box<Train>),
    /// Stack the trained learners of a run again
    Stack(Stack),
    /// Print the scores of a run, or of a submission
    Evaluate(Evaluate),
    /// Print the scores of detected events against a table of the true ones
    EvaluateEvents(EvaluateEvents),
    /// Compare the scores of two runs on the same clips: differences with intervals, also of each
    /// class
    Compare(Compare),
    /// Write RUN/report.html, one page with all results of a run as far as it has come, and its
    /// plots in RUN/report
    Report(Report),
    /// Write the predictions of a run for its test clips: three labels each in Kaggle's form, or
    /// all probabilities
    Predict(Predict),
    /// Tag sounds with an installed model, or with a trained bundle
    Tag(Box<Tag>),
    /// Report the events of live sound while they happen, as lines of JSON
    Listen(Box<Listen>),
    /// Write a table of embeddings: what a model knows of each sound, as numbers whose direction
    /// means the content
    Embed(Embed),
    /// List the sounds of a table of embeddings that are most similar to a sound
    Similar(Similar),
    /// Write a bundle or a model as one ONNX file, which other languages tag with: samples in, a
    /// score for each label out
    Export(Export),
    /// Print what is in a bundle, or check one that comes from elsewhere
    #[command(subcommand)]
    Bundle(Bundle),
    /// Install, list and choose published models, which tag without training
    #[command(subcommand)]
    Model(Model),
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages
    Man {
        /// The folder to write them to
        #[arg(default_value = ".")]
        folder: std::path::PathBuf,
    },
}

impl Command {
    /// Whether `earmark-train` must run this command.
    pub fn is_of_training(&self) -> bool {
        matches!(
            self,
            Self::Train(_)
                | Self::Stack(_)
                | Self::Evaluate(_)
                | Self::EvaluateEvents(_)
                | Self::Compare(_)
                | Self::Report(_)
                | Self::Predict(_)
                | Self::Nets(Nets::Export { weights: None, .. })
        )
    }
}

/// Parses the command line. Wrong usage, `--help` and `--version` end the process.
pub fn parse() -> Arguments {
    global::parse(command(), std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
}

/// The clap command, with the examples of each command in its help.
pub(crate) fn command() -> clap::Command {
    examples::add(Arguments::command())
}

/// Parses a number of threads or of jobs at once, at most four for each core: more would only be
/// slow to start and then wait. 0 means a number that depends on the cores.
pub(crate) fn threads() -> RangedU64ValueParser<usize> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    RangedU64ValueParser::new().range(..=4 * cores)
}
