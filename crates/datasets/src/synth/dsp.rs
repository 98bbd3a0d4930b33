//! Building blocks of synthetic sounds: noise, modes, filters, envelopes, rooms.
//!
//! Everything uses f64, and `libm` for sines and powers: the functions of different systems differ
//! in the last bit, and the data set must have the same bytes on every machine.

use std::f64::consts::TAU;
use std::ops::Range;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Sample rate, Hz.
pub(super) const RATE: f64 = 44_100.0;

/// Converts seconds to samples.
pub(super) fn samples(seconds: f64) -> usize {
    (seconds * RATE).round() as usize
}

/// Converts decibels to an amplitude factor.
pub(super) fn decibels(db: f64) -> f64 {
    libm::pow(10.0, db / 20.0)
}

/// A uniformly distributed number.
pub(super) fn within(rng: &mut ChaCha8Rng, range: Range<f64>) -> f64 {
    rng.random_range(range)
}

/// A log-uniformly distributed number, for pitches, tempi and lengths.
pub(super) fn about(rng: &mut ChaCha8Rng, range: Range<f64>) -> f64 {
    let span = libm::log(range.end / range.start);
    range.start * libm::exp(within(rng, 0.0..1.0) * span)
}

/// True with this probability.
pub(super) fn chance(rng: &mut ChaCha8Rng, probability: f64) -> bool {
    within(rng, 0.0..1.0) < probability
}

/// A random choice.
pub(super) fn one_of<T: Copy, const N: usize>(rng: &mut ChaCha8Rng, choices: [T; N]) -> T {
    choices[rng.random_range(0..N as u32) as usize]
}

/// White noise in -1..1.
pub(super) fn white(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| within(rng, -1.0..1.0)).collect()
}

/// Noise that falls by 3 dB per octave (white noise through P. Kellet's filter).
pub(super) fn pink(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    white(rng, n).into_iter().map(pink_filter()).collect()
}

/// P. Kellet's filter, which makes white noise pink sample by sample.
pub(super) fn pink_filter() -> impl FnMut(f64) -> f64 {
    let mut state = [0.0; 3];
    move |x: f64| {
        state[0] = 0.99765 * state[0] + x * 0.0990460;
        state[1] = 0.96300 * state[1] + x * 0.2965164;
        state[2] = 0.57000 * state[2] + x * 1.0526913;
        state.iter().sum::<f64>() + x * 0.1848
    }
}

/// Noise that falls by 6 dB per octave above about 40 Hz.
pub(super) fn brown(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut state = 0.0;
    let filter = |x: f64| {
        state = 0.995 * state + x;
        state
    };
    white(rng, n).into_iter().map(filter).collect()
}

/// Adds `part`, multiplied by `gain`, from sample `start` on; it is cut off at the end of `sound`.
pub(super) fn add(sound: &mut [f64], start: usize, part: &[f64], gain: f64) {
    let Some(sound) = sound.get_mut(start..) else { return };
    for (sum, value) in sound.iter_mut().zip(part) {
        *sum += gain * value;
    }
}

/// A mode of a struck body: a sine of `frequency` Hz that decays by 60 dB in `decay` seconds, and
/// ends there.
pub(super) fn mode(frequency: f64, decay: f64, gain: f64) -> Vec<f64> {
    let radius = libm::exp(-6.908 / (decay * RATE));
    let angle = TAU * frequency / RATE;
    let (a, b) = (2.0 * radius * libm::cos(angle), -radius * radius);
    let (mut last, mut before) = (0.0, -gain * libm::sin(angle) / radius);
    let step = |_| {
        let value = a * last + b * before;
        (before, last) = (last, value);
        value
    };
    (0..samples(decay)).map(step).collect()
}

/// A click: noise through a resonance at `frequency` Hz that decays by 60 dB in `decay` seconds.
pub(super) fn click(rng: &mut ChaCha8Rng, frequency: f64, quality: f64, decay: f64) -> Vec<f64> {
    let mut noise = white(rng, samples(decay));
    fall(&mut noise, decay);
    Biquad::band(frequency, quality).run(&mut noise);
    noise
}

/// Applies a decay of 60 dB in `decay` seconds.
pub(super) fn fall(sound: &mut [f64], decay: f64) {
    let factor = libm::exp(-6.908 / (decay * RATE));
    let mut gain = 1.0;
    for value in sound {
        *value *= gain;
        gain *= factor;
    }
}

