//! What is computed of a whole clip as operators: the summary, and the statistics of level 2.

use std::f64::consts::{LOG10_E, TAU};

use earmark_features::{MelSettings, MfccStatistics, SUMMARY, Statistic};
use earmark_onnx::proto::{AttributeProto, ELEM_F32};

use crate::scope::{Scope, Value};
use crate::spectrum::{cepstrum, log_mel};

/// A coefficient that varies by less is constant; `earmark_features::Statistic` says why.
const CONSTANT: f32 = 1e-5;
/// Denominator of the quantiles, which are multiples of a 20th.
const PARTS: i64 = 20;

/// The statistics of the cepstral coefficients: `[n]` to `[statistics * n_mfcc]`.
pub(crate) fn statistics(scope: &mut Scope, samples: &Value, settings: &MfccStatistics) -> Value {
    let bands = log_mel(scope, samples, &settings.mel);
    let rows = cepstrum(scope, &bands, settings.n_mfcc, settings.mel.n_mels);
    let (greatest, least) = (scope.reduce("ReduceMax", &rows, &[0]), scope.reduce("ReduceMin", &rows, &[0]));
    let mean = scope.reduce("ReduceMean", &rows, &[0]);
    let distances = scope.op("Sub", &[&rows, &mean]);
    let squares = scope.op("Mul", &[&distances, &distances]);
    let variance = scope.reduce("ReduceMean", &squares, &[0]);
    let (span, constant) = (scope.op("Sub", &[&greatest, &least]), scope.number(CONSTANT));
    let is_constant = scope.op("Less", &[&span, &constant]);
    let shape = |scope: &mut Scope, power: i32| {
        let (exponent, zero) = (scope.number(power as f32 / 2.0), scope.number(0.0));
        let mut product = squares.clone();
        for _ in 2..power {
            product = scope.op("Mul", &[&product, &distances]);
        }
        let moment = scope.reduce("ReduceMean", &product, &[0]);
        let scale = scope.op("Pow", &[&variance, &exponent]);
        let mut shape = scope.op("Div", &[&moment, &scale]);
        if power == 4 {
            let three = scope.number(3.0);
            shape = scope.op("Sub", &[&shape, &three]);
        }
        scope.op("Where", &[&is_constant, &zero, &shape])
    };
    let mut values = Vec::new();
    for statistic in settings.set.statistics() {
        values.push(match statistic {
            Statistic::Max => greatest.clone(),
            Statistic::Min => least.clone(),
            Statistic::Mean => mean.clone(),
            Statistic::Var => variance.clone(),
            Statistic::Std => scope.op("Sqrt", &[&variance]),
            Statistic::Skew => shape(scope, 3),
            Statistic::Kurtosis => shape(scope, 4),
        });
    }
    scope.on_axis("Concat", &values.iter().collect::<Vec<_>>(), 0)
}

/// The summary of a clip, specified in docs/bundle.md: `[n]` to `[values]`.
pub(crate) fn summary(scope: &mut Scope, samples: &Value, mel: &MelSettings, n_mfcc: usize) -> Value {
    let bands = log_mel(scope, samples, mel);
    let coefficients = cepstrum(scope, &bands, n_mfcc, mel.n_mels);
    let rows = scope.on_axis("Concat", &[&bands, &coefficients], 1);
    let groups = groups(scope, &bands, mel.n_mels);
    let mut parts = described(scope, &rows);
    let moving = scope.on_axis("Concat", &[&groups, &coefficients], 1);
    parts.push(modulations(scope, &moving));
    let count = mel.n_mels.div_ceil(mel.n_mels.div_ceil(SUMMARY.groups));
    if count > 1 {
        parts.push(correlations(scope, &groups, count));
    }
    scope.on_axis("Concat", &parts.iter().collect::<Vec<_>>(), 0)
}

/// The means of adjacent bands: `[frames, n_mels]` to `[frames, groups]`.
fn groups(scope: &mut Scope, bands: &Value, n_mels: usize) -> Value {
    let size = n_mels.div_ceil(SUMMARY.groups);
    let count = n_mels.div_ceil(size);
    let share = |band: usize, group: usize| {
        let members = (n_mels - group * size).min(size);
        if band / size == group { 1.0 / members as f32 } else { 0.0 }
    };
    let matrix: Vec<f32> =
        (0..n_mels).flat_map(|band| (0..count).map(move |group| (band, group))).map(|(b, g)| share(b, g)).collect();
    let matrix = scope.f32(&[n_mels, count], &matrix);
    scope.op("MatMul", &[bands, &matrix])
}

