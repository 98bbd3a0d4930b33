//! The short-time Fourier transform, frame by frame, as `librosa.stft` (0.11) does it.

use std::f64::consts::TAU;
use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::{MelSettings, PadMode};

/// A planned transform, shared by all threads, each with its own [`Scratch`].
///
/// One complex transform processes two frames, as its real and its imaginary part: for 1,764 points
/// that takes half the time of a real transform. It uses 64 bits: with a range of 80 dB, a
/// transform in 32 bits is off by 1e-3 dB in the quiet bands of the golden chirp.
pub(crate) struct Stft {
    fft: Arc<dyn Fft<f64>>,
    /// Half the window values, because the spectra of the two frames are separated by sums and
    /// differences.
    window: Vec<f64>,
    power: f64,
}

/// The buffers of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    pair: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
    spectra: Vec<[f64; 2]>,
}

impl Stft {
    pub(crate) fn new(settings: &MelSettings) -> Self {
        Stft {
            fft: FftPlanner::new().plan_fft_forward(settings.n_fft),
            window: window(settings).into_iter().map(|weight| weight / 2.0).collect(),
            power: f64::from(settings.power),
        }
    }

    pub(crate) fn scratch(&self) -> Scratch {
        Scratch {
            pair: vec![Complex::default(); self.window.len()],
            fft: vec![Complex::default(); self.fft.get_inplace_scratch_len()],
            spectra: vec![[0.0; 2]; self.window.len() / 2 + 2],
        }
    }

    /// Magnitudes of two frames of `n_fft` samples, raised to `power`: `n_fft / 2 + 1` bins and a
    /// zero, because the mel filter bank processes bins in pairs.
    pub(crate) fn spectra<'a>(&self, frames: [&[f32]; 2], scratch: &'a mut Scratch) -> &'a [[f64; 2]] {
        interleave(frames, &self.window, &mut scratch.pair);
        self.fft.process_with_scratch(&mut scratch.pair, &mut scratch.fft);
        deinterleave(&scratch.pair, &mut scratch.spectra);
        if self.power != 2.0 {
            let values = scratch.spectra.as_flattened_mut();
            values.iter_mut().for_each(|value| *value = value.powf(self.power / 2.0));
        }
        &scratch.spectra
    }
}

/// Multiplies two frames by the window, as real and imaginary part.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn interleave(frames: [&[f32]; 2], window: &[f64], pair: &mut [Complex<f64>]) {
    let samples = frames[0].iter().zip(frames[1]).zip(window);
    for (out, ((first, second), weight)) in pair.iter_mut().zip(samples) {
        *out = Complex::new(f64::from(*first) * weight, f64::from(*second) * weight);
    }
}

/// The squared magnitudes of both frames' spectra, from the transform of the two halved frames as
/// real and imaginary part.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn deinterleave(pair: &[Complex<f64>], spectra: &mut [[f64; 2]]) {
    let half = pair.len() / 2;
    let (constant, bins) = spectra.split_at_mut(1);
    constant[0] = [4.0 * pair[0].re * pair[0].re, 4.0 * pair[0].im * pair[0].im];
    let (ascending, descending) = (&pair[1..], pair[pair.len() - half..].iter().rev());
    for (out, (bin, mirrored)) in bins.iter_mut().zip(ascending.iter().zip(descending)) {
        let (sum, difference) = (bin + mirrored, bin - mirrored);
        *out = [sum.re * sum.re + difference.im * difference.im, sum.im * sum.im + difference.re * difference.re];
    }
}

/// `count` samples of padding from position `start` on, beyond the ends of `samples`.
pub(crate) fn context_frames(samples: &[f32], start: isize, count: usize, pad_mode: PadMode) -> Vec<f32> {
    let length = samples.len() as isize;
    let at = |index: isize| match pad_mode {
        PadMode::Constant => None,
        PadMode::Edge => Some(index.clamp(0, length - 1)),
        // Mirrored repeatedly if the clip is shorter than the padding, as in numpy.
        PadMode::Reflect if length > 1 => {
            let folded = index.rem_euclid(2 * length - 2);
            Some(folded.min(2 * length - 2 - folded))
        }
        PadMode::Reflect => Some(0),
        PadMode::Symmetric => {
            let folded = index.rem_euclid(2 * length);
            Some(folded.min(2 * length - 1 - folded))
        }
    };
    (start..start + count as isize).map(|index| at(index).map_or(0.0, |at| samples[at as usize])).collect()
}

impl MelSettings {
    /// The window of the Fourier transform, centered in a frame: `[n_fft]`. The settings must be
    /// valid.
    ///
    /// ```
    /// use earmark_features::MelSettings;
    /// let window = MelSettings { n_fft: 4, ..MelSettings::default() }.window_values();
    /// assert!(window.iter().zip([0.0, 0.5, 1.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-15));
    /// ```
    pub fn window_values(&self) -> Vec<f64> {
        window(self)
    }
}

/// The window, centered in `n_fft` values.
fn window(settings: &MelSettings) -> Vec<f64> {
    let length = settings.window_length();
    let period = if settings.periodic { length } else { (length - 1).max(1) };
    let value = |n: usize| {
        let angle = TAU * n as f64 / period as f64;
        let terms = settings.window.cosines().iter().enumerate();
        terms
            .map(
                |(k, term)| if k % 2 == 0 { term * (k as f64 * angle).cos() } else { -term * (k as f64 * angle).cos() },
            )
            .sum()
    };
    let mut window = vec![0.0; settings.n_fft];
    let left = (settings.n_fft - length) / 2;
    for (n, out) in window[left..left + length].iter_mut().enumerate() {
        *out = value(n);
    }
    window
}
