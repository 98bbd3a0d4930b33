//! One function per class, with a simple physical model of the sound source.
//!
//! Each takes a random stream and a length in samples, and returns a dry sound of that length.
//! Pitches, resonances and loudness overlap between the classes on purpose: the classes differ in
//! how the sound changes over time.

use std::f64::consts::TAU;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::dsp::{
    Biquad, RATE, about, add, brown, chance, click, decibels, fade, harmonics, mode, one_of, pink, samples, white,
    within,
};

/// Generates a dry sound with this number of samples.
pub(super) type Source = fn(&mut ChaCha8Rng, usize) -> Vec<f64>;

/// The classes, sorted.
pub(super) const CLASSES: [(&str, Source); 12] = [
    ("Acoustic_guitar", guitar),
    ("Applause", applause),
    ("Bark", bark),
    ("Bell", bell),
    ("Bird_chirp", bird),
    ("Clock_tick", clock),
    ("Computer_keyboard", keyboard),
    ("Engine", engine),
    ("Flute", flute),
    ("Knock", knock),
    ("Rain", rain),
    ("Siren", siren),
];

/// Plucked strings (Karplus and Strong 1983), sometimes strummed, on a wooden body.
fn guitar(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let base = about(rng, 110.0..330.0);
    let pace = about(rng, 0.14..0.6);
    let bright = within(rng, 0.2..0.9);
    let decay = about(rng, 0.8..3.0);
    let mut at = within(rng, 0.0..0.05);
    while samples(at) < n {
        let strings = if chance(rng, 0.2) { 4 } else { 1 };
        for string in 0..strings {
            let steps = one_of(rng, [0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 12.0, 16.0]);
            let pitch = base * libm::pow(2.0, steps / 12.0);
            let gain = within(rng, 0.4..1.0);
            let start = samples(at + 0.022 * f64::from(string));
            add(&mut sound, start, &pluck(rng, pitch, decay, bright, n.saturating_sub(start)), gain);
        }
        at += pace * one_of(rng, [1.0, 1.0, 1.0, 2.0]);
    }
    Biquad::bump(within(rng, 90.0..130.0), 3.0, 6.0).run(&mut sound);
    Biquad::bump(within(rng, 180.0..260.0), 3.0, 5.0).run(&mut sound);
    sound
}

/// A string: a delay line whose feedback loop attenuates high frequencies first.
fn pluck(rng: &mut ChaCha8Rng, pitch: f64, decay: f64, bright: f64, n: usize) -> Vec<f64> {
    let mut line = white(rng, samples(1.0 / pitch).max(2));
    Biquad::low(500.0 + 6000.0 * bright, 0.7).run(&mut line);
    let loss = libm::exp(-6.908 / (pitch * decay));
    let (mut at, mut last) = (0, 0.0);
    let step = |_| {
        let value = line[at];
        line[at] = loss * (0.5 * (1.0 + bright * 0.6) * value + 0.5 * (1.0 - bright * 0.6) * last);
        last = value;
        at = (at + 1) % line.len();
        value
    };
    (0..n).map(step).collect()
}

/// A crowd: each person claps at a different pace and with a different sound.
fn applause(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let people = about(rng, 10.0..50.0) as usize;
    let low = about(rng, 500.0..1000.0);
    for _ in 0..people {
        let pitch = about(rng, low..low * 3.0);
        let period = within(rng, 0.19..0.36);
        let decay = within(rng, 0.02..0.06);
        let gain = about(rng, 0.2..1.0);
        let mut at = within(rng, 0.0..period);
        while samples(at) < n {
            let clap = click(rng, pitch, 1.2, decay);
            add(&mut sound, samples(at), &clap, gain * within(rng, 0.7..1.0));
            at += period * within(rng, 0.88..1.12);
        }
    }
    sound
}

