//! The command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use earmark_audio::Limits;
use earmark_datasets::{Columns, DEFAULT_FOLDS, OpenOptions};
use regex::Regex;

#[cfg(feature = "train")]
use crate::schedule::Shard;

/// Earmark, a general-purpose audio tagger: train on your sounds and labels by one command, tag any sound.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the embedded data set: sounds made by code, in FSDKaggle2018's layout
    Synth(Synth),
    /// Fetch a data set, or look into one
    #[command(subcommand)]
    Data(Data),
    /// Compute the features of one file
    Features(Features),
    /// List the networks, or write one as ONNX
    #[command(subcommand)]
    Nets(Nets),
    /// Train the learners of a recipe, stack them, and make a bundle
    #[cfg(feature = "train")]
    Train(Train),
    /// Stack the trained learners of a run once more
    #[cfg(feature = "train")]
    Stack(Run),
    /// Print the scores of a run, or of a submission
    #[cfg(feature = "train")]
    Evaluate(Evaluate),
    /// Write RUN/report.html, one page with all results of a run as far as it has come, and its plots in RUN/report
    #[cfg(feature = "train")]
    Report(Report),
    /// Write a run's answers for its test clips: in Kaggle's form, fname and three labels, or all probabilities
    #[cfg(feature = "train")]
    Predict(Predict),
    /// Tag sounds with a trained bundle
    Tag(Tag),
}

#[derive(Debug, Args)]
pub struct Synth {
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Decides every sound; the same seed gives the same bytes
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Clips to train on
    #[arg(long, value_name = "N")]
    pub train_clips: Option<usize>,
    /// Clips to test on
    #[arg(long, value_name = "N")]
    pub test_clips: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub enum Data {
    /// Decode every clip, and list what the data set holds and what is wrong with it
    ///
    /// Exit code 1 if anything must be fixed.
    Check(Check),
    /// Fetch a data set into a folder, checked and whole
    #[cfg(feature = "download")]
    Download(Download),
}

#[cfg(feature = "download")]
#[derive(Debug, Args)]
pub struct Download {
    /// Which: fsdkaggle2018, esc50, esc10, urbansound8k, or one of the registry
    #[arg(required_unless_present = "list")]
    pub name: Option<String>,
    /// The folder to make of it; what is on its way lies in DIR.download, and the same command goes on with that
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    pub to: Option<PathBuf>,
    /// Print what can be fetched, and on what terms
    #[arg(long, conflicts_with_all = ["name", "to"])]
    pub list: bool,
    /// Fetch the archives from here: URL/ARCHIVE; they are checked all the same
    #[arg(long, value_name = "URL", env = "EARMARK_MIRROR")]
    pub mirror: Option<String>,
    /// Data sets of one's own, instead of those that Earmark knows
    #[arg(long, value_name = "FILE.toml", env = "EARMARK_REGISTRY")]
    pub registry: Option<PathBuf>,
    /// Leave the archives in DIR.download
    #[arg(long)]
    pub keep_archives: bool,
    /// No progress bars
    #[arg(long, env = "EARMARK_NO_PROGRESS")]
    pub no_progress: bool,
    /// One JSON value on stdout: folder, terms, number of files
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Check {
    /// The sounds and labels: a folder in one of the known layouts, or a CSV file
    pub data: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
    /// Folds that training would draw (the recipe's `[data] folds`), if the data set gives none
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FOLDS, value_parser = RangedU64ValueParser::<usize>::new().range(2..=100))]
    pub folds: usize,
    #[command(flatten)]
    pub limits: LimitOptions,
    /// One JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

/// How to read a data set, beyond what its layout says.
#[derive(Debug, Clone, Default, Args)]
pub struct Reading {
    /// Where the sounds lie that a CSV file names
    #[arg(long, value_name = "DIR")]
    pub audio_dir: Option<PathBuf>,
    /// A regular expression whose first group is the fold in a file's name
    #[arg(long, value_name = "REGEX")]
    pub folds_from: Option<String>,
    /// A regular expression whose first group is the recording, or whatever else must stay in one fold, in a file's name
    #[arg(long, value_name = "REGEX")]
    pub groups_from: Option<String>,
    /// The table's column of file names
    #[arg(long, value_name = "COLUMN")]
    pub name_column: Option<String>,
    /// The table's column of classes
    #[arg(long, value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// The table's column of folds
    #[arg(long, value_name = "COLUMN")]
    pub fold_column: Option<String>,
    /// The table's column of what must stay in one fold, such as the recording
    #[arg(long, value_name = "COLUMN")]
    pub group_column: Option<String>,
    /// Only the table's rows with this value: `esc10=True` makes ESC-10 out of ESC-50
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = column_and_value)]
    pub rows_where: Option<(String, String)>,
}

/// Numbers of threads or jobs at once, up to four for each core: more of them would take long to
/// start, and then wait. With 0 the number follows from the cores.
fn threads() -> RangedU64ValueParser<usize> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    RangedU64ValueParser::new().range(..=4 * cores)
}

