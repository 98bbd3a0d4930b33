//! Arguments of embeddings.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use earmark_features::Layers;

use super::{LimitOptions, threads};

/// `earmark embed`.
#[derive(Debug, Args)]
pub struct Embed {
    /// Sound files, or folders of them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The table to write: X.npy for NumPy, with X.csv (path,start,end) and X.json (the model)
    /// beside it, or X.parquet
    #[arg(long, value_name = "X.npy|X.parquet")]
    pub out: PathBuf,
    /// A row for each window of the model, instead of one for each sound
    #[arg(long)]
    pub windows: bool,
    /// The bundle, or the name of an installed model; by default the model last pulled or chosen
    /// (`earmark model use`)
    #[arg(long, value_name = "BUNDLE|NAME", env = "EARMARK_MODEL")]
    pub model: Option<String>,
    /// Which embedding of the bundle, if it has several
    #[arg(long, value_name = "NAME")]
    pub embedding: Option<String>,
    /// Layers of the network: the last one, or the last one at each resolution too
    #[arg(long, value_enum, default_value_t = LayersOption::Last)]
    pub layers: LayersOption,
    /// Threads: as many files at once, each with a model of its own in memory; by default (0)
    /// one per core
    #[arg(long, default_value_t = 0, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: usize,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// [`Layers`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LayersOption {
    /// The last layer
    Last,
    /// The last layer at each resolution
    Stages,
}

impl From<LayersOption> for Layers {
    fn from(option: LayersOption) -> Self {
        match option {
            LayersOption::Last => Layers::Last,
            LayersOption::Stages => Layers::Stages,
        }
    }
}

/// `earmark similar`.
#[derive(Debug, Args)]
pub struct Similar {
    /// The sound file
    pub query: PathBuf,
    /// A table that `earmark embed` wrote, X.npy or X.parquet
    #[arg(long = "in", value_name = "X")]
    pub table: PathBuf,
    /// Number of sounds to list
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub top: u64,
    /// List every window; by default only the most similar one of each sound
    #[arg(long)]
    pub windows: bool,
    /// List the query too; by default its own rows, those with its path, are omitted
    #[arg(long)]
    pub with_query: bool,
    /// The bundle, or the name of an installed model; by default the installed one that made X. It
    /// must be the one that made X
    #[arg(long, value_name = "BUNDLE|NAME")]
    pub model: Option<String>,
    /// One JSON value on stdout: `[{"path": ..., "start": ..., "end": ..., "cosine": ...}]`
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// A table on stdout: path,start,end,cosine
    #[arg(long)]
    pub csv: bool,
    /// Threads that compare; by default (0) one per core
    #[arg(long, default_value_t = 0, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: usize,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
}
