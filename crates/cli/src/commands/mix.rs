//! `earmark mix`: writes recordings with known events.

use earmark_datasets::open;
use earmark_datasets::synth::recordings::{self, EVENTS, RecordingOptions, write_recordings};

use crate::args::{ClipSet, Mix, Noise};
use crate::output::{self, Exit};

/// Runs the command.
pub fn run(options: &Mix) -> anyhow::Result<()> {
    output::check_place("--out", &options.out)?;
    let clips = match (options.set, &options.only_folds[..]) {
        (ClipSet::Test, []) => recordings::ClipSet::Test,
        (ClipSet::Test, _) => {
            let reason = "--only-folds chooses training clips, and --set test has none";
            return Err(Exit::WrongUsage(reason.to_owned()).into());
        }
        (ClipSet::Train, []) => recordings::ClipSet::Train,
        (ClipSet::Train, folds) => recordings::ClipSet::Folds(folds.to_vec()),
    };
    let settings = RecordingOptions {
        seed: options.seed,
        recordings: options.recordings,
        seconds: options.seconds,
        events_per_minute: options.events_per_minute,
        snr: options.snr,
        noise: match options.noise {
            Noise::Pink => recordings::Noise::Pink,
            Noise::White => recordings::Noise::White,
        },
        max_overlap: options.max_overlap,
        clips,
        limits: options.limits.limits()?,
    };
    let data = open(&options.data, &options.reading.options()?)?;
    let report = write_recordings(&data, &options.out, &settings)?;
    if report.without_place > 0 {
        output::warning(&format!(
            "{} more events were drawn, and there was no place for them: give fewer --events-per-minute, or a higher \
             --max-overlap",
            report.without_place
        ));
    }
    output::line(&format!(
        "{}: {} recording{}, {:.0} s, {} events of {} clips",
        options.out.join(EVENTS).display(),
        report.recordings,
        if report.recordings == 1 { "" } else { "s" },
        report.seconds,
        report.events,
        report.clips
    ));
    Ok(())
}
