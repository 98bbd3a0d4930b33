//! Mel spectrograms as operators.
//!
//! A frame of `n = p q` samples is transformed in two steps (Cooley and Tukey 1965), each a product
//! with a constant matrix: `p`-point transforms of every `q`-th sample, and `q`-point transforms of
//! those, with the twiddle factors in the second matrix. In ONNX Runtime that takes a third to a
//! tenth of the time of the operator `STFT` or of one large matrix (docs/export.md).

use std::f64::consts::{LOG10_E, TAU};

use earmark_features::{MelSettings, PadMode, Reference, dct_matrix};

use crate::scope::{Scope, Value};

/// The bands in decibels, or in natural logarithms: `[n]` to `[frames, n_mels]`.
pub(crate) fn log_mel(scope: &mut Scope, samples: &Value, settings: &MelSettings) -> Value {
    let known = scope.spectrograms.iter().find(|(of, from, _)| (of, from) == (settings, samples));
    if let Some((_, _, bands)) = known {
        return bands.clone();
    }
    let mut used = samples.clone();
    if settings.preemphasis > 0.0 {
        used = emphasised(scope, &used, settings.preemphasis);
    }
    let padded = padded(scope, &used, settings);
    let frames = frames(scope, &padded, settings);
    let powers = mel_powers(scope, &frames, settings);
    let bands = logarithms(scope, &powers, settings);
    scope.spectrograms.push((settings.clone(), samples.clone(), bands.clone()));
    bands
}

/// The first cepstral coefficients of bands: `[frames, n_mels]` to `[frames, n_mfcc]`.
pub(crate) fn cepstrum(scope: &mut Scope, bands: &Value, n_mfcc: usize, n_mels: usize) -> Value {
    let rows = dct_matrix(n_mfcc, n_mels);
    let columns: Vec<f32> =
        (0..n_mels).flat_map(|m| (0..n_mfcc).map(move |k| (k, m))).map(|(k, m)| rows[k * n_mels + m] as f32).collect();
    let matrix = scope.f32(&[n_mels, n_mfcc], &columns);
    scope.op("MatMul", &[bands, &matrix])
}

/// A multiple of the sample before is subtracted from each sample, and the first one dropped.
fn emphasised(scope: &mut Scope, samples: &Value, coefficient: f32) -> Value {
    let (zero, one, n) = (scope.ints(&[0]), scope.ints(&[1]), scope.size(samples, 0));
    let last = scope.op("Sub", &[&n, &one]);
    let (later, before) = (scope.slice(samples, &one, &n, 0), scope.slice(samples, &zero, &last, 0));
    let coefficient = scope.number(coefficient);
    let scaled = scope.op("Mul", &[&before, &coefficient]);
    scope.op("Sub", &[&later, &scaled])
}

/// The samples with what centered frames need beyond their ends.
fn padded(scope: &mut Scope, samples: &Value, settings: &MelSettings) -> Value {
    let pad = (settings.n_fft / 2) as i64;
    if !settings.center {
        return samples.clone();
    }
    if settings.pad_mode == PadMode::Constant {
        let pads = scope.ints(&[pad, pad]);
        return scope.op("Pad", &[samples, &pads]);
    }
    let n = scope.size(samples, 0);
    let before = scope.ints(&(-pad..0).collect::<Vec<_>>());
    let after = scope.ints(&(0..pad).collect::<Vec<_>>());
    let after = scope.op("Add", &[&n, &after]);
    let ends = [before, after].map(|index| {
        let source = match settings.pad_mode {
            PadMode::Reflect => mirrored(scope, &index, &n),
            PadMode::Symmetric => mirrored_with_ends(scope, &index, &n),
            PadMode::Edge | PadMode::Constant => clamped(scope, &index, &n),
        };
        scope.on_axis("Gather", &[samples, &source], 0)
    });
    scope.on_axis("Concat", &[&ends[0], samples, &ends[1]], 0)
}

/// The nearest of the indices 0 to `n - 1`.
pub(crate) fn clamped(scope: &mut Scope, index: &Value, n: &Value) -> Value {
    let (zero, one) = (scope.ints(&[0]), scope.ints(&[1]));
    let last = scope.op("Sub", &[n, &one]);
    let index = scope.op("Max", &[index, &zero]);
    scope.op("Min", &[&index, &last])
}

/// The indices 0 to `n - 1`, mirrored at the first and the last one, which are not repeated.
pub(crate) fn mirrored(scope: &mut Scope, index: &Value, n: &Value) -> Value {
    let (one, two) = (scope.ints(&[1]), scope.ints(&[2]));
    let last = scope.op("Sub", &[n, &one]);
    let there_and_back = scope.op("Mul", &[&last, &two]);
    // One index is its own mirror image.
    let period = scope.op("Max", &[&there_and_back, &one]);
    let folded = scope.op("Mod", &[index, &period]);
    let back = scope.op("Sub", &[&there_and_back, &folded]);
    scope.op("Min", &[&folded, &back])
}