/// Barks: a rough voice whose pitch jumps up and falls, through the formants of a mouth that opens
/// and closes.
fn bark(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let pitch = about(rng, 170.0..620.0);
    let formants = [about(rng, 450.0..1000.0), about(rng, 1200.0..2600.0)];
    let gap = about(rng, 0.18..0.7);
    let length = within(rng, 0.07..0.2);
    let rough = within(rng, 0.1..0.6);
    let gains: Vec<f64> = (1..25).map(|k| 1.0 / f64::from(k).sqrt()).collect();
    let mut at = within(rng, 0.0..0.08);
    while samples(at) < n {
        let length = length * within(rng, 0.85..1.15);
        let high = pitch * within(rng, 0.9..1.1);
        let course = |t: f64| high * (0.65 + 0.55 * libm::sin(TAU / 2.0 * (t / length).min(1.0).sqrt()));
        let mut voice = harmonics(samples(length), &gains, course);
        for value in &mut voice {
            *value *= 1.0 + rough * within(rng, -3.0..3.0);
        }
        let mut mouth = vec![0.0; voice.len()];
        for formant in formants {
            let mut part = voice.clone();
            Biquad::band(formant * within(rng, 0.93..1.07), 4.0).run(&mut part);
            add(&mut mouth, 0, &part, 1.0);
        }
        fade(&mut mouth, 0.012, length * 0.6);
        add(&mut sound, samples(at), &mouth, within(rng, 0.6..1.0));
        at += length + gap * one_of(rng, [1.0, 1.0, 1.3, 2.5]) * within(rng, 0.9..1.1);
    }
    sound
}

/// Struck metal: inharmonic partials, the high ones decaying first.
fn bell(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    const CHURCH: [f64; 8] = [0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 3.01, 4.17];
    const BAR: [f64; 8] = [1.0, 2.76, 5.40, 8.93, 1.01, 2.78, 5.43, 8.97];
    let ratios = one_of(rng, [CHURCH, BAR]).map(|ratio| ratio * within(rng, 0.985..1.015));
    let strengths = ratios.map(|ratio| within(rng, 0.3..1.0) / ratio.sqrt());
    let pitch = about(rng, 260.0..1700.0);
    let decay = about(rng, 0.7..3.5);
    let period = about(rng, 0.35..1.6);
    let strike = within(rng, 0.1..0.8);
    let mut sound = vec![0.0; n];
    let mut at = within(rng, 0.0..0.1);
    while samples(at) < n {
        let gain = within(rng, 0.5..1.0);
        for (ratio, strength) in ratios.into_iter().zip(strengths) {
            if pitch * ratio < 16_000.0 {
                add(&mut sound, samples(at), &mode(pitch * ratio, decay / libm::pow(ratio, 0.6), strength), gain);
            }
        }
        add(&mut sound, samples(at), &click(rng, 3000.0, 0.7, 0.02), gain * strike);
        at += period * within(rng, 0.9..1.1);
    }
    sound
}

/// Chirps: whistles that sweep within a tenth of a second, alone or in trills.
fn bird(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let base = about(rng, 1100.0..4200.0);
    let gap = about(rng, 0.12..0.5);
    let overtone = within(rng, 0.0..0.3);
    let mut at = within(rng, 0.0..0.1);
    while samples(at) < n {
        let repeats = one_of(rng, [1, 1, 2, 4, 7]);
        let length = about(rng, 0.03..0.15);
        let (from, to) = (base * about(rng, 0.7..1.5), base * about(rng, 0.7..1.5));
        let bend = within(rng, -0.35..0.35);
        for _ in 0..repeats {
            let course = |t: f64| {
                let part = t / length;
                (from + (to - from) * part) * (1.0 + bend * libm::sin(TAU / 2.0 * part))
            };
            let mut chirp = harmonics(samples(length), &[1.0, overtone], course);
            fade(&mut chirp, length * 0.3, length * 0.4);
            add(&mut sound, samples(at), &chirp, within(rng, 0.6..1.0));
            at += length * within(rng, 1.15..1.4);
        }
        at += gap * within(rng, 0.6..1.6);
    }
    sound
}

