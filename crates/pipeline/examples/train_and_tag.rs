//! Trains an ensemble on the embedded data set and tags sounds that were not in the training set.
//!
//! ```sh
//! cargo run --release -p earmark-pipeline --example train_and_tag
//! ```
//!
//! It takes less than a minute on two cores and leaves nothing on the disk.

use std::error::Error;
use std::fs;

use earmark_datasets::synth::{self, SynthOptions};
use earmark_datasets::{OpenOptions, open};
use earmark_pipeline::{CancelToken, Event, JobOutcome, Observer, TrainOptions, train};
use earmark_tagging::{Parallelism, Tagger};

/// A kernel machine on summaries of whole clips and a small network on log-mel, averaged.
const RECIPE: &str = r#"
seed = 1

[data]
folds = 3

[features.summary]
kind = "summary"

[features.logmel]
kind = "logmel"

[[learners]]
name = "kernel"
arch = "kernel"
features = "summary"

[[learners]]
name = "resnet"
arch = "resnet_nano"
features = "logmel"
epochs = 4
batch_size = 32
learning_rate = 0.02

[stack]
kind = "mean"
"#;

/// Prints each job that ends. An observer can draw a progress bar or fill a queue instead.
struct Print;

impl Observer for Print {
    fn event(&self, event: &Event<'_>) {
        if let Event::JobFinished { job, outcome: JobOutcome::Done, .. } = event {
            println!("trained {}", job.name);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = tempfile::tempdir()?;
    let [data, recipe, run] = ["data", "recipe.toml", "run"].map(|name| place.path().join(name));
    fs::write(&recipe, RECIPE)?;
    fs::create_dir(&data)?;
    synth::write(&data, &SynthOptions { train_clips: 120, test_clips: 24, ..SynthOptions::default() })?;

    let trained = train(&TrainOptions::new(&recipe, &data, &run), &Print, &CancelToken::new())?;
    println!("{}", trained.results.ok_or("the run has no results")?);

    let tagger = Tagger::open(&run.join("bundle"), Parallelism::split(0, 1))?;
    let manifest = open(&data, &OpenOptions::default())?;
    let mut correct = 0;
    for clip in &manifest.test {
        let tagged = tagger.tag_file(&clip.path)?;
        let truth = clip.label().map(|label| &manifest.labels[label]);
        println!("{}: {} ({:.2})", clip.name, tagged.tags[0].label, tagged.tags[0].score);
        correct += usize::from(truth == Some(&tagged.tags[0].label));
    }
    println!("{correct} of {} clips have the right tag first", manifest.test.len());
    if 2 * correct < manifest.test.len() {
        return Err("fewer than half of the clips have the right tag".into());
    }
    Ok(())
}
