//! Checks a bundle as completely as possible without a sound of the user's.

use std::path::Path;

use earmark_audio::Clip;

use crate::names::SUMS;
use crate::{Bundle, Embedder, Parallelism, Tagger, TaggingError};

/// Sample rate of the noise, Hz.
const RATE: u32 = 32_000;

/// What [`verify`] has checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// The bundle's description.
    pub bundle: Bundle,
    /// Names and sizes in bytes of the files whose checksums were compared, sorted by name.
    pub files: Vec<(String, u64)>,
    /// Names in the folder that its list of checksums does not have, sorted. Nothing reads them.
    pub unlisted: Vec<String>,
}

/// Checks a bundle: the checksums of all files, the description, inputs and outputs of every ONNX
/// model as tagging and embedding load it, and then the tags and embeddings of a second of noise,
/// which must be finite.
///
/// # Errors
/// The first fault.
pub fn verify(folder: &Path) -> Result<Verified, TaggingError> {
    let tagger = Tagger::open(folder, Parallelism::split(1, 1))?;
    let (bundle, files) = Bundle::read(folder)?;
    let embedders = bundle
        .embeddings
        .iter()
        .map(|embedding| Embedder::new(embedding, &files, 1).map_err(|error| error.of_bundle(folder)));
    let embedders: Vec<Embedder> = embedders.collect::<Result<_, _>>()?;
    let noise = noise();
    tagger.probabilities(&noise, folder)?;
    for embedder in &embedders {
        embedder.embed_clip(&noise, folder)?;
    }
    let unlisted = names_in(folder).into_iter().filter(|name| name != SUMS && !files.contains_key(name)).collect();
    let files = files.into_iter().map(|(name, bytes)| (name, bytes.len() as u64)).collect();
    Ok(Verified { bundle, files, unlisted })
}

/// The names in a folder, sorted. What cannot be listed is not read either.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// A second of white noise, the same every time.
fn noise() -> Clip {
    let mut state = 1_u64;
    let mut draw = || {
        // Knuth's linear congruential generator (MMIX); its upper bits are random enough.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    Clip { samples: (0..RATE).map(|_| draw()).collect(), sample_rate: RATE }
}
