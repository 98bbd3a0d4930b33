//! Checks on the samples of a sound as they are decoded: their range, and a digest that identifies
//! copies.

use sha2::{Digest, Sha256};

use crate::level::is_silent;

/// The largest allowed magnitude of a sample. The power of the longest frame of such samples is
/// finite in 32 bits in every band; unscaled 32-bit integers are 400 times smaller.
pub const LARGEST_SAMPLE: f32 = 1e12;

/// SHA-256 of a sound's sample rate and of the samples of its mono mix. It is the same for a sound
/// in any lossless container, but differs at another sample rate or bit depth, or after lossy
/// coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoundId([u8; 32]);

impl SoundId {
    /// The digest of the samples of a mono mix; none if they are silent or out of range.
    pub fn of(sample_rate: u32, samples: &[f32]) -> Option<Self> {
        let mut fingerprint = Fingerprint::new(sample_rate);
        fingerprint.take(samples).ok()?;
        fingerprint.finish()
    }

    /// Creates the identifier from the digest that [`SoundId::to_bytes`] returned.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// A sample that is not finite or above [`LARGEST_SAMPLE`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImpossibleSample {
    /// Its index in the sound.
    pub index: u64,
    /// The sample.
    pub value: f32,
}

/// Computes the [`SoundId`] of a sound block by block.
pub struct Fingerprint {
    digest: Sha256,
    bytes: Vec<u8>,
    samples: u64,
    lowest: f32,
    highest: f32,
}

impl Fingerprint {
    /// Starts a sound with this sample rate.
    pub fn new(sample_rate: u32) -> Self {
        let digest = Sha256::new_with_prefix(sample_rate.to_le_bytes());
        Self { digest, bytes: Vec::new(), samples: 0, lowest: f32::INFINITY, highest: f32::NEG_INFINITY }
    }

    /// Adds the next samples.
    ///
    /// # Errors
    /// The first sample that is out of range.
    pub fn take(&mut self, block: &[f32]) -> Result<(), ImpossibleSample> {
        let impossible = |sample: &f32| sample.is_nan() || sample.abs() > LARGEST_SAMPLE;
        if let Some(place) = block.iter().position(impossible) {
            return Err(ImpossibleSample { index: self.samples + place as u64, value: block[place] });
        }
        self.bytes.clear();
        // -0 and 0 are the same sample.
        self.bytes.extend(block.iter().flat_map(|sample| (sample + 0.0).to_le_bytes()));
        self.digest.update(&self.bytes);
        self.samples += block.len() as u64;
        for sample in block {
            (self.lowest, self.highest) = (self.lowest.min(*sample), self.highest.max(*sample));
        }
        Ok(())
    }

    /// Number of samples so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The identifier of the sound; none for silence, so that silent clips do not count as copies.
    pub fn finish(self) -> Option<SoundId> {
        let silent = self.samples == 0 || is_silent(self.lowest, self.highest);
        (!silent).then(|| SoundId(self.digest.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(rate: u32, blocks: &[&[f32]]) -> Option<SoundId> {
        let mut fingerprint = Fingerprint::new(rate);
        blocks.iter().for_each(|block| fingerprint.take(block).unwrap());
        fingerprint.finish()
    }

    #[test]
    fn a_sound_is_its_rate_and_samples() {
        let sound = id(8_000, &[&[0.5, -0.5, 0.0]]);
        assert!(sound.is_some());
        assert_eq!(sound, id(8_000, &[&[0.5], &[-0.5, -0.0]]));
        assert_ne!(sound, id(16_000, &[&[0.5, -0.5, 0.0]]));
        assert_ne!(sound, id(8_000, &[&[0.5, -0.5]]));
        assert_eq!((id(8_000, &[]), id(8_000, &[&[0.3, 0.300_05]])), (None, None), "silence has none");
    }

    #[test]
    fn samples_out_of_range_are_named() {
        for value in [f32::NAN, f32::INFINITY, -1e29, 1.1e12] {
            let mut fingerprint = Fingerprint::new(8_000);
            fingerprint.take(&[LARGEST_SAMPLE, 0.0]).unwrap();
            let found = fingerprint.take(&[-LARGEST_SAMPLE, value]).unwrap_err();
            assert!(found.index == 3 && found.value.to_bits() == value.to_bits(), "{found:?}");
        }
    }
}
