//! Band-limited resampling, with rubato.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler, WindowFunction};

use crate::decoding::greatest_magnitude;
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
    let mut resampler = StreamResampler::new(clip.sample_rate, sample_rate)?;
    let mut samples = Vec::with_capacity(resampler.length(clip.samples.len() as u64) as usize);
    resampler.push(&clip.samples, &mut samples)?;
    resampler.finish(&mut samples)?;
    Ok(Clip { samples, sample_rate })
}

/// [`resample`] for sound that comes piece by piece: the same bits, however it is cut, in memory that does not grow.
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
    /// None where both rates are the same.
    filter: Option<Filter>,
    /// Samples pushed.
    pushed: u64,
    /// Samples given out.
    given: u64,
}

/// The low-pass with its buffers: all of a chunk goes in at once, and all of a chunk comes out.
struct Filter {
    fft: Fft<f32>,
    input: Vec<f32>,
    output: Vec<f32>,
    /// Samples of the filter's delay that are still to be left out.
    delay: usize,
}

impl StreamResampler {
    /// A resampler from one rate to another, Hz.
    ///
    /// # Errors
    /// A rate is 0 or above 2^20 Hz.
    pub fn new(from: u32, to: u32) -> Result<Self, AudioError> {
        let failed = |reason: String| AudioError::Resample { from, to, reason };
        if [from, to].iter().any(|rate| *rate == 0 || *rate > 1 << 20) {
            return Err(failed("rates from 1 to 1,048,576 Hz are possible".to_owned()));
        }
        let filter = if from == to { None } else { Some(Filter::new(from, to).map_err(failed)?) };
        Ok(StreamResampler { from, to, filter, pushed: 0, given: 0 })
    }

    /// Takes the next samples, and appends to `out` what is ready.
    ///
    /// # Errors
    /// A sample is not finite, or above 1e20; then nothing is taken.
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

    /// The sound has ended: appends the rest to `out`, so that all pushes and this gave [`StreamResampler::length`] samples.
    /// What is pushed afterwards starts a new sound.
    ///
    /// # Errors
    /// The filter fails, which no finite sound brings about.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AudioError> {
        let length = self.length(self.pushed);
        if let Some(filter) = &mut self.filter {
            let end = out.len() as u64 + length.saturating_sub(self.given);
            filter.finish(end as usize, out).map_err(|error| self.failed(error))?;
        }
        (self.pushed, self.given) = (0, 0);
        Ok(())
    }

    /// How many samples `n` samples become: `round(n * to / from)`.
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
        let shared = gcd(from, to);
        let (unit_in, unit_out) = ((from / shared) as usize, (to / shared) as usize);
        // The filter's middle must fall on a sample of both rates: an even number of units.
        let units = TAPS.div_ceil(unit_in.min(unit_out)).next_multiple_of(2);
        let chunk = units * unit_in;
        let window = WindowFunction::BlackmanHarris2;
        let fft = Fft::new_custom(from as usize, to as usize, chunk, 1, 1, window, FixedSync::Both)
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

    /// Silence follows, until `out` has the length `end`.
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

    /// Filters what has come in, with silence up to a whole chunk.
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

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