/// The indices 0 to `n - 1`, mirrored beside the first and the last one, which are repeated.
fn mirrored_with_ends(scope: &mut Scope, index: &Value, n: &Value) -> Value {
    let (one, two) = (scope.ints(&[1]), scope.ints(&[2]));
    let period = scope.op("Mul", &[n, &two]);
    let folded = scope.op("Mod", &[index, &period]);
    let last = scope.op("Sub", &[&period, &one]);
    let back = scope.op("Sub", &[&last, &folded]);
    scope.op("Min", &[&folded, &back])
}

/// The windowed frames: `[n]` to `[frames, n_fft]`.
fn frames(scope: &mut Scope, samples: &Value, settings: &MelSettings) -> Value {
    let frames = framed(scope, samples, settings.n_fft, settings.hop_length);
    let window: Vec<f32> = settings.window_values().iter().map(|&value| value as f32).collect();
    let window = scope.f32(&[settings.n_fft], &window);
    scope.op("Mul", &[&frames, &window])
}

/// All whole frames: `[n]` to `[frames, length]`. They are gathered in blocks of the greatest
/// common divisor of the length and the hop, because gathering sample by sample is slow.
pub(crate) fn framed(scope: &mut Scope, samples: &Value, length: usize, hop: usize) -> Value {
    let (length, hop) = (length as i64, hop as i64);
    let block = common_divisor(length, hop);
    let [zero, one, whole, step] = [0, 1, length, hop].map(|value| scope.ints(&[value]));
    let n = scope.size(samples, 0);
    let room = scope.op("Sub", &[&n, &whole]);
    let last = scope.op("Div", &[&room, &step]);
    let start = scope.op("Mul", &[&last, &step]);
    let end = scope.op("Add", &[&start, &whole]);
    let used = scope.slice(samples, &zero, &end, 0);
    let blocks = scope.reshaped(&used, &[-1, block]);
    let count = scope.op("Add", &[&last, &one]);
    let numbers = scope.range(&count);
    let blocks_of_hop = scope.ints(&[hop / block]);
    let starts = scope.op("Mul", &[&numbers, &blocks_of_hop]);
    let starts = scope.unsqueezed(&starts, &[1]);
    let within = scope.ints(&(0..length / block).collect::<Vec<_>>());
    let index = scope.op("Add", &[&starts, &within]);
    let frames = scope.on_axis("Gather", &[&blocks, &index], 0);
    scope.reshaped(&frames, &[-1, length])
}

pub(crate) fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The two factors of a frame's length, and the bins of the second transforms that any band uses.
struct Plan {
    n: usize,
    p: usize,
    q: usize,
    /// Of the first transforms, only these bins are needed: the others are their conjugates.
    half: usize,
    kept: Vec<usize>,
    /// The band's weights of the bin that a pair of a first and a kept second bin gives:
    /// `[half, kept, n_mels]`.
    weights: Vec<f32>,
}

impl Plan {
    fn new(settings: &MelSettings) -> Self {
        let (n, bins, n_mels) = (settings.n_fft, settings.n_fft / 2 + 1, settings.n_mels);
        let cost = |p: usize| 2 * n * (p / 2 + 1) + (p / 2 + 1) * 4 * (n / p) * (n / p);
        let p = (1..=n).filter(|p| n.is_multiple_of(*p)).min_by_key(|&p| cost(p)).unwrap_or(n);
        let (q, half) = (n / p, p / 2 + 1);
        let filters = settings.mel_filters();
        // The spectrum of real samples is symmetric: bin `n - k` has the power of bin `k`.
        let place = |bin: usize| if bin % p < half { bin } else { n - bin };
        let mut all = vec![0.0; half * q * n_mels];
        let mut used = vec![false; q];
        for bin in 0..bins {
            let (first, second) = (place(bin) % p, place(bin) / p);
            for m in 0..n_mels {
                let weight = filters[m * bins + bin];
                all[(first * q + second) * n_mels + m] = weight;
                used[second] |= weight > 0.0;
            }
        }
        let mut kept: Vec<usize> = (0..q).filter(|&second| used[second]).collect();
        // Filters of zeros alone are possible.
        if kept.is_empty() {
            kept.push(0);
        }
        let row = |first: usize, second: &usize| (first * q + second) * n_mels;
        let rows = (0..half).flat_map(|first| kept.iter().map(move |second| row(first, second)));
        let weights = rows.flat_map(|row| all[row..row + n_mels].to_vec()).collect();
        Self { n, p, q, half, kept, weights }
    }

