//! A whole clip as one frame: the level, distribution, changes and modulation of each band and
//! cepstral coefficient.

use std::f64::consts::TAU;

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use crate::mfcc::Cepstrum;
use crate::powers::Powers;
use crate::spectrogram::Spectrogram;
use crate::{FeatureError, MelSettings};

/// Number of statistics of a row's values and changes: mean, deviation, five quantiles; deviation
/// and mean magnitude of the difference between adjacent frames; deviation of the difference over
/// [`SUMMARY`]'s `lag` frames.
const DESCRIPTIONS: usize = 10;
/// Octaves of the modulation spectrum.
const OCTAVES: usize = 8;
/// The length in frames of a transform with one bin in the lowest octave.
const PERIOD: usize = 1 << (OCTAVES + 1);
/// Bands form at most this many groups.
const GROUPS: usize = 16;

/// The constants of a summary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SummaryConstants {
    /// Quantiles of a row.
    pub quantiles: [f64; 5],
    /// Besides the difference of adjacent frames, that over this many frames.
    pub lag: usize,
    /// Octaves of the modulation spectrum; the lowest begins at a 512th of the frame rate.
    pub octaves: usize,
    /// The maximum number of groups of adjacent bands. The modulation spectra of their means and
    /// the correlations between them are part of the summary.
    pub groups: usize,
    /// Added to the energy of an octave before the conversion to decibels: the value for a constant
    /// row.
    pub still: f64,
    /// Added to the variance of a group's differences, so that a constant group correlates with no
    /// other.
    pub unmoved: f64,
}

/// The constants of every summary.
pub const SUMMARY: SummaryConstants = SummaryConstants {
    quantiles: [0.05, 0.25, 0.5, 0.75, 0.95],
    lag: 8,
    octaves: OCTAVES,
    groups: GROUPS,
    still: 1e-3,
    unmoved: 1e-6,
};

/// The number of bands in a group.
fn group(mel: &MelSettings) -> usize {
    mel.n_mels.div_ceil(GROUPS)
}

/// The number of values in a summary.
pub(crate) fn length(mel: &MelSettings, n_mfcc: usize) -> usize {
    let groups = mel.n_mels.div_ceil(group(mel));
    DESCRIPTIONS * (mel.n_mels + n_mfcc) + OCTAVES * (groups + n_mfcc) + groups * (groups - 1) / 2
}

/// Computes summaries of clips.
pub(crate) struct Summary {
    pub(crate) bands: Spectrogram,
    cepstrum: Cepstrum,
}

impl Summary {
    pub(crate) fn new(mel: &MelSettings, n_mfcc: usize) -> Self {
        Summary { bands: Spectrogram::new(mel, None), cepstrum: Cepstrum::new(n_mfcc, mel.n_mels) }
    }

    /// The summary of a complete clip: each statistic of all bands and coefficients, then each
    /// octave of all groups of bands and coefficients, then the correlation of each pair of groups.
    fn of(&self, powers: &Powers) -> Vec<f32> {
        let rows = self.rows(powers);
        let described: Vec<[f64; DESCRIPTIONS]> = rows.iter().map(|row| describe(row)).collect();
        let (bands, coefficients) = rows.split_at(self.bands.settings.n_mels);
        let groups: Vec<Vec<f64>> = bands.chunks(group(&self.bands.settings)).map(mean_of_rows).collect();
        let together = correlations(&groups);
        let moving: Vec<Vec<f64>> = groups.into_iter().chain(coefficients.iter().cloned()).collect();
        let modulated = modulations(&moving);
        let descriptions = (0..DESCRIPTIONS).flat_map(|what| described.iter().map(move |of_row| of_row[what]));
        let octaves = (0..OCTAVES).flat_map(|octave| modulated.iter().map(move |of_row| of_row[octave]));
        descriptions.chain(octaves).chain(together).map(|value| value as f32).collect()
    }