/// A clock: two alternating short clicks, steadier than all other classes.
fn clock(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let period = about(rng, 0.16..0.6);
    let pitch = about(rng, 500.0..4500.0);
    let pitches = [pitch, pitch * about(rng, 0.6..1.6)];
    let decay = about(rng, 0.015..0.07);
    let quality = about(rng, 1.5..12.0);
    let second = if chance(rng, 0.5) { within(rng, 0.012..0.03) } else { 0.0 };
    let mut at = within(rng, 0.0..period.min(0.15));
    let mut turn = 0;
    while samples(at) < n {
        let tick = click(rng, pitches[turn], quality, decay);
        add(&mut sound, samples(at), &tick, 1.0);
        add(&mut sound, samples(at), &mode(pitches[turn] * 1.7, decay, 0.15), 1.0);
        if second > 0.0 {
            add(&mut sound, samples(at + second), &tick, 0.5);
        }
        turn = 1 - turn;
        at += period * within(rng, 0.995..1.005);
    }
    sound
}

/// Typing: each key has a different sound, is pressed and released, at an irregular pace.
fn keyboard(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let pace = about(rng, 0.09..0.25);
    let pitch = about(rng, 500.0..4500.0);
    let decay = about(rng, 0.015..0.07);
    let quality = about(rng, 1.5..8.0);
    let mut at = within(rng, 0.0..0.1);
    while samples(at) < n {
        let key = pitch * about(rng, 0.6..1.6);
        let gain = about(rng, 0.25..1.0);
        add(&mut sound, samples(at), &click(rng, key, quality, decay), gain);
        let up = at + within(rng, 0.05..0.11);
        add(&mut sound, samples(up), &click(rng, key * 1.3, quality, decay * 0.7), gain * within(rng, 0.2..0.6));
        let pause = if chance(rng, 0.1) { 3.0 } else { 1.0 };
        at += pace * pause * about(rng, 0.35..2.2);
    }
    sound
}

/// An engine: a train of unequal ignitions through an exhaust, with varying speed.
fn engine(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let speed = about(rng, 22.0..95.0);
    let (swing, rate) = (within(rng, 0.0..0.35), about(rng, 0.15..0.8));
    let phase = within(rng, 0.0..TAU);
    let cylinders: Vec<f64> = (0..4).map(|_| within(rng, 0.5..1.0)).collect();
    let mut sound = brown(rng, n);
    sound.iter_mut().for_each(|value| *value *= 0.02);
    let mut at = 0.0;
    let mut cylinder = 0;
    while samples(at) < n {
        let now = speed * (1.0 + swing * libm::sin(TAU * rate * at + phase));
        let pulse = click(rng, 400.0, 0.4, (1.2 / now).min(0.03));
        add(&mut sound, samples(at), &pulse, cylinders[cylinder]);
        cylinder = (cylinder + 1) % cylinders.len();
        at += within(rng, 0.96..1.04) / now;
    }
    for _ in 0..3 {
        Biquad::bump(about(rng, 70.0..1500.0), 2.0, within(rng, 3.0..12.0)).run(&mut sound);
    }
    Biquad::low(about(rng, 900.0..5000.0), 0.7).run(&mut sound);
    sound
}

/// A flute: few harmonics, breath noise around them, vibrato; notes with a constant pitch.
fn flute(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let base = about(rng, 300.0..1300.0);
    let pace = about(rng, 0.2..0.9);
    let gains = [1.0, within(rng, 0.1..0.7), within(rng, 0.05..0.4), within(rng, 0.0..0.15)];
    let (rate, depth) = (within(rng, 4.0..6.5), within(rng, 0.001..0.012));
    let breath = about(rng, 0.05..0.5);
    let mut at = within(rng, 0.0..0.08);
    while samples(at) < n {
        let length = pace * one_of(rng, [1.0, 1.0, 2.0]);
        let pitch = base * libm::pow(2.0, one_of(rng, [0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0, 12.0]) / 12.0);
        let vibrato = |t: f64| pitch * (1.0 + depth * libm::sin(TAU * rate * t));
        let mut note = harmonics(samples(length), &gains, vibrato);
        let mut air = white(rng, note.len());
        Biquad::band(pitch * 1.5, 0.8).run(&mut air);
        add(&mut note, 0, &air, breath);
        fade(&mut note, within(rng, 0.02..0.09), 0.05);
        add(&mut sound, samples(at), &note, within(rng, 0.6..1.0));
        at += length * within(rng, 0.96..1.05);
    }
    sound
}