    /// The first transform as a matrix `[2 half, p]`, with the real part of a bin before its
    /// imaginary part.
    fn first(&self) -> Vec<f32> {
        let angle = |k: usize, i: usize| TAU * (k * i % self.p) as f64 / self.p as f64;
        let part = |k: usize, i: usize, imaginary: bool| match imaginary {
            false => angle(k, i).cos() as f32,
            true => -angle(k, i).sin() as f32,
        };
        let rows = (0..self.half).flat_map(|k| [(k, false), (k, true)]);
        rows.flat_map(|(k, imaginary)| (0..self.p).map(move |i| part(k, i, imaginary))).collect()
    }

    /// The second transforms, one for each bin of the first: `[half, 2 q, 2 kept]`, each from real
    /// and imaginary parts to real and imaginary parts.
    fn second(&self) -> Vec<f32> {
        let Self { n, p, q, .. } = *self;
        let mut matrix = Vec::with_capacity(self.half * 4 * q * self.kept.len());
        for first in 0..self.half {
            for imaginary in [false, true] {
                for i in 0..q {
                    let angles = self.kept.iter().map(|second| {
                        // The products stay below 2^64: a frame has at most 65,536 samples.
                        TAU * ((i * first + p * i * second) % n) as f64 / n as f64
                    });
                    let angles: Vec<f64> = angles.collect();
                    let real = |angle: &f64| if imaginary { angle.sin() } else { angle.cos() };
                    let rest = |angle: &f64| if imaginary { angle.cos() } else { -angle.sin() };
                    matrix.extend(angles.iter().map(|angle| real(angle) as f32));
                    matrix.extend(angles.iter().map(|angle| rest(angle) as f32));
                }
            }
        }
        matrix
    }
}

/// The mel powers of frames: `[frames, n_fft]` to `[frames, n_mels]`.
fn mel_powers(scope: &mut Scope, frames: &Value, settings: &MelSettings) -> Value {
    let plan = Plan::new(settings);
    let (p, q, half, kept) = (plan.p as i64, plan.q as i64, plan.half as i64, plan.kept.len() as i64);
    let first = scope.f32(&[2 * plan.half, plan.p], &plan.first());
    let second = scope.f32(&[plan.half, 2 * plan.q, 2 * plan.kept.len()], &plan.second());
    let grid = scope.reshaped(frames, &[-1, p, q]);
    let inner = scope.op("MatMul", &[&first, &grid]);
    let inner = scope.reshaped(&inner, &[-1, half, 2 * q]);
    let inner = scope.transposed(&inner, &[1, 0, 2]);
    let outer = scope.op("MatMul", &[&inner, &second]);
    let parts = scope.reshaped(&outer, &[half, -1, 2, kept]);
    let mut powers = scope.reduce("ReduceSumSquare", &parts, &[2]);
    if settings.power != 2.0 {
        let exponent = scope.number(settings.power / 2.0);
        powers = scope.op("Pow", &[&powers, &exponent]);
    }
    let powers = scope.transposed(&powers, &[1, 0, 2]);
    let powers = scope.reshaped(&powers, &[-1, half * kept]);
    let bank = scope.f32(&[plan.half * plan.kept.len(), settings.n_mels], &plan.weights);
    scope.op("MatMul", &[&powers, &bank])
}

/// Powers in decibels, or as natural logarithms.
fn logarithms(scope: &mut Scope, powers: &Value, settings: &MelSettings) -> Value {
    if let Some(offset) = settings.log_offset {
        let offset = scope.number(offset);
        let sum = scope.op("Add", &[powers, &offset]);
        return scope.op("Log", &[&sum]);
    }
    let (amin, factor) = (scope.number(settings.amin), scope.number((10.0 * LOG10_E) as f32));
    let floored = scope.op("Max", &[powers, &amin]);
    let logarithms = scope.op("Log", &[&floored]);
    let mut decibels = scope.op("Mul", &[&logarithms, &factor]);
    let greatest = settings.needs_greatest().then(|| scope.op_with("ReduceMax", &[&decibels], Vec::new()));
    if let (Some(greatest), Some(top_db)) = (&greatest, settings.top_db) {
        let range = scope.number(top_db);
        let least = scope.op("Sub", &[greatest, &range]);
        decibels = scope.op("Max", &[&decibels, &least]);
    }
    match (settings.r#ref, &greatest) {
        (Reference::Max, Some(greatest)) => scope.op("Sub", &[&decibels, greatest]),
        (Reference::Power(power), _) if power.max(settings.amin) != 1.0 => {
            let reference = scope.number((10.0 * f64::from(power.max(settings.amin)).log10()) as f32);
            scope.op("Sub", &[&decibels, &reference])
        }
        _ => decibels,
    }
}
