//! Arguments of training and what follows it.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::{Reading, threads};

/// Parses a shard of the jobs: `2/3` is the second of three.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((number, of)) if (1..=of).contains(&number) => Ok((number, of)),
        Some((_, of)) => Err(format!("shards are counted from 1: 1/{0} to {0}/{0}", of.max(1))),
        None => Err("write I/N, such as 1/3".to_owned()),
    }
}

/// Parses the address of a server.
fn address(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty() && !rest.contains(char::is_whitespace)) {
        true => Ok(text.to_owned()),
        false => Err("an address begins with https:// or http:// and the name of a server".to_owned()),
    }
}

/// `earmark train`.
#[derive(Debug, Args)]
pub struct Train {
    /// What to train and how: a file, or the name of one of Earmark's own (pretrained, fast,
    /// medium, best, dcase2018, dcase2018-cpu); by default that of the run, or for a new run one
    /// of Earmark's own, chosen by the number of clips and by the models that are installed
    #[arg(long, value_name = "R.toml")]
    pub recipe: Option<PathBuf>,
    /// The sounds and labels: a folder per class, the layout of FSDKaggle2018, Kaggle, ESC-50,
    /// UrbanSound8K or Hugging Face's `audiofolder`, or a CSV file
    #[arg(long)]
    pub data: PathBuf,
    /// How to read the data; these options override the recipe
    #[command(flatten)]
    pub reading: Reading,
    /// The run's folder; the same command resumes a run that was stopped
    #[arg(long, value_name = "RUN")]
    pub out: PathBuf,
    /// Where features are cached, for runs on the same sounds to share; by default in the run's
    /// folder
    #[arg(long, value_name = "DIR", env = "EARMARK_FEATURE_CACHE")]
    pub cache: Option<PathBuf>,
    /// Treat an unverified clip as verified if the stack of this finished run predicts the same
    /// label out of fold
    #[arg(long, value_name = "RUN")]
    pub verified_by: Option<PathBuf>,
    /// The hub that published weights are downloaded from (`pretrained = "imagenet"` in a recipe)
    #[arg(long, value_name = "URL", env = "HF_ENDPOINT", default_value = "https://huggingface.co", value_parser = address)]
    pub hub: String,
    /// cpu, or GPUs to spread the jobs over: cuda:0,cuda:1
    #[arg(long, default_value = "cpu", value_delimiter = ',', env = "EARMARK_DEVICE")]
    pub device: Vec<String>,
    /// Train this job alone, and do not stack
    #[arg(long, value_name = "LEARNER/SPLIT")]
    pub job: Option<String>,
    /// Train the I-th of N parts of the jobs, of about the same cost, and do not stack; `earmark
    /// stack RUN` does when all parts are done
    #[arg(long, value_name = "I/N", conflicts_with = "job", value_parser = shard)]
    pub shard: Option<(usize, usize)>,
    /// Print the jobs and what each will take, from a short measurement; write nothing into the
    /// run's folder
    #[arg(long)]
    pub plan: bool,
    /// Jobs at once; by default (0) one per core on a CPU, one on each GPU
    #[arg(long, value_name = "N", env = "EARMARK_JOBS", value_parser = threads())]
    pub jobs: Option<usize>,
    /// Threads of all jobs together; by default (0) one per core
    #[arg(long, value_name = "N", env = "EARMARK_THREADS", value_parser = threads())]
    pub threads: Option<usize>,
    /// No progress on stderr
    #[arg(long, env = "EARMARK_NO_PROGRESS", value_parser = FalseyValueParser::new())]
    pub no_progress: bool,
    /// The scores, or the plan, as one JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

/// `earmark stack`.
#[derive(Debug, Args)]
pub struct Stack {
    /// The run's folder
    pub run: PathBuf,
    /// The scores as one JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

/// `earmark evaluate`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The run's folder
    #[arg(required_unless_present = "submission", conflicts_with = "submission")]
    pub run: Option<PathBuf>,
    /// Each finished job by itself, also of a run that is not finished
    #[arg(long, conflicts_with = "submission")]
    pub jobs: bool,
    /// Score this CSV file instead of a run: `fname,label` with up to three labels, or `fname` and
    /// a column of probabilities per class
    #[arg(long, value_name = "S.csv", requires = "truth")]
    pub submission: Option<PathBuf>,
    /// The true labels: a CSV file with the columns fname, label (or labels, with commas between
    /// them, if clips may have several) and, optionally, usage (Public, Private or Ignored)
    #[arg(long, value_name = "T.csv", requires = "submission")]
    pub truth: Option<PathBuf>,
    /// One JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

/// `earmark compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The folder of the first run
    #[arg(value_name = "RUN_A")]
    pub a: PathBuf,
    /// The folder of the second run
    #[arg(value_name = "RUN_B")]
    pub b: PathBuf,
    /// The model of both runs: a learner's name, `arithmetic mean`, `geometric mean` or `stack`
    #[arg(long, value_name = "NAME", default_value = "stack")]
    pub model: String,
    /// Compare the clips that both runs have; otherwise a clip that only one run has is an error
    #[arg(long)]
    pub common: bool,
    /// One JSON value on stdout
    #[arg(long)]
    pub json: bool,
}

/// `earmark report`.
#[derive(Debug, Args)]
pub struct Report {
    /// The run's folder
    pub run: PathBuf,
    /// The folder of the sounds, at any depth, if they were moved since the run was trained
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// `earmark predict`.
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
    /// The model: a learner's name, `arithmetic mean`, `geometric mean` or `stack`
    #[arg(long, value_name = "NAME", default_value = "stack", alias = "system")]
    pub model: String,
}
