//! Band-limited resampling, with rubato.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use crate::{AudioError, Clip};

/// Taps of the low-pass at the lower of both rates: its transition takes 1.3 % of the band below the Nyquist frequency.
const TAPS: usize = 1024;

/// Largest sample: the transform of any chunk of such stays finite in 32 bits.
const LARGEST: f32 = 1e20;

/// Brings a clip to another sample rate, without aliases and without delay.
///
/// Aliases, and errors inside the band up to 97 % of the lower Nyquist frequency, stay 100 dB under the sound. A feature at
/// `t` seconds stays at `t` seconds; before and after the clip there is silence. The same rate gives a copy.
///
/// # Shape
/// `[N]` to `[round(N * sample_rate / clip.sample_rate)]`.
/// # Units
/// Full scale stays 1; steep sound may overshoot it, as every band-limited copy does.
/// # Errors
/// A rate is 0 or above 2^20 Hz; a sample is not finite, or above 1e20.
///
/// ```
/// use earmark_audio::{Clip, resample};
/// let clip = Clip { samples: vec![0.25; 480], sample_rate: 48_000 };
/// assert_eq!(resample(&clip, 44_100)?.samples.len(), 441);
/// # Ok::<(), earmark_audio::AudioError>(())
/// ```
pub fn resample(clip: &Clip, sample_rate: u32) -> Result<Clip, AudioError> {
    let (from, to) = (clip.sample_rate, sample_rate);
    let failed = |reason: String| AudioError::Resample { from, to, reason };
    if [from, to].iter().any(|rate| *rate == 0 || *rate > 1 << 20) {
        return Err(failed("rates from 1 to 1,048,576 Hz are possible".to_owned()));
    }
    if from == to || clip.samples.is_empty() {
        return Ok(Clip { samples: clip.samples.clone(), sample_rate: to });
    }
    // rubato panics where its transform overflows.
    if let Some(index) = clip.samples.iter().position(|sample| sample.is_nan() || sample.abs() > LARGEST) {
        let value = clip.samples[index];
        return Err(failed(format!("sample {index} is {value:e}, and {LARGEST:e} is the largest possible")));
    }
    let shared = gcd(from, to);
    let (unit_in, unit_out) = ((from / shared) as usize, (to / shared) as usize);
    // The filter's middle must fall on a sample of both rates: an even number of units.
    let units = TAPS.div_ceil(unit_in.min(unit_out)).next_multiple_of(2);
    let (input, n) = (&clip.samples, clip.samples.len());
    let resampled = || -> Result<Vec<f32>, Box<dyn std::error::Error>> {
        let window = WindowFunction::BlackmanHarris2;
        let chunk = units * unit_in;
        let mut resampler = Fft::<f32>::new_custom(from as usize, to as usize, chunk, 1, 1, window, FixedSync::Both)?;
        let input = InterleavedSlice::new(input, 1, n)?;
        Ok(resampler.process_all(&input, n, None)?.take_data())
    };
    let mut samples = resampled().map_err(|error| failed(error.to_string()))?;
    let length = (2 * n as u128 * u128::from(to) + u128::from(from)) / (2 * u128::from(from));
    samples.resize(length as usize, 0.0);
    Ok(Clip { samples, sample_rate: to })
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
