//! Decoding of audio files to samples: limits, mono mix, resampling.
//!
//! [`decode`] reads WAV (8, 16, 24, 32 bit, float), FLAC, Ogg Vorbis, MP3, AAC in M4A and AIFF, and
//! fails with an error that names the file and the reason unless the file is complete; [`resample`]
//! changes the sample rate of a clip.
//!
//! ```
//! use earmark_audio::{Clip, Limits, decode, resample, write_wav};
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("tone.wav");
//! let tone = (0..44_100).map(|n| 0.5 * (0.05 * n as f32).sin()).collect();
//! write_wav(&path, &Clip { samples: tone, sample_rate: 44_100 })?;
//! let clip = resample(&decode(&path, &Limits::default())?, 22_050)?;
//! assert_eq!((clip.samples.len(), clip.seconds()), (22_050, 1.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod container;
mod decode;
mod decoding;
mod error;
mod fingerprint;
mod forward;
mod header;
mod level;
mod limits;
mod mp4;
mod ogg;
mod raw;
mod resample;
mod riff;
mod source;

use std::path::Path;

pub use decode::{AudioStream, decode};
pub use error::AudioError;
pub use fingerprint::{Fingerprint, ImpossibleSample, LARGEST_SAMPLE, SoundId};
pub use forward::{Arrival, Reading};
pub use level::{SILENCE, is_silent};
pub use limits::Limits;
pub use raw::{Encoding, RawFormat, RawFormatError};
pub use resample::{StreamResampler, resample};

/// Extensions of the files that [`decode`] reads. It detects the format from the content, so it
/// also reads such files under other names.
pub const EXTENSIONS: [&str; 11] = ["wav", "flac", "ogg", "oga", "mp3", "m4a", "mp4", "aac", "aif", "aiff", "aifc"];

/// Whether the path has one of the [`EXTENSIONS`], in any case.
pub fn is_sound_file(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) && path.is_file()
}

/// A mono clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// The samples, `[N]`; full scale is 1.
    pub samples: Vec<f32>,
    /// Sample rate, Hz.
    pub sample_rate: u32,
}

impl Clip {
    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate.max(1))
    }
}

/// Writes a clip as a WAV file, as [`wav`] encodes it.
///
/// # Errors
/// The file cannot be written, or the clip exceeds the format's limit of 4 GiB. An existing file is
/// left unchanged.
pub fn write_wav(path: &Path, clip: &Clip) -> Result<(), earmark_files::FileError> {
    let too_large = || {
        let source = std::io::Error::new(std::io::ErrorKind::FileTooLarge, "WAV holds at most 4 GiB");
        earmark_files::FileError { path: path.to_owned(), action: "write", source }
    };
    earmark_files::write_atomic(path, &wav(clip).ok_or_else(too_large)?)
}

/// Encodes a clip as WAV with 16-bit PCM; samples beyond full scale are clipped, NaN becomes 0.
/// None if the clip exceeds the format's limit of 4 GiB.
///
/// ```
/// let clip = earmark_audio::Clip { samples: vec![0.0; 10], sample_rate: 8000 };
/// assert_eq!(earmark_audio::wav(&clip).map(|bytes| bytes.len()), Some(44 + 2 * 10));
/// ```
pub fn wav(clip: &Clip) -> Option<Vec<u8>> {
    let data = u32::try_from(clip.samples.len() * 2).ok().filter(|data| *data <= u32::MAX - 36)?;
    let mut bytes = Vec::with_capacity(44 + data as usize);
    bytes.extend(b"RIFF");
    bytes.extend((36 + data).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16u32.to_le_bytes());
    bytes.extend([1u16, 1].into_iter().flat_map(u16::to_le_bytes)); // PCM, mono
    bytes.extend(clip.sample_rate.to_le_bytes());
    bytes.extend(clip.sample_rate.saturating_mul(2).to_le_bytes());
    bytes.extend([2u16, 16].into_iter().flat_map(u16::to_le_bytes));
    bytes.extend(b"data");
    bytes.extend(data.to_le_bytes());
    // A cast saturates, and turns NaN into 0.
    bytes.extend(clip.samples.iter().flat_map(|sample| ((sample * 32_768.0).round() as i16).to_le_bytes()));
    Some(bytes)
}
