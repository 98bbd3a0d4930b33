//! `earmark synth`: writes the embedded data set.

use earmark_datasets::synth::{SynthOptions, write};

use crate::args::Synth;
use crate::output;

/// Runs the command.
pub fn run(options: &Synth) -> anyhow::Result<()> {
    output::check_place("--out", &options.out)?;
    let default = SynthOptions::default();
    let settings = SynthOptions {
        seed: options.seed,
        train_clips: options.train_clips.unwrap_or(default.train_clips),
        test_clips: options.test_clips.unwrap_or(default.test_clips),
        multi_label: options.multi_label,
    };
    let report = write(&options.out, &settings)?;
    output::line(&format!(
        "{}: {} training clips ({} verified, {} with a wrong label), {} test clips, {} classes, {:.0} s of sound",
        options.out.display(),
        report.train_clips,
        report.verified,
        report.wrong.len(),
        report.test_clips,
        report.labels.len(),
        report.seconds
    ));
    Ok(())
}