/// Mean, deviation, quantiles; deviation and mean magnitude of the differences between frames.
fn described(scope: &mut Scope, rows: &Value) -> Vec<Value> {
    let n = scope.size(rows, 0);
    let mean = scope.reduce("ReduceMean", rows, &[0]);
    let distances = scope.op("Sub", &[rows, &mean]);
    let squares = scope.op("Mul", &[&distances, &distances]);
    let variance = scope.reduce("ReduceMean", &squares, &[0]);
    let deviation = scope.op("Sqrt", &[&variance]);
    let mut parts = vec![mean, deviation];
    let sorted = sorted(scope, rows, &n);
    parts.extend(SUMMARY.quantiles.map(|share| quantile(scope, &sorted, &n, share)));
    for lag in [1, SUMMARY.lag] {
        let Steps { values, mask, count } = Steps::new(scope, rows, &n, lag);
        let sum = scope.sum(&values, &[0]);
        let mean = scope.op("Div", &[&sum, &count]);
        let distances = scope.op("Sub", &[&values, &mean]);
        let distances = scope.op("Mul", &[&distances, &mask]);
        let squares = scope.reduce("ReduceSumSquare", &distances, &[0]);
        let variance = scope.op("Div", &[&squares, &count]);
        parts.push(scope.op("Sqrt", &[&variance]));
        if lag == 1 {
            let sizes = scope.reduce("ReduceL1", &values, &[0]);
            parts.push(scope.op("Div", &[&sizes, &count]));
        }
    }
    parts
}

/// The rows in ascending order of each column.
fn sorted(scope: &mut Scope, rows: &Value, n: &Value) -> Value {
    let attributes = [("axis", 0), ("largest", 0), ("sorted", 1)].map(|(name, value)| AttributeProto::int(name, value));
    let sorted = scope.op_with("TopK", &[rows, n], attributes.to_vec());
    // The operator has a second output: the indices.
    let indices = scope.name("indices");
    if let Some(node) = scope.nodes.last_mut() {
        node.output.push(indices);
    }
    sorted
}

/// A quantile with linear interpolation.
fn quantile(scope: &mut Scope, sorted: &Value, n: &Value, share: f64) -> Value {
    let parts = (share * PARTS as f64).round() as i64;
    let [one, parts, all] = [1, parts, PARTS].map(|value| scope.ints(&[value]));
    let last = scope.op("Sub", &[n, &one]);
    let place = scope.op("Mul", &[&last, &parts]);
    let below = scope.op("Div", &[&place, &all]);
    let rest = scope.op("Mod", &[&place, &all]);
    let above = scope.op("Add", &[&below, &one]);
    let above = scope.op("Min", &[&above, &last]);
    let [below, above] = [below, above].map(|index| scope.on_axis("Gather", &[sorted, &index], 0));
    let (rest, all) = (scope.cast(&rest, ELEM_F32), scope.number(PARTS as f32));
    let fraction = scope.op("Div", &[&rest, &all]);
    let span = scope.op("Sub", &[&above, &below]);
    let more = scope.op("Mul", &[&span, &fraction]);
    let value = scope.op("Add", &[&below, &more]);
    scope.reshaped(&value, &[-1])
}

/// The differences between frames, as many as frames: those beyond the end are 0.
struct Steps {
    /// `[frames, rows]`.
    values: Value,
    /// 1 for a difference, 0 beyond the end: `[frames, 1]`.
    mask: Value,
    /// The number of differences, at least 1: `[1]`.
    count: Value,
}

impl Steps {
    fn new(scope: &mut Scope, rows: &Value, n: &Value, lag: usize) -> Self {
        let [one, lag] = [1, lag as i64].map(|value| scope.ints(&[value]));
        let numbers = scope.range(n);
        let later = scope.op("Add", &[&numbers, &lag]);
        let exists = scope.op("Less", &[&later, n]);
        let mask = scope.cast(&exists, ELEM_F32);
        let mask = scope.unsqueezed(&mask, &[1]);
        let last = scope.op("Sub", &[n, &one]);
        let later = scope.op("Min", &[&later, &last]);
        let later = scope.on_axis("Gather", &[rows, &later], 0);
        let difference = scope.op("Sub", &[&later, rows]);
        let values = scope.op("Mul", &[&difference, &mask]);
        let count = scope.op("Sub", &[n, &lag]);
        let count = scope.op("Max", &[&count, &one]);
        Self { values, mask, count: scope.cast(&count, ELEM_F32) }
    }
}