/// Fades a sound in over `attack` seconds and out over `release` seconds, with the shape of half a
/// cosine.
pub(super) fn fade(sound: &mut [f64], attack: f64, release: f64) {
    let slope = |i: usize, length: usize| 0.5 - 0.5 * libm::cos(TAU / 2.0 * i as f64 / length as f64);
    let attack = samples(attack).min(sound.len());
    for (i, value) in sound.iter_mut().take(attack).enumerate() {
        *value *= slope(i, attack);
    }
    let release = samples(release).min(sound.len());
    for (i, value) in sound.iter_mut().rev().take(release).enumerate() {
        *value *= slope(i, release);
    }
}

/// Harmonics of a varying pitch: `pitch` maps the time in seconds to Hz, `gains` are the amplitudes
/// of the harmonics.
pub(super) fn harmonics(n: usize, gains: &[f64], mut pitch: impl FnMut(f64) -> f64) -> Vec<f64> {
    let mut phase = 0.0;
    let mut sound = Vec::with_capacity(n);
    for i in 0..n {
        let frequency = pitch(i as f64 / RATE);
        phase = (phase + frequency / RATE).fract();
        let mut value = 0.0;
        for (k, gain) in (1..).zip(gains) {
            if *gain != 0.0 && frequency * f64::from(k) < RATE / 2.0 {
                value += gain * libm::sin(TAU * (phase * f64::from(k)).fract());
            }
        }
        sound.push(value);
    }
    sound
}

/// Root mean square.
pub(super) fn rms(sound: &[f64]) -> f64 {
    (sound.iter().map(|value| value * value).sum::<f64>() / sound.len().max(1) as f64).sqrt()
}

/// The largest magnitude.
pub(super) fn peak(sound: &[f64]) -> f64 {
    sound.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()))
}

/// Adds reverberation with the gain `wet`: four parallel comb filters with decaying echoes (after
/// Schroeder 1962).
pub(super) fn room(rng: &mut ChaCha8Rng, sound: &mut [f64], decay: f64, wet: f64) {
    let dry = sound.to_vec();
    for base in [0.0297, 0.0371, 0.0411, 0.0437] {
        let seconds = base * within(rng, 0.6..1.4);
        let delay = samples(seconds).max(1);
        let feedback = libm::exp(-6.908 * seconds / decay);
        let mut comb = dry.clone();
        for i in delay..comb.len() {
            comb[i] += feedback * comb[i - delay];
        }
        let late = comb.len().min(delay);
        add(&mut sound[late..], 0, &comb, wet / 4.0);
    }
}

/// A second-order filter, from R. Bristow-Johnson's cookbook.
pub(super) struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    state: [f64; 2],
}

impl Biquad {
    fn new(b: [f64; 3], a: [f64; 3]) -> Self {
        Self { b: b.map(|b| b / a[0]), a: [a[1] / a[0], a[2] / a[0]], state: [0.0; 2] }
    }

    /// Cosine of the angular frequency, and the cookbook's alpha.
    fn angle(frequency: f64, quality: f64) -> (f64, f64) {
        let angle = TAU * (frequency / RATE).clamp(1e-4, 0.49);
        (libm::cos(angle), libm::sin(angle) / (2.0 * quality))
    }

    /// Low-pass filter.
    pub fn low(frequency: f64, quality: f64) -> Self {
        let (cos, alpha) = Self::angle(frequency, quality);
        let b = (1.0 - cos) / 2.0;
        Self::new([b, 1.0 - cos, b], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// High-pass filter.
    pub fn high(frequency: f64, quality: f64) -> Self {
        let (cos, alpha) = Self::angle(frequency, quality);
        let b = (1.0 + cos) / 2.0;
        Self::new([b, -1.0 - cos, b], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Band-pass filter with a gain of 1 at the center.
    pub fn band(frequency: f64, quality: f64) -> Self {
        let (cos, alpha) = Self::angle(frequency, quality);
        Self::new([alpha, 0.0, -alpha], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Peaking filter with a gain of `db` decibels at the center.
    pub fn bump(frequency: f64, quality: f64, db: f64) -> Self {
        let (cos, alpha) = Self::angle(frequency, quality);
        let root = decibels(db / 2.0);
        let b = [1.0 + alpha * root, -2.0 * cos, 1.0 - alpha * root];
        Self::new(b, [1.0 + alpha / root, -2.0 * cos, 1.0 - alpha / root])
    }

    /// Filters the next sample.
    pub fn step(&mut self, x: f64) -> f64 {
        let y = self.b[0] * x + self.state[0];
        self.state = [self.b[1] * x - self.a[0] * y + self.state[1], self.b[2] * x - self.a[1] * y];
        y
    }

    /// Filters a sound in place.
    pub fn run(mut self, sound: &mut [f64]) {
        for value in sound {
            *value = self.step(*value);
        }
    }
}
