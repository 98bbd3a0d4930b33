//! Band-limited resampling, with rubato.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};

use crate::decoding::greatest_magnitude;
use crate::{AudioError, Clip};

/// Taps of the low-pass filter at the lower of the two rates: its transition band is 1.3 % of the
/// band below the Nyquist frequency.
const TAPS: u64 = 1024;

/// Maximum size of a chunk, in input plus output samples: a filter of this size takes about 90 MB.
const LARGEST_CHUNK: u64 = 1 << 20;

/// Largest allowed sample: the transform of any chunk of such samples stays finite in 32 bits.
const LARGEST: f32 = 1e20;

/// Resamples a clip to another rate, without aliasing and without delay.
///
/// Aliases, and errors in the band up to 97 % of the lower Nyquist frequency, are 100 dB below the
/// sound. An event at `t` seconds stays at `t` seconds; the clip is treated as surrounded by
/// silence. If the rates are equal, the result is a copy.
///
/// # Shape
/// `[N]` to `[round(N * sample_rate / clip.sample_rate)]`.
/// # Units
/// Full scale stays 1; steep transients may overshoot it, as with any band-limited resampling.
/// # Errors
/// The rates are not supported (see [`StreamResampler::new`]); a sample is not finite, or above
/// 1e20.
///
/// ```
/// use earmark_audio::{Clip, resample};
/// let clip = Clip { samples: vec![0.25; 480], sample_rate: 48_000 };
/// assert_eq!(resample(&clip, 44_100)?.samples.len(), 441);
/// # Ok::<(), earmark_audio::AudioError>(())
/// ```
pub fn resample(clip: &Clip, sample_rate: u32) -> Result<Clip, AudioError> {
    let mut resampler = StreamResampler::new(clip.sample_rate, sample_rate)?;
    let mut samples = Vec::with_capacity(resampler.length(clip.samples.len() as u64) as usize);
    resampler.push(&clip.samples, &mut samples)?;
    resampler.finish(&mut samples)?;
    Ok(Clip { samples, sample_rate })
}

/// [`resample`] for sound that arrives in pieces: bit-identical output, however the input is cut,
/// in constant memory.
///
/// ```
/// use earmark_audio::StreamResampler;
/// let mut resampler = StreamResampler::new(48_000, 44_100)?;
/// let mut samples = Vec::new();
/// for block in vec![0.25; 4_800].chunks(1_000) {
///     resampler.push(block, &mut samples)?;
/// }
/// resampler.finish(&mut samples)?;
/// assert_eq!(samples.len(), 4_410);
/// # Ok::<(), earmark_audio::AudioError>(())
/// ```
pub struct StreamResampler {
    from: u32,
    to: u32,
    /// None if both rates are equal.
    filter: Option<Filter>,
    /// Samples pushed.
    pushed: u64,
    /// Samples returned.
    given: u64,
}

/// The low-pass filter with its buffers; it processes one whole chunk at a time.
struct Filter {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
    /// Samples of the filter's delay that are still to be dropped.
    delay: usize,
}

impl StreamResampler {
    /// A resampler from one rate to another, Hz.
    ///
    /// It works in chunks that have the same duration at both rates: about 1,024 samples of the
    /// lower rate for the usual rates, and up to two seconds for rates without a common divisor.
    ///
    /// # Errors
    /// A rate is 0 or above 2^20 Hz, or a chunk would have more than 2^20 samples of both rates
    /// together. This happens if one rate is about a thousand times the other, or if the rates have
    /// no common divisor and a sum above 2^19 Hz. All rates from 1 to 384 kHz can be resampled to
    /// any rate from 1 to 140 kHz.
    pub fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let failed = |reason: String| AudioError::Resample { from, to, reason };
        if [from, to].iter().any(|rate| *rate == 0 || *rate > 1 << 20) {
            return Err(failed("rates from 1 to 1,048,576 Hz are possible".to_owned()));
        }
        let filter = if from == to { None } else { Some(Filter::new(from, to).map_err(failed)?) };
        Ok(StreamResampler { from, to, filter, pushed: 0, given: 0 })
    }

    /// Pushes the next samples, and appends the samples that are ready to `out`.
    ///
    /// # Errors
    /// A sample is not finite, or above 1e20; then none of the samples are pushed.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), AudioError> {
        // rubato panics where its transform overflows.
        let impossible = |sample: f32| sample.is_nan() || sample.abs() > LARGEST;
        if self.filter.is_some()
            && impossible(greatest_magnitude(samples))
            && let Some(index) = samples.iter().position(|sample| impossible(*sample))
        {
            let (index, value) = (self.pushed + index as u64, samples[index]);
            return Err(self.failed(format!("sample {index} is {value:e}, and {LARGEST:e} is the largest possible")));
        }
        self.pushed += samples.len() as u64;
        let before = out.len();
        match &mut self.filter {
            None => out.extend_from_slice(samples),
            Some(filter) => filter.push(samples, out).map_err(|error| self.failed(error))?,
        }
        self.given += (out.len() - before) as u64;
        Ok(())
    }

    /// Ends the sound: appends the rest to `out`, so that the total output is
    /// [`StreamResampler::length`] samples. The next push starts a new sound.
    ///
    /// # Errors
    /// The filter fails, which does not happen with finite samples.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AudioError> {
        let length = self.length(self.pushed);
        if let Some(filter) = &mut self.filter {
            let end = out.len() as u64 + length.saturating_sub(self.given);
            filter.finish(end as usize, out).map_err(|error| self.failed(error))?;
        }
        (self.pushed, self.given) = (0, 0);
        Ok(())
    }

    /// The size of a chunk, in input plus output samples; the resampler uses about 90 bytes for
    /// each.
    pub fn chunk(&self) -> usize {
        self.filter.as_ref().map_or(0, |filter| filter.fft.fft_size_in() + filter.fft.fft_size_out())
    }

    /// The rate of the output, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.to
    }

    /// The number of output samples for `n` input samples: `round(n * to / from)`.
    pub fn length(&self, n: u64) -> u64 {
        let (from, to) = (u128::from(self.from), u128::from(self.to));
        ((2 * u128::from(n) * to + from) / (2 * from)) as u64
    }

    fn failed(&self, reason: String) -> AudioError {
        AudioError::Resample { from: self.from, to: self.to, reason }
    }
}