    /// The bands in dB, then the coefficients: `[n_mels + n_mfcc][frames]`.
    fn rows(&self, powers: &Powers) -> Vec<Vec<f64>> {
        let (n_mels, n_mfcc) = (self.bands.settings.n_mels, self.cepstrum.n_mfcc);
        let mut rows = vec![Vec::with_capacity(powers.frames()); n_mels + n_mfcc];
        let (mut bands, mut lost, mut coefficients) = (vec![0.0; n_mels], Vec::new(), vec![0.0; n_mfcc]);
        let scale = powers.scale();
        for t in 0..powers.frames() {
            self.bands.frame(powers.frame(t), &scale, &mut lost, &mut bands);
            rows.iter_mut().zip(&bands).for_each(|(row, value)| row.push(*value));
            self.cepstrum.apply(&mut bands, &mut coefficients);
            rows[n_mels..].iter_mut().zip(&coefficients).for_each(|(row, value)| row.push(*value));
        }
        rows
    }
}

/// Computes the summary of one clip as its samples arrive.
pub(crate) struct SummaryStream<'a> {
    summary: &'a Summary,
    powers: Powers<'a>,
    /// The summary, from the end of the clip until it is taken.
    made: Option<Vec<f32>>,
    finished: bool,
}

impl<'a> SummaryStream<'a> {
    pub(crate) fn new(summary: &'a Summary) -> Self {
        SummaryStream { summary, powers: Powers::new(&summary.bands), made: None, finished: false }
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        if self.finished { Err(FeatureError::Finished) } else { self.powers.push(samples) }
    }

    /// Ends the clip. There is always one frame.
    pub(crate) fn finish(&mut self) -> Result<usize, FeatureError> {
        if !self.finished {
            self.powers.finish()?;
            self.made = Some(self.summary.of(&self.powers));
            self.finished = true;
        }
        Ok(1)
    }

    pub(crate) fn append(&mut self, out: &mut Vec<f32>) -> usize {
        let made = self.made.take();
        out.extend(made.iter().flatten());
        usize::from(made.is_some())
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

fn deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let middle = mean(values.clone());
    mean(values.map(|value| (value - middle).powi(2))).sqrt()
}

fn describe(row: &[f64]) -> [f64; DESCRIPTIONS] {
    let values = || row.iter().copied();
    // A row that is shorter than the lag has no differences, and their deviation is 0.
    let steps = |lag: usize| row.iter().skip(lag).zip(row).map(|(later, earlier)| later - earlier);
    let mut sorted = row.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let [q05, q25, q50, q75, q95] = SUMMARY.quantiles.map(|share| quantile(&sorted, share));
    let size = mean(steps(1).map(f64::abs));
    [
        mean(values()),
        deviation(values()),
        q05,
        q25,
        q50,
        q75,
        q95,
        deviation(steps(1)),
        size,
        deviation(steps(SUMMARY.lag)),
    ]
}

/// Like `numpy.quantile`, with linear interpolation.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len().max(1) - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    let value = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    value(below) + (at - at.floor()) * (value(above) - value(below))
}

/// The correlation between the frame-to-frame differences of each pair of rows: the first row with
/// all later ones, and so on.
fn correlations(rows: &[Vec<f64>]) -> Vec<f64> {
    let steps = |row: &Vec<f64>| {
        let steps: Vec<f64> = row.iter().skip(1).zip(row).map(|(later, earlier)| later - earlier).collect();
        let middle = mean(steps.iter().copied());
        steps.into_iter().map(|step| step - middle).collect::<Vec<f64>>()
    };
    let steps: Vec<Vec<f64>> = rows.iter().map(steps).collect();
    let product = |a: &[f64], b: &[f64]| mean(a.iter().zip(b).map(|(a, b)| a * b));
    let sizes: Vec<f64> = steps.iter().map(|row| (product(row, row) + SUMMARY.unmoved).sqrt()).collect();
    let of_pair = |a: usize, b: usize| product(&steps[a], &steps[b]) / (sizes[a] * sizes[b]);
    (0..rows.len()).flat_map(|a| (a + 1..rows.len()).map(move |b| (a, b))).map(|(a, b)| of_pair(a, b)).collect()
}

fn mean_of_rows(rows: &[Vec<f64>]) -> Vec<f64> {
    let frames = rows.first().map_or(0, Vec::len);
    (0..frames).map(|t| mean(rows.iter().map(|row| row[t]))).collect()
}

