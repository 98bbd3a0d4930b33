//! `earmark features`: one file's features as a NumPy file.

use anyhow::Context;
use earmark_audio::{Limits, decode, resample};
use earmark_features::{FrontEnd, MfccStatistics, mfcc_statistics, npy};

use crate::args::{Features, Kind};

pub fn features(options: &Features) -> anyhow::Result<()> {
    let clip = decode(&options.file, &Limits::default())?;
    let named = || options.file.display().to_string();
    let front_end = match options.kind {
        Kind::Wave => FrontEnd::wave(),
        Kind::Logmel => FrontEnd::logmel(),
        Kind::Mfcc => FrontEnd::mfcc(),
        Kind::Stats => {
            let settings = MfccStatistics::default();
            let clip = resample(&clip, settings.mel.sr)?;
            let values = mfcc_statistics(&clip.samples, &settings).with_context(named)?;
            return Ok(earmark_files::write_atomic(&options.out, &npy(&[values.len()], &values))?);
        }
    };
    let clip = resample(&clip, front_end.sample_rate())?;
    let features = front_end.extractor()?.extract(&clip.samples).with_context(named)?;
    let shape = match options.kind {
        Kind::Wave => vec![features.channels, features.frames],
        _ => vec![features.channels, features.bins, features.frames],
    };
    Ok(earmark_files::write_atomic(&options.out, &npy(&shape, &features.rows()))?)
}