impl Filter {
    fn new(from: u32, to: u32) -> Result<Self, String> {
        let (chunk_in, chunk_out) = chunk(from, to);
        if chunk_in + chunk_out > LARGEST_CHUNK {
            return Err(format!(
                "{chunk_in} samples would become {chunk_out} at once, and {LARGEST_CHUNK} are possible"
            ));
        }
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(from as usize, to as usize, chunk_in as usize, 1, 1, window, FixedSync::Both)
            .map_err(|error| error.to_string())?;
        let (input, output) = (Vec::with_capacity(fft.input_frames_next()), vec![0.0; fft.output_frames_next()]);
        let delay = fft.output_delay();
        Ok(Filter { fft, input, output, delay })
    }

    fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) -> Result<(), String> {
        let chunk = self.fft.input_frames_next();
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(chunk - self.input.len()));
            self.input.extend_from_slice(now);
            samples = later;
            if self.input.len() == chunk {
                self.process(out)?;
            }
        }
        Ok(())
    }

    /// Appends silence to the input until `out` has the length `end`.
    fn finish(&mut self, end: usize, out: &mut Vec<f32>) -> Result<(), String> {
        while out.len() < end {
            self.process(out)?;
        }
        out.truncate(end);
        self.fft.reset();
        self.input.clear();
        self.delay = self.fft.output_delay();
        Ok(())
    }

    /// Filters the buffered input, padded with silence to a whole chunk.
    fn process(&mut self, out: &mut Vec<f32>) -> Result<(), String> {
        let held = self.input.len();
        let indexing = Indexing { partial_len: Some(held), ..Indexing::default() };
        let length = self.output.len();
        let mut filtered = || -> Result<(), Box<dyn std::error::Error>> {
            let input = InterleavedSlice::new(&self.input, 1, held)?;
            let mut output = InterleavedSlice::new_mut(&mut self.output, 1, length)?;
            self.fft.process_into_buffer(&input, &mut output, Some(&indexing))?;
            Ok(())
        };
        filtered().map_err(|error| error.to_string())?;
        self.input.clear();
        let late = self.delay.min(length);
        self.delay -= late;
        out.extend_from_slice(&self.output[late..]);
        Ok(())
    }
}

/// The smallest chunk, as numbers of samples of both rates, that the filter needs.
fn chunk(from: u32, to: u32) -> (u64, u64) {
    let shared = gcd(from, to);
    let (unit_in, unit_out) = (u64::from(from / shared), u64::from(to / shared));
    // The center of the filter must fall on a sample of both rates, so the number of units is even.
    let units = TAPS.div_ceil(unit_in.min(unit_out)).next_multiple_of(2);
    (units * unit_in, units * unit_out)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rates_within_the_limits_come_to_ordinary_ones() {
        for from in 1_000..=384_000 {
            for to in [1_000, 8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 139_999] {
                let (chunk_in, chunk_out) = chunk(from, to);
                assert!(chunk_in + chunk_out <= LARGEST_CHUNK, "{from} to {to} Hz: {chunk_in} to {chunk_out} samples");
                assert_eq!(chunk_in * u64::from(to), chunk_out * u64::from(from));
                assert!(chunk_in.min(chunk_out) >= TAPS && chunk_in % 2 == 0 && chunk_out % 2 == 0);
            }
        }
    }
}