/// Knuckles on wood: groups of dull knocks at a quick steady pace, then a pause.
fn knock(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = vec![0.0; n];
    let board = about(rng, 130.0..900.0);
    let modes: Vec<f64> = (0..4).map(|_| board * about(rng, 1.0..3.5)).collect();
    let decay = about(rng, 0.04..0.16);
    let period = about(rng, 0.11..0.26);
    let hard = within(rng, 0.1..0.6);
    let blows = rng.random_range(2..6_u32);
    let mut at = within(rng, 0.0..0.15);
    while samples(at) < n {
        for _ in 0..blows {
            let gain = within(rng, 0.7..1.0);
            for pitch in &modes {
                add(&mut sound, samples(at), &mode(*pitch, decay * within(rng, 0.8..1.2), 0.5), gain);
            }
            add(&mut sound, samples(at), &click(rng, board * 4.0, 0.8, 0.012), gain * hard);
            at += period * within(rng, 0.95..1.05);
        }
        at += within(rng, 0.4..0.9);
    }
    sound
}

/// Rain: a steady rush with single drops.
fn rain(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let mut sound = if chance(rng, 0.5) { white(rng, n) } else { pink(rng, n) };
    Biquad::high(about(rng, 200.0..1500.0), 0.6).run(&mut sound);
    Biquad::low(about(rng, 3000.0..14_000.0), 0.6).run(&mut sound);
    let (swell, rate, phase) = (within(rng, 0.0..0.3), about(rng, 0.2..1.0), within(rng, 0.0..TAU));
    for (i, value) in sound.iter_mut().enumerate() {
        *value *= 0.4 * (1.0 + swell * libm::sin(TAU * rate * i as f64 / RATE + phase));
    }
    let rate = about(rng, 15.0..300.0);
    let pitch = about(rng, 900.0..4000.0);
    let gain = about(rng, 0.1..0.9);
    let mut at = 0.0;
    while samples(at) < n {
        let drop = mode(pitch * about(rng, 0.5..2.0), about(rng, 0.008..0.03), 1.0);
        add(&mut sound, samples(at), &drop, gain * about(rng, 0.15..1.0));
        at -= libm::log(within(rng, 1e-9..1.0)) / rate;
    }
    sound
}

/// A siren: a loud horn whose pitch wails, yelps, or alternates between two tones.
fn siren(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    let low = about(rng, 350.0..900.0);
    let high = low * within(rng, 1.3..2.1);
    let rate = about(rng, 0.35..3.5);
    let phase = within(rng, 0.0..1.0);
    let shape = one_of(rng, [0, 0, 1, 2]);
    let mut glide = low;
    let course = |t: f64| {
        let turn = (rate * t + phase).fract();
        let part = match shape {
            0 => 0.5 - 0.5 * libm::cos(TAU * turn),
            1 => turn,
            _ => f64::from(u8::from(turn < 0.5)),
        };
        // The horn follows the pitch with a short delay.
        glide += 0.002 * (low + (high - low) * part - glide);
        glide
    };
    let tilt = within(rng, 3.0..14.0);
    let gains: Vec<f64> = (0..8).map(|octave| decibels(-tilt * f64::from(octave))).collect();
    let mut sound = harmonics(n, &gains, course);
    sound.iter_mut().for_each(|value| *value /= 1.0 + value.abs());
    sound
}
