//! Compares the numbers drawn from random streams with a second implementation of every algorithm,
//! so that a run started with an earlier version of Earmark or of a library resumes with the same
//! numbers.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use earmark_datasets::{epoch_order, random};
use earmark_features::{CropSpec, Padding};
use earmark_features::{FeatureView, Values};
use earmark_loader::{Mixup, random_crop, shifted_crop};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};

/// The first frame of each of six crops of 100 frames, of a clip whose frames are numbered.
fn crops(cut: fn(FeatureView<'_>, &CropSpec<'_>, &mut ChaCha8Rng, &mut [f32]), rng: &mut ChaCha8Rng) -> Vec<f64> {
    let frames: Vec<f32> = (0..1_000_u16).map(f32::from).collect();
    let clip = FeatureView::new(Values::Single(&frames), 1, 1);
    let spec = CropSpec { frames: 100, padding: Padding::Zero, pad: &[] };
    let mut crop = [0.0; 100];
    let mut draw = || {
        cut(clip, &spec, rng, &mut crop);
        f64::from(crop[0])
    };
    (0..6).map(|_| draw()).collect()
}

/// `n` numbers, drawn as the golden row specifies.
fn drawn(what: &str, parameter: &str, n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let number = || parameter.parse::<f64>().unwrap();
    let whole = || parameter.parse::<u64>().unwrap();
    let single = || parameter.parse::<f32>().unwrap();
    match what {
        "shuffle" => epoch_order(whole() as usize, rng).into_iter().map(|clip| clip as f64).collect(),
        "u64" => (0..n).map(|_| rng.random_range(0..=whole() - 1) as f64).collect(),
        "u32" => (0..n).map(|_| f64::from(rng.random_range(0..whole() as u32))).collect(),
        "f32" => (0..n).map(|_| f64::from(rng.random_range(-single()..=single()))).collect(),
        "f64" => (0..n).map(|_| rng.random_range(-number()..number())).collect(),
        "normal" => Normal::new(0.0, number()).unwrap().sample_iter(rng).take(n).collect(),
        "uniform" => Uniform::new_inclusive(-number(), number()).unwrap().sample_iter(rng).take(n).collect(),
        "mixup" => {
            let plan = Mixup { alpha: single() }.plan(n / 2, rng);
            plan.into_iter().flat_map(|(partner, weight)| [partner as f64, f64::from(weight)]).collect()
        }
        "crop" => crops(random_crop, rng),
        "shifted" => crops(shifted_crop, rng),
        other => panic!("{other}"),
    }
}

#[test]
fn draws_are_those_of_another_implementation() {
    let golden = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/random/draws.csv"));
    let mut kinds = BTreeSet::new();
    for row in golden.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let [seed, keys, what, parameter, values] = fields[..] else { panic!("{row}") };
        let keys: Vec<u64> = keys.split_whitespace().map(|key| key.parse().unwrap()).collect();
        let expected: Vec<f64> = values.split_whitespace().map(|value| value.parse().unwrap()).collect();
        let mut rng = random::stream(seed.parse().unwrap(), &keys);
        let found = drawn(what, parameter, expected.len(), &mut rng);
        // Logarithms and exponentials differ in the last bit between machines; mixup's weights have
        // 32 bits.
        let allowed = match what {
            "mixup" => 1e-7,
            "normal" | "uniform" => 1e-15,
            _ => 0.0,
        };
        assert_eq!(found.len(), expected.len(), "{what} {parameter}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= allowed,
                "{seed}, {keys:?}: {what} {parameter}: {found}, not {expected}"
            );
        }
        kinds.insert(what);
    }
    assert_eq!(kinds.len(), 10, "{kinds:?}");
}
