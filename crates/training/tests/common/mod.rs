//! Pseudorandom values, bitwise the same as in `golden/nets/formula.py`, which explains each; for
//! the tests of this crate and of `tagging`.
#![allow(dead_code, reason = "not every test uses all of them")]

use earmark_nets::{Array, Graph, Variant, Weights};

/// Values uniform in -1 to 1, seeded by a name.
pub fn uniform(name: &str, count: usize) -> Vec<f32> {
    let state = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let value = |index: u64| {
        let z = state.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (1..=count as u64).map(value).collect()
}

/// Weights for all parameters, including batch norm's statistics; no parameter is constantly 0.
pub fn weights(graph: &Graph) -> Weights {
    let weight = |name: &str, shape: &[usize]| {
        let (factor, offset) = if shape.len() > 1 {
            let inputs: usize = shape[1..].iter().product();
            // The gates in the blocks of MobileNet make values smaller, until all rows look alike.
            let gain = if name.contains(".block.") { 1.25 } else { 1.0 };
            ((gain * (3.0 / inputs as f64).sqrt()) as f32, 0.0)
        } else {
            (0.25, if name.ends_with(".weight") || name.ends_with(".running_var") { 1.0 } else { 0.0 })
        };
        uniform(name, shape.iter().product()).into_iter().map(|value| value * factor + offset).collect()
    };
    let arrays = graph.parameters().into_iter();
    let array =
        |p: earmark_nets::Parameter| (p.name.clone(), Array { data: weight(&p.name, &p.shape), shape: p.shape });
    Weights(arrays.map(array).collect())
}

/// An input `[batch, channels, bins, frames]` whose rows differ: noise, and a different level for
/// each square of 16, or for each 8192 samples of a wave.
pub fn input([batch, channels, bins, frames]: [usize; 4]) -> Vec<f32> {
    let side = if bins == 1 { 8192 } else { 16 };
    let (rows, columns) = (bins.div_ceil(16), frames.div_ceil(side));
    let levels = uniform("levels", batch * channels * rows * columns);
    let level = |at: usize| {
        let (plane, bin, frame) = (at / (bins * frames), at / frames % bins, at % frames);
        levels[(plane * rows + bin / 16) * columns + frame / side]
    };
    let noise = uniform("noise", batch * channels * bins * frames);
    noise.into_iter().enumerate().map(|(at, noise)| noise + 2.0 * level(at)).collect()
}

/// The smallest number of 10 ms frames that a network accepts.
pub fn fewest_frames(variant: &Variant) -> usize {
    match (variant.family, variant.name) {
        // Two 3x3 convolutions without padding, of which the first has stride 2.
        (_, "legacy_xception" | "xception_nano") => 7,
        // 3x3 max pooling without padding after a stride of 2.
        ("se_resnet" | "se_resnext", name) if name.starts_with("legacy_") => 5,
        // Five 2x2 average pools.
        ("cnn14", _) => 32,
        _ => 1,
    }
}

/// The largest difference of two arrays, relative to the largest value of the second; infinite if
/// the lengths differ or a value is NaN.
pub fn difference(ours: &[f32], expected: &[f32]) -> f32 {
    let finite = ours.iter().chain(expected).all(|value| value.is_finite());
    if !finite || ours.len() != expected.len() || expected.is_empty() {
        return f32::INFINITY;
    }
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    ours.iter().zip(expected).fold(0.0, |worst: f32, (a, b)| worst.max((a - b).abs())) / largest
}