/// The correlation between the differences of each pair of groups: `[frames, groups]` to `[pairs]`.
fn correlations(scope: &mut Scope, groups: &Value, count: usize) -> Value {
    let n = scope.size(groups, 0);
    let Steps { values, mask, count: steps } = Steps::new(scope, groups, &n, 1);
    let sum = scope.sum(&values, &[0]);
    let mean = scope.op("Div", &[&sum, &steps]);
    let distances = scope.op("Sub", &[&values, &mean]);
    let distances = scope.op("Mul", &[&distances, &mask]);
    let turned = scope.transposed(&distances, &[1, 0]);
    let products = scope.op("MatMul", &[&turned, &distances]);
    let products = scope.op("Div", &[&products, &steps]);
    let products = scope.reshaped(&products, &[-1]);
    let chosen = |scope: &mut Scope, places: Vec<usize>| {
        let index = scope.ints(&places.into_iter().map(|place| place as i64).collect::<Vec<_>>());
        scope.on_axis("Gather", &[&products, &index], 0)
    };
    let variances = chosen(scope, (0..count).map(|group| group * (count + 1)).collect());
    let unmoved = scope.number(SUMMARY.unmoved as f32);
    let variances = scope.op("Add", &[&variances, &unmoved]);
    let sizes = scope.op("Sqrt", &[&variances]);
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
    let of_pairs = chosen(scope, pairs.iter().map(|(a, b)| a * count + b).collect());
    let firsts = scope.ints(&pairs.iter().map(|(a, _)| *a as i64).collect::<Vec<_>>());
    let seconds = scope.ints(&pairs.iter().map(|(_, b)| *b as i64).collect::<Vec<_>>());
    let [firsts, seconds] = [firsts, seconds].map(|index| scope.on_axis("Gather", &[&sizes, &index], 0));
    let scale = scope.op("Mul", &[&firsts, &seconds]);
    scope.op("Div", &[&of_pairs, &scale])
}

/// The mean power density of each row in each octave, in dB: `[frames, rows]` to `[octaves *
/// rows]`.
///
/// The transform of `q` periods of frames is a constant one of every `q`-th frame, followed by a
/// sum over `q` values with twiddle factors, which depend on the length of the clip.
fn modulations(scope: &mut Scope, rows: &Value) -> Value {
    let period = 2 << SUMMARY.octaves;
    let n = scope.size(rows, 0);
    let (windowed, energy) = windowed(scope, rows, &n);
    let q = scope.quotient_up(&n, period);
    let whole = scope.ints(&[period]);
    let length = scope.op("Mul", &[&q, &whole]);
    let missing = scope.op("Sub", &[&length, &n]);
    let zeros = scope.ints(&[0, 0]);
    let zero = scope.ints(&[0]);
    let pads = scope.on_axis("Concat", &[&zeros, &missing, &zero], 0);
    let padded = scope.op("Pad", &[&windowed, &pads]);
    // [period, q, rows]
    let (first, rest) = (scope.ints(&[period]), scope.ints(&[-1]));
    let width = scope.size(rows, 1);
    let grid_shape = scope.on_axis("Concat", &[&first, &q, &width], 0);
    let flat_shape = scope.on_axis("Concat", &[&first, &rest], 0);
    let flat = scope.reshaped_to(&padded, &flat_shape);
    // The bins of all octaves, `q` to `2^octaves q - 1`.
    let bins_per_period = scope.ints(&[(1 << SUMMARY.octaves) - 1]);
    let count = scope.op("Mul", &[&q, &bins_per_period]);
    let numbers = scope.range(&count);
    let bins = scope.op("Add", &[&numbers, &q]);
    let of_first = scope.op("Mod", &[&bins, &whole]);
    let tables = [false, true].map(|is_sine| table(scope, period as usize, is_sine));
    let [real, imaginary] = tables.map(|matrix| {
        let transformed = scope.op("MatMul", &[&matrix, &flat]);
        let transformed = scope.reshaped_to(&transformed, &grid_shape);
        scope.on_axis("Gather", &[&transformed, &of_first], 0)
    });
    // Twiddle factors, [bins, q, 1].
    let within = scope.range(&q);
    let bins = scope.unsqueezed(&bins, &[1]);
    let products = scope.op("Mul", &[&bins, &within]);
    let products = scope.op("Mod", &[&products, &length]);
    let (products, length) = (scope.cast(&products, ELEM_F32), scope.cast(&length, ELEM_F32));
    let turns = scope.op("Div", &[&products, &length]);
    let turn = scope.number(TAU as f32);
    let angles = scope.op("Mul", &[&turns, &turn]);
    let angles = scope.unsqueezed(&angles, &[2]);
    let (cosine, sine) = (scope.op("Cos", &[&angles]), scope.op("Sin", &[&angles]));
    // (real - i imaginary) (cosine - i sine), with `imaginary` the sum with sines.
    let mut product = |a: &Value, b: &Value| scope.op("Mul", &[a, b]);
    let parts =
        [product(&real, &cosine), product(&imaginary, &sine), product(&real, &sine), product(&imaginary, &cosine)];
    let [a, b, c, d] = &parts;
    let (x, y) = (scope.op("Sub", &[a, b]), scope.op("Add", &[c, d]));
    let [x, y] = [x, y].map(|part| {
        let sum = scope.sum(&part, &[1]);
        scope.op("Mul", &[&sum, &sum])
    });
    let powers = scope.op("Add", &[&x, &y]);
    let powers = scope.op("Div", &[&powers, &energy]);
    octaves(scope, &powers, &q)
}

