//! One clip: sources in a room, with background noise.

use earmark_audio::Clip;
use rand_chacha::ChaCha8Rng;

use super::dsp::{
    Biquad, RATE, about, add, brown, chance, decibels, fade, one_of, peak, pink, rms, room, samples, white, within,
};
use super::sources::CLASSES;

/// Generates one clip: its sources after an optional lead-in, with background noise, at a random
/// level.
pub(super) fn clip(classes: &[usize], rng: &mut ChaCha8Rng) -> Clip {
    let seconds = if chance(rng, 0.7) { about(rng, 1.0..3.0) } else { about(rng, 0.3..8.0) };
    let n = samples(seconds);
    let lead = if chance(rng, 0.5) { samples(within(rng, 0.0..0.25 * seconds)) } else { 0 };
    let sound = mixture(classes, rng, n - lead);

    // The lead-in is silent in some clips, and contains the background noise in others.
    let mut all = vec![0.0; n];
    let noise_from = if chance(rng, 0.5) { 0 } else { lead };
    let noise = background(rng, n - noise_from);
    let ratio = decibels(-within(rng, 0.0..30.0)) * rms(&sound) / rms(&noise).max(1e-12);
    add(&mut all, noise_from, &noise, ratio);
    add(&mut all, lead, &sound, 1.0);
    let gain = decibels(within(rng, -26.0..-0.5)) / peak(&all).max(1e-12);
    Clip { samples: all.into_iter().map(|value| (value * gain) as f32).collect(), sample_rate: RATE as u32 }
}

/// The first source sounds from the start; each other one begins in the first half, 8 dB softer
/// to 2 dB louder than the first.
fn mixture(classes: &[usize], rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = source(classes[0], rng, n);
    let level = rms(&sound);
    for class in &classes[1..] {
        let start = (within(rng, 0.0..0.5) * n as f64) as usize;
        let other = source(*class, rng, n - start);
        let gain = decibels(within(rng, -8.0..2.0)) * level / rms(&other).max(1e-12);
        add(&mut sound, start, &other, gain);
    }
    sound
}

/// A source as a microphone in a room records it.
fn source(class: usize, rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = CLASSES[class].1(rng, n);
    recorder(rng, &mut sound);
    if chance(rng, 0.5) {
        let (decay, wet) = (about(rng, 0.15..0.9), within(rng, 0.1..0.7));
        room(rng, &mut sound, decay, wet);
    }
    fade(&mut sound, 0.002, 0.01);
    sound
}

/// Filters a sound to simulate microphones and distances.
fn recorder(rng: &mut ChaCha8Rng, sound: &mut [f64]) {
    for _ in 0..3 {
        Biquad::bump(about(rng, 150.0..8000.0), about(rng, 0.4..2.0), within(rng, -10.0..10.0)).run(sound);
    }
    if chance(rng, 0.4) {
        Biquad::low(about(rng, 2500.0..10_000.0), 0.7).run(sound);
    }
    if chance(rng, 0.3) {
        Biquad::high(about(rng, 60.0..300.0), 0.7).run(sound);
    }
}

/// White, pink or brown noise with a random peak or dip in its spectrum.
fn background(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let colour: fn(&mut ChaCha8Rng, usize) -> Vec<f64> = one_of(rng, [white, pink, brown]);
    let mut noise = colour(rng, n);
    Biquad::bump(about(rng, 100.0..8000.0), 0.7, within(rng, -10.0..10.0)).run(&mut noise);
    noise
}