/// The mean power density of each row in each octave, in dB. The mean is subtracted from the row,
/// which is multiplied by a periodic Hann window and zero-padded to a multiple of [`PERIOD`]
/// frames.
fn modulations(rows: &[Vec<f64>]) -> Vec<[f64; OCTAVES]> {
    let frames = rows.first().map_or(0, Vec::len);
    let times = frames.div_ceil(PERIOD).max(1);
    let fft = FftPlanner::new().plan_fft_forward(times * PERIOD);
    let window = |t: usize| if frames > 1 { 0.5 - 0.5 * (TAU * t as f64 / frames as f64).cos() } else { 1.0 };
    let window: Vec<f64> = (0..frames).map(window).collect();
    let energy: f64 = window.iter().map(|weight| weight * weight).sum();
    let of_row = |row: &Vec<f64>| {
        let middle = mean(row.iter().copied());
        let mut spectrum = vec![Complex::default(); times * PERIOD];
        for (out, (value, weight)) in spectrum.iter_mut().zip(row.iter().zip(&window)) {
            out.re = (value - middle) * weight;
        }
        fft.process(&mut spectrum);
        std::array::from_fn(|octave| {
            let bins = &spectrum[times << octave..times << (octave + 1)];
            10.0 * (mean(bins.iter().map(Complex::norm_sqr)) / energy + SUMMARY.still).log10()
        })
    };
    rows.iter().map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use crate::{FeatureError, FrontEnd};

    #[test]
    fn a_clip_is_one_frame_of_any_length_and_in_any_pieces() {
        let front_end = FrontEnd::summary();
        assert_eq!(front_end.shape(), (1_248, 1));
        let extractor = front_end.extractor().unwrap();
        let sound: Vec<f32> = (0..30_000).map(|n| (0.01 * n as f32).sin() * (0.001 * n as f32).cos()).collect();
        for samples in [1, 100, 900, 30_000] {
            let whole = extractor.extract(&sound[..samples]).unwrap();
            assert_eq!((whole.channels, whole.bins, whole.frames, whole.data.len()), (1_248, 1, 1, 1_248));
            assert!(whole.data.iter().all(|value| value.is_finite()));
            let mut stream = extractor.stream();
            let (mut out, mut more) = (Vec::new(), Vec::new());
            for piece in sound[..samples].chunks(777) {
                stream.push(piece).unwrap();
                assert_eq!(stream.take(&mut more), 0);
            }
            assert_eq!((stream.finish(), stream.finish()), (Ok(1), Ok(1)));
            assert_eq!((stream.take(&mut out), stream.take(&mut more)), (1, 0));
            assert_eq!(out, whole.data);
            assert_eq!(stream.push(&[0.0]), Err(FeatureError::Finished));
        }
        assert_eq!(extractor.extract(&[]), Err(FeatureError::Empty));
    }

    #[test]
    fn a_pulse_is_in_its_octave() {
        let rate = 22_050.0 / 220.0;
        for (hertz, octave) in [(1.0, 2), (4.0, 4), (20.0, 6)] {
            let at = |n: usize| n as f64 / 22_050.0;
            let pulse = |n: usize| (1.0 + (std::f64::consts::TAU * hertz * at(n)).sin()) * (2_000.0 * at(n)).sin();
            let sound: Vec<f32> = (0..110_250).map(|n| (0.4 * pulse(n)) as f32).collect();
            let summary = FrontEnd::summary().extractor().unwrap().extract(&sound).unwrap().data;
            // The sum over groups and coefficients in each octave.
            let octaves: Vec<f32> = summary[840..1_128].chunks(36).map(|rows| rows.iter().sum()).collect();
            // Skip the lowest octave, which is dominated by the quiet first and last frames of the
            // clip.
            let loudest = (1..8).max_by(|&a, &b| octaves[a].total_cmp(&octaves[b])).unwrap();
            let bounds = [0, 1].map(|more| rate / 512.0 * f64::from(1 << (octave + more)));
            assert!(bounds[0] <= hertz && hertz < bounds[1]);
            assert_eq!(loudest, octave, "{hertz} Hz: {octaves:?}");
        }
    }
}
