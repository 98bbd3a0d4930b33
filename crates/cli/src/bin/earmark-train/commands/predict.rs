//! `earmark predict`.

use earmark_cli::args::Predict;
use earmark_cli::output;
use earmark_pipeline::{PredictOptions, predict};

/// Writes the predictions of a run for its test clips.
pub fn run(options: &Predict) -> anyhow::Result<()> {
    for (option, path) in [("--out", &options.out), ("--probabilities", &options.probabilities)] {
        path.as_deref().map_or(Ok(()), |path| output::check_place(option, path))?;
    }
    let (submission, probabilities) = (options.out.clone(), options.probabilities.clone());
    Ok(predict(&options.run, &PredictOptions { model: options.model.clone(), submission, probabilities })?)
}