/// A number from 0 to 1.
fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "it is no number")?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("it is not in the range 0 to 1".to_owned()) }
}

fn column_and_value(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("wanted COLUMN=VALUE")?;
    Ok((column.to_owned(), value.to_owned()))
}

impl Reading {
    /// The options of the data set's reader.
    pub fn options(&self) -> anyhow::Result<OpenOptions> {
        let regex = |text: &Option<String>, what: &str| {
            let compiled = text.as_deref().map(Regex::new).transpose();
            compiled.with_context(|| format!("the regular expression of the {what}"))
        };
        Ok(OpenOptions {
            folds_from: regex(&self.folds_from, "folds")?,
            groups_from: regex(&self.groups_from, "groups")?,
            audio_dir: self.audio_dir.clone(),
            columns: Columns {
                name: self.name_column.clone(),
                label: self.label_column.clone(),
                fold: self.fold_column.clone(),
                group: self.group_column.clone(),
                verified: None,
            },
            rows_where: self.rows_where.clone(),
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Samples at 44,100 Hz: `[1, N]`
    Wave,
    /// Log-mel with deltas: `[3, 64, T]`
    Logmel,
    /// MFCC with deltas: `[3, 64, T]`
    Mfcc,
    /// The whole clip in one frame, for kernels: `[1248]`
    Summary,
    /// Maximum, minimum, variance, skewness of 64 MFCC: `[256]`
    Stats,
}

#[derive(Debug, Args)]
pub struct Features {
    /// The sound file
    pub file: PathBuf,
    /// Which features
    #[arg(long)]
    pub kind: Kind,
    /// A setting of the front end under librosa's name, such as `n_mels=128`; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The NumPy file to write, 32-bit floats
    #[arg(long, value_name = "X.npy")]
    pub out: PathBuf,
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// What a sound file may be.
#[derive(Debug, Clone, Args)]
pub struct LimitOptions {
    /// Longest sound, in seconds
    #[arg(long, value_name = "S", env = "EARMARK_MAX_SECONDS", default_value_t = Limits::default().max_seconds)]
    pub max_seconds: f64,
    /// Lowest sample rate, in Hz
    #[arg(long, value_name = "HZ", env = "EARMARK_MIN_SAMPLE_RATE", default_value_t = Limits::default().min_sample_rate)]
    pub min_sample_rate: u32,
    /// Highest sample rate, in Hz
    #[arg(long, value_name = "HZ", env = "EARMARK_MAX_SAMPLE_RATE", default_value_t = Limits::default().max_sample_rate)]
    pub max_sample_rate: u32,
    /// Most channels
    #[arg(long, value_name = "N", env = "EARMARK_MAX_CHANNELS", default_value_t = Limits::default().max_channels)]
    pub max_channels: usize,
    /// Most samples, channels mixed to one; by default those of `--max-seconds` at 74 kHz
    #[arg(long, value_name = "N", env = "EARMARK_MAX_SAMPLES")]
    pub max_samples: Option<usize>,
}

impl LimitOptions {
    /// The limits of a decoder.
    pub fn limits(&self) -> anyhow::Result<Limits> {
        let &LimitOptions { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples } = self;
        let max_samples = max_samples.unwrap_or_else(|| Limits::samples_of(max_seconds));
        let limits = Limits { max_seconds, min_sample_rate, max_sample_rate, max_channels, max_samples };
        limits.validate()?;
        Ok(limits)
    }
}

#[derive(Debug, Subcommand)]
pub enum Nets {
    /// Name, family, input, parameters, FLOPs and published weights of every network
    ///
    /// A recipe's `arch` can also be `kernel`, kernel ridge regression on the summary of a clip: no network, and not listed.
    List {
        /// One JSON value on stdout
        #[arg(long)]
        json: bool,
    },
    /// Write a network as ONNX: input `x` `[batch, channels, bins, frames]`, output `logits` `[batch, classes]`
    ///
    /// Channels are those of the weights; without weights 3, and 1 for the networks on the wave, which take
    /// `[batch, 1, 1, samples]`. Batch and frames are free, bins too but for `cnn14`, which takes 64.
    Export {
        /// The network's name
        arch: String,
        /// Its weights, a file of safetensors or of PyTorch with timm's or torchvision's names; without it, fresh random
        /// ones
        #[arg(long, value_name = "W.safetensors")]
        weights: Option<PathBuf>,
        /// Number of classes; by default those of the weights, or 1000
        #[arg(long, value_name = "N")]
        classes: Option<usize>,
        /// The ONNX file to write
        #[arg(long, value_name = "M.onnx")]
        out: PathBuf,
    },
}

/// The address of a server.
#[cfg(feature = "train")]
fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty() && !rest.contains(char::is_whitespace)) {
        true => Ok(text.to_owned()),
        false => Err("an address begins with https:// or http:// and a server's name".to_owned()),
    }
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub struct Train {
    /// What to train and how
    #[arg(long, value_name = "R.toml")]
    pub recipe: PathBuf,
    /// The sounds and labels: a folder in FSDKaggle2018's, Kaggle's, ESC-50's, UrbanSound8K's or `audiofolder`'s layout or
    /// with a folder per class, or a CSV file
    #[arg(long)]
    pub data: PathBuf,
    /// What is said here wins over the recipe.
    #[command(flatten)]
    pub reading: Reading,
    /// The run's folder; the same command goes on where it was broken off
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Where features are kept, for runs on the same sounds to share; by default in the run's folder
    #[arg(long, value_name = "DIR", env = "EARMARK_FEATURE_CACHE")]
    pub cache: Option<PathBuf>,
    /// A finished run on the same sounds: where its stack, out of fold, gives an unverified clip the label that it has, the
    /// clip counts as verified
    #[arg(long, value_name = "RUN")]
    pub verified_by: Option<PathBuf>,
    /// The hub that published weights are fetched from, as `pretrained = "imagenet"` in a recipe asks for them
    #[arg(long, value_name = "URL", env = "HF_ENDPOINT", default_value = "https://huggingface.co", value_parser = address)]
    pub hub: String,
    /// cpu, or GPUs to spread the jobs over: cuda:0,cuda:1
    #[arg(long, default_value = "cpu", value_delimiter = ',', env = "EARMARK_DEVICE")]
    pub device: Vec<String>,
    /// Train this job alone, and do not stack
    #[arg(long, value_name = "LEARNER/SPLIT")]
    pub job: Option<String>,
    /// Train the I-th of N parts of the jobs, of about the same cost, and do not stack; `earmark stack RUN` does, when
    /// all parts are done
    #[arg(long, value_name = "I/N", conflicts_with = "job")]
    pub shard: Option<Shard>,
    /// Print the jobs and what each will take, from a short measurement; writes nothing into the run's folder
    #[arg(long)]
    pub plan: bool,
    /// Jobs at once; by default one per core on a CPU, one on each GPU
    #[arg(long, value_name = "N", env = "EARMARK_JOBS", value_parser = threads())]
    pub jobs: Option<usize>,
    /// Threads of all jobs together; by default one per core
    #[arg(long, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: Option<usize>,
    /// No progress bars
    #[arg(long, env = "EARMARK_NO_PROGRESS")]
    pub no_progress: bool,
    /// Lines on stderr: each job that ends, and where the whole run stands
    #[arg(long, short)]
    pub verbose: bool,
    /// The scores, or the plan, as one JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub struct Run {
    /// The run's folder
    pub run: PathBuf,
    /// The scores as one JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The run's folder
    #[arg(required_unless_present = "submission", conflicts_with = "submission")]
    pub run: Option<PathBuf>,
    /// Each finished job by itself, also of a run that is not whole
    #[arg(long, conflicts_with = "submission")]
    pub jobs: bool,
    /// Judge this CSV file instead of a run: `fname,label` with up to three labels, or `fname` and a column of
    /// probabilities per class
    #[arg(long, value_name = "S.csv", requires = "truth")]
    pub submission: Option<PathBuf>,
    /// The true labels: a CSV file with the columns fname, label and, if it likes, usage (Public, Private or Ignored)
    #[arg(long, value_name = "T.csv", requires = "submission")]
    pub truth: Option<PathBuf>,
    /// One JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub struct Report {
    /// The run's folder
    pub run: PathBuf,
    /// Where the sounds lie by now, at any depth, if they are not where they were when the run was trained
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[cfg(feature = "train")]
#[derive(Debug, Args)]
pub struct Predict {
    /// The run's folder
    pub run: PathBuf,
    /// The CSV file to write in Kaggle's form: each test clip with its three most probable labels
    #[arg(long, value_name = "submission.csv", required_unless_present = "probabilities")]
    pub out: Option<PathBuf>,
    /// The CSV file to write all probabilities to, a column per class
    #[arg(long, value_name = "P.csv")]
    pub probabilities: Option<PathBuf>,
    /// Whose answers: a learner's name, `arithmetic mean`, `geometric mean` or `stack`
    #[arg(long, value_name = "NAME", default_value = "stack")]
    pub system: String,
}

#[derive(Debug, Args)]
pub struct Tag {
    /// Sound files, or folders of them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The bundle: the folder RUN/bundle
    #[arg(long, value_name = "BUNDLE", env = "EARMARK_MODEL")]
    pub model: PathBuf,
    /// Tags per file
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub top: u64,
    /// Leave out tags below this score, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "P", value_parser = probability)]
    pub min_score: f32,
    /// One JSON value on stdout: `[{"path": ..., "tags": [{"label": ..., "score": ...}]}]`, an
    /// element as soon as its file and all before it are done
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// A table on stdout: path,label,score
    #[arg(long)]
    pub csv: bool,
    /// Threads: as many files at once, each with the models in memory for itself; by default (0)
    /// one per core
    #[arg(long, default_value_t = 0, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: usize,
    #[command(flatten)]
    pub limits: LimitOptions,
}
