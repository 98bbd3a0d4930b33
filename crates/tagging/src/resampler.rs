//! The resampler that a bundle's networks were trained with, described for other programs.

use serde::{Deserialize, Serialize};

/// How [`earmark_audio::resample`] converts sound to the rate of a front end: `resampler` of
/// `config.json`. `docs/bundle.md` specifies how the numbers are used. Front ends that use
/// frequencies up to half their rate, such as raw waves, need exactly this resampler: good
/// resamplers differ there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resampler {
    /// A windowed sinc, applied block by block by Fourier transforms: `fft_windowed_sinc`.
    pub kind: String,
    /// Minimum number of samples of a block at the lower of the two rates. A block at the input's
    /// rate is as long as the filter.
    pub taps: u32,
    /// The window: the square of the periodic four-term Blackman-Harris window.
    pub window: String,
    /// `k1, k2, k3`: for `n` samples at the lower rate, the cutoff is
    /// `1 / (1 + k1/n + k2/n^2 + k3/n^3)` of half that rate.
    pub cutoff: [f64; 3],
}

impl Default for Resampler {
    fn default() -> Self {
        Self {
            kind: "fft_windowed_sinc".to_owned(),
            taps: 1024,
            window: "blackmanharris_squared".to_owned(),
            cutoff: [13.745_202_940_783_823, 121.735_325_863_749_34, 5_964.163_279_612_051],
        }
    }
}
