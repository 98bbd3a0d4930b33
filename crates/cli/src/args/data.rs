//! Arguments of data sets.

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::{FalseyValueParser, NonEmptyStringValueParser, RangedU64ValueParser};
use clap::{Args, Subcommand};
use earmark_datasets::{Columns, DEFAULT_FOLDS, OpenOptions};
use regex::Regex;

use super::LimitOptions;

/// `earmark synth`.
#[derive(Debug, Args)]
pub struct Synth {
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The seed of every sound; the same seed gives the same bytes
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Clips to train on
    #[arg(long, value_name = "N")]
    pub train_clips: Option<usize>,
    /// Clips to test on
    #[arg(long, value_name = "N")]
    pub test_clips: Option<usize>,
    /// Mix one to three sources into each clip, with a label for each
    #[arg(long)]
    pub multi_label: bool,
}

/// `earmark data`.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Decode every clip, and list what the data set has and what is wrong with it
    ///
    /// Exit code 1 if anything must be fixed.
    Check(Box<Check>),
    /// Download a data set into a folder, checked and complete
    Download(Download),
}

/// `earmark data download`.
#[derive(Debug, Args)]
pub struct Download {
    /// The data set: fsdkaggle2018, esc50, esc10, urbansound8k, or one from --registry
    #[arg(required_unless_present = "list")]
    pub name: Option<String>,
    /// The folder to write; partial downloads are in DIR.download, and the same command resumes
    /// them
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    pub to: Option<PathBuf>,
    /// Print what can be downloaded, and on what terms
    #[arg(long, conflicts_with_all = ["name", "to"])]
    pub list: bool,
    /// Download the archives from URL/ARCHIVE; they are checked all the same
    #[arg(long, value_name = "URL", env = "EARMARK_MIRROR")]
    pub mirror: Option<String>,
    /// A registry of your own data sets, instead of the built-in one
    #[arg(long, value_name = "FILE.toml", env = "EARMARK_REGISTRY")]
    pub registry: Option<PathBuf>,
    /// Keep the archives in DIR.download
    #[arg(long)]
    pub keep_archives: bool,
    /// No progress on stderr
    #[arg(long, env = "EARMARK_NO_PROGRESS", value_parser = FalseyValueParser::new())]
    pub no_progress: bool,
    /// One JSON value on stdout: folder, terms, number of files
    #[arg(long)]
    pub json: bool,
}

/// `earmark data check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The sounds and labels: a folder in one of the known layouts, or a CSV file
    pub data: PathBuf,
    /// How to read it
    #[command(flatten)]
    pub reading: Reading,
    /// Folds that training would draw (the recipe's `[data] folds`), if the data set gives none
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FOLDS)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(2..=100))]
    pub folds: usize,
    /// What a sound file may be
    #[command(flatten)]
    pub limits: LimitOptions,
    /// One JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

/// How to read a data set, beyond what its layout says.
#[derive(Debug, Clone, Default, Args)]
pub struct Reading {
    /// The folder of the sounds that a CSV file names
    #[arg(long, value_name = "DIR")]
    pub audio_dir: Option<PathBuf>,
    /// A regular expression whose first group is the fold in a file's name
    #[arg(long, value_name = "REGEX")]
    pub folds_from: Option<String>,
    /// A regular expression whose first group is the recording, or whatever else must stay in one
    /// fold, in a file's name
    #[arg(long, value_name = "REGEX")]
    pub groups_from: Option<String>,
    /// The table's column of file names
    #[arg(long, value_name = "COLUMN")]
    pub name_column: Option<String>,
    /// The table's column of classes
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// The text between the labels of a clip in the column of classes, such as `,`, if a clip may
    /// have several
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub label_separator: Option<String>,
    /// The table's columns with 1 for the clips of a class and 0 for others, instead of a column of
    /// classes
    #[arg(long, value_name = "COLUMN,COLUMN...", value_delimiter = ',')]
    #[arg(conflicts_with_all = ["label_column", "label_separator"])]
    pub label_columns: Vec<String>,
    /// The table's column of folds
    #[arg(long, value_name = "COLUMN")]
    pub fold_column: Option<String>,
    /// The table's column of what must stay in one fold, such as the recording
    #[arg(long, value_name = "COLUMN")]
    pub group_column: Option<String>,
    /// Use only rows whose COLUMN is VALUE: `esc10=True` selects ESC-10 from ESC-50
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = column_and_value)]
    pub rows_where: Option<(String, String)>,
}

fn column_and_value(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("write COLUMN=VALUE")?;
    Ok((column.to_owned(), value.to_owned()))
}

impl Reading {
    /// The options for opening the data set.
    pub fn options(&self) -> anyhow::Result<OpenOptions> {
        let regex = |text: &Option<String>, what: &str| {
            let compiled = text.as_deref().map(Regex::new).transpose();
            compiled.with_context(|| format!("--{what}-from: not a valid regular expression"))
        };
        Ok(OpenOptions {
            folds_from: regex(&self.folds_from, "folds")?,
            groups_from: regex(&self.groups_from, "groups")?,
            audio_dir: self.audio_dir.clone(),
            columns: Columns {
                name: self.name_column.clone(),
                label: self.label_column.clone(),
                one_hot: self.label_columns.clone(),
                fold: self.fold_column.clone(),
                group: self.group_column.clone(),
                verified: None,
            },
            label_separator: self.label_separator.clone(),
            rows_where: self.rows_where.clone(),
        })
    }
}
