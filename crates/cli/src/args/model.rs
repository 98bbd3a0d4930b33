//! Arguments of models that tag without training.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::FalseyValueParser;

/// `earmark model`.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// List the published models and the installed ones
    List {
        /// One JSON value on stdout
        #[arg(long)]
        json: bool,
    },
    /// Download a published model and install it; `tag` uses it unless --model names another
    Pull {
        /// The model, one of `earmark model list`
        name: String,
        /// Download the weights from URL/FILE; they are checked all the same
        #[arg(long, value_name = "URL", env = "EARMARK_MIRROR")]
        mirror: Option<String>,
        /// No progress on stderr
        #[arg(long, env = "EARMARK_NO_PROGRESS", value_parser = FalseyValueParser::new())]
        no_progress: bool,
    },
    /// Install a file of weights: PyTorch's .pt and .pth, or safetensors
    Import {
        /// The file
        file: PathBuf,
        /// The network, such as mn04 or cnn14
        #[arg(long)]
        arch: String,
        /// The classes: a CSV file with the columns index, mid and display_name; by default
        /// AudioSet's 527
        #[arg(long, value_name = "CSV")]
        labels: Option<PathBuf>,
        /// The name of the model
        #[arg(long)]
        name: String,
    },
    /// Print what is known about an installed model
    Info {
        /// The model
        name: String,
        /// One JSON value on stdout
        #[arg(long)]
        json: bool,
    },
    /// Check an installed model as `earmark bundle verify` does
    Verify {
        /// The model
        name: String,
    },
    /// Remove an installed model
    Remove {
        /// The model
        name: String,
    },
    /// Choose the model that `tag` uses unless --model names another
    Use {
        /// The model
        name: String,
    },
}
