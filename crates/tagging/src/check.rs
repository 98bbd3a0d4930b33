//! Validates a bundle's description: counts, names and numbers must be in range.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use earmark_features::{FrontEnd, InputScaling, MelSettings, Windowing};

use crate::bundle::{Bundle, Embedding, Learner, Network};
use crate::{BundleFault, Resampler};

const LABELS: RangeInclusive<usize> = 1..=65_536;
const LEARNERS: RangeInclusive<usize> = 1..=64;
/// Number of networks per learner, and of all learners together.
const NETWORKS: RangeInclusive<usize> = 1..=256;
/// Number of values of an embedding.
const SIZES: RangeInclusive<usize> = 1..=65_536;
/// The maximum length and hop of windows.
const MOST_SECONDS: f64 = 60.0;
/// Maximum number of values of a window: 256 MiB.
pub(crate) const MOST_VALUES: usize = 1 << 26;
/// Maximum number of samples in the overlapping Fourier transforms of a second of sound: a hundred
/// times the number for frames of 80 ms every 10 ms.
const MOST_TRANSFORMED: f64 = (1u64 << 24) as f64;
/// A scaling outside this range overflows 32 bits with ordinary features.
const DEVIATION: RangeInclusive<f32> = 1e-12..=1e12;
const LARGEST: f32 = 1e12;

type Result<T> = std::result::Result<T, BundleFault>;

pub(crate) fn bundle(bundle: &Bundle, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    count("labels", bundle.labels.len(), LABELS)?;
    count("learners", bundle.learners.len(), LEARNERS)?;
    names("label", bundle.labels.iter())?;
    names("learner", bundle.learners.iter().map(|learner| &learner.name))?;
    if let Some(thresholds) = &bundle.thresholds {
        let fits = thresholds.len() == bundle.labels.len() && thresholds.iter().all(|of| (0.0..=1.0).contains(of));
        if !fits {
            let allowed = format!("a number from 0 to 1 for each of the {} labels", bundle.labels.len());
            return Err(setting("thresholds", format!("{thresholds:?}"), allowed));
        }
    }
    if bundle.resampler != Resampler::default() {
        let allowed = format!("{:?}", Resampler::default());
        return Err(setting("resampler", format!("{:?}", bundle.resampler), allowed));
    }
    if !bundle.ids.is_empty() {
        count("ids of labels", bundle.ids.len(), bundle.labels.len()..=bundle.labels.len())?;
    }
    let embeddings: Vec<String> = bundle.embeddings.iter().map(Embedding::shown).collect();
    names("embedding", embeddings.iter())?;
    for Embedding { name, size, features, windows, network, .. } in &bundle.embeddings {
        let key = format!("embeddings.{name}");
        if matches!(features, FrontEnd::Embedding { .. }) {
            return Err(setting(format!("{key}.features"), "an embedding", "the features of a network"));
        }
        if !SIZES.contains(size) {
            return Err(setting(format!("{key}.size"), size, format!("{} to {}", SIZES.start(), SIZES.end())));
        }
        of_networks(&key, features, windows, std::slice::from_ref(network))?;
    }
    for Learner { name, features, windows, networks, .. } in &bundle.learners {
        count("networks of a learner", networks.len(), NETWORKS)?;
        of_networks(&format!("learners.{name}"), features, windows, networks)?;
        bundle.embedding_of(features, files).map_err(|allowed| {
            setting(format!("learners.{name}.features"), "an embedding that the bundle does not have", allowed)
        })?;
    }
    if let Some(statistics) = &bundle.statistics {
        let of = || "statistics".to_owned();
        statistics.validate().map_err(|source| BundleFault::FrontEnd { of: of(), source })?;
        overlap(&of(), &statistics.mel)?;
    }
    let networks = bundle.learners.iter().flat_map(|learner| &learner.networks);
    let needed: Vec<&String> = networks.map(|network| &network.file).chain(&bundle.stack).collect();
    count("networks", needed.len(), NETWORKS)?;
    // A network that tags may embed, too.
    let embedding = bundle.embeddings.iter().map(|embedding| &embedding.network.file);
    if let Some(name) = needed.iter().copied().chain(embedding).find(|name| !files.contains_key(*name)) {
        return Err(BundleFault::Unlisted { name: name.clone() });
    }
    once("file", &mut needed.iter().map(|name| name.as_str()).collect::<Vec<_>>())
}