/// The rows minus their means, times a periodic Hann window; and the sum of the window's squares.
fn windowed(scope: &mut Scope, rows: &Value, n: &Value) -> (Value, Value) {
    let mean = scope.reduce("ReduceMean", rows, &[0]);
    let centered = scope.op("Sub", &[rows, &mean]);
    let numbers = scope.range(n);
    let (numbers, length) = (scope.cast(&numbers, ELEM_F32), scope.cast(n, ELEM_F32));
    let turns = scope.op("Div", &[&numbers, &length]);
    let [turn, half, one] = [TAU as f32, 0.5, 1.0].map(|value| scope.number(value));
    let angles = scope.op("Mul", &[&turns, &turn]);
    let cosine = scope.op("Cos", &[&angles]);
    let scaled = scope.op("Mul", &[&cosine, &half]);
    let window = scope.op("Sub", &[&half, &scaled]);
    let is_one = scope.op("Equal", &[&length, &one]);
    let window = scope.op("Where", &[&is_one, &one, &window]);
    let energy = scope.op_with("ReduceSumSquare", &[&window], vec![AttributeProto::int("keepdims", 0)]);
    let window = scope.unsqueezed(&window, &[1]);
    (scope.op("Mul", &[&centered, &window]), energy)
}

/// The cosines or sines of a Fourier transform, `[period, period]`, from a table of one period, so
/// that the file does not have the whole matrix.
fn table(scope: &mut Scope, period: usize, is_sine: bool) -> Value {
    let angle = |i: usize| TAU * i as f64 / period as f64;
    let values: Vec<f32> = (0..period).map(|i| if is_sine { angle(i).sin() } else { angle(i).cos() } as f32).collect();
    let table = scope.f32(&[period], &values);
    let numbers: Vec<i64> = (0..period as i64).collect();
    let (row, whole) = (scope.ints(&numbers), scope.ints(&[period as i64]));
    let column = scope.unsqueezed(&row, &[1]);
    let products = scope.op("Mul", &[&column, &row]);
    let index = scope.op("Mod", &[&products, &whole]);
    scope.on_axis("Gather", &[&table, &index], 0)
}

/// The means of the bins of each octave in dB: `[bins, rows]` to `[octaves * rows]`.
fn octaves(scope: &mut Scope, powers: &Value, q: &Value) -> Value {
    let mut parts = Vec::new();
    for octave in 0..SUMMARY.octaves {
        let [from, to] = [(1 << octave) - 1, (2 << octave) - 1].map(|bins| {
            let bins = scope.ints(&[bins]);
            scope.op("Mul", &[q, &bins])
        });
        let bins = scope.slice(powers, &from, &to, 0);
        parts.push(scope.reduce("ReduceMean", &bins, &[0]));
    }
    let means = scope.on_axis("Concat", &parts.iter().collect::<Vec<_>>(), 0);
    let (still, factor) = (scope.number(SUMMARY.still as f32), scope.number((10.0 * LOG10_E) as f32));
    let means = scope.op("Add", &[&means, &still]);
    let logarithms = scope.op("Log", &[&means]);
    scope.op("Mul", &[&logarithms, &factor])
}