fn of_networks(of: &str, features: &FrontEnd, windows: &Windowing, networks: &[Network]) -> Result<()> {
    features.validate().map_err(|source| BundleFault::FrontEnd { of: of.to_owned(), source })?;
    let key = |key: &str| format!("{of}.{key}");
    features.mel().map_or(Ok(()), |mel| overlap(&key("features"), mel))?;
    let (channels, bins) = features.shape();
    let longest = (MOST_SECONDS * features.frames_per_second()).ceil().max(1.0) as usize;
    for (what, value, most) in [
        ("windows.frames", windows.frames, longest.min(MOST_VALUES / (channels * bins).max(1))),
        ("windows.hop", windows.hop, longest),
    ] {
        if !(1..=most).contains(&value) {
            return Err(setting(key(what), value, format!("1 to {most}")));
        }
    }
    if windows.pad_value.abs().partial_cmp(&LARGEST).is_none_or(|order| order.is_gt()) {
        return Err(setting(key("windows.pad_value"), windows.pad_value, format!("-{LARGEST:e} to {LARGEST:e}")));
    }
    if let Some(least) = windows.least_frames.filter(|least| !(1..=windows.frames).contains(least)) {
        return Err(setting(key("windows.least_frames"), least, format!("1 to {}", windows.frames)));
    }
    for network in networks {
        let InputScaling::Fixed(scaling) = &network.scaling else { continue };
        let fits = scaling.mean.len() == channels && scaling.deviation.len() == channels;
        if !fits {
            let lengths = format!("{} means and {} deviations", scaling.mean.len(), scaling.deviation.len());
            return Err(setting(key("scaling"), lengths, format!("{channels} of each, one a channel")));
        }
        if let Some(mean) = scaling.mean.iter().find(|mean| mean.is_nan() || mean.abs() > LARGEST) {
            return Err(setting(key("scaling.mean"), format!("{mean:e}"), format!("-{LARGEST:e} to {LARGEST:e}")));
        }
        if let Some(deviation) = scaling.deviation.iter().find(|deviation| !DEVIATION.contains(deviation)) {
            let allowed = format!("{:e} to {:e}", DEVIATION.start(), DEVIATION.end());
            return Err(setting(key("scaling.deviation"), format!("{deviation:e}"), allowed));
        }
    }
    Ok(())
}

/// Limits the overlap of frames to useful values, because computing time grows with it.
fn overlap(of: &str, mel: &MelSettings) -> Result<()> {
    let least = (f64::from(mel.sr) * mel.n_fft as f64 / MOST_TRANSFORMED).ceil();
    if mel.hop_length as f64 >= least {
        return Ok(());
    }
    let allowed = format!("at least {least} with sr = {} and n_fft = {}", mel.sr, mel.n_fft);
    Err(setting(format!("{of}.hop_length"), mel.hop_length, allowed))
}

fn count(what: &'static str, count: usize, allowed: RangeInclusive<usize>) -> Result<()> {
    if allowed.contains(&count) {
        return Ok(());
    }
    Err(BundleFault::Count { what, count, least: *allowed.start(), most: *allowed.end() })
}

/// Checks that names are unique and printable.
fn names<'a>(what: &'static str, names: impl Iterator<Item = &'a String> + Clone) -> Result<()> {
    let unfit = |name: &&String| name.trim().is_empty() || name.contains(char::is_control);
    if let Some(name) = names.clone().find(unfit) {
        return Err(BundleFault::Text { what, name: name.clone() });
    }
    once(what, &mut names.map(String::as_str).collect::<Vec<_>>())
}

/// Fails with the first duplicate name; sorts the names.
pub(crate) fn once(what: &'static str, names: &mut [&str]) -> Result<()> {
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(BundleFault::Twice { what, name: pair[0].to_owned() }),
        None => Ok(()),
    }
}

pub(crate) fn setting(key: impl Into<String>, value: impl ToString, allowed: impl Into<String>) -> BundleFault {
    BundleFault::Setting { key: key.into(), value: value.to_string(), allowed: allowed.into() }
}
