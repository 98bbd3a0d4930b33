//! The resampler of a bundle as a product with a constant matrix.
//!
//! `docs/bundle.md` specifies it as a filter that is applied by Fourier transforms. Its result is
//! that of a windowed sinc between the samples, for an output every `from / to` samples.

use std::f64::consts::{PI, TAU};

use earmark_tagging::Resampler;

use crate::scope::{Scope, Value};
use crate::spectrum::{common_divisor, framed};

/// The amplitudes of the Blackman-Harris window.
const WINDOW: [f64; 4] = [0.358_75, 0.488_29, 0.141_28, 0.011_68];

/// The conversion of one rate to a lower one.
pub(crate) struct Conversion {
    /// Samples of a block at both rates.
    block_in: usize,
    block_out: usize,
    /// Number of taps of the filter.
    taps: usize,
    /// Rates, divided by their greatest common divisor.
    rates: [usize; 2],
    /// `[block_in + taps, block_out]`.
    matrix: Value,
}

impl Conversion {
    /// The filter as a constant of this scope.
    pub(crate) fn new(scope: &mut Scope, resampler: &Resampler, from: u32, to: u32) -> Self {
        let divisor = common_divisor(from.into(), to.into()) as usize;
        let [unit_in, unit_out] = [from as usize / divisor, to as usize / divisor];
        let least = (resampler.taps as usize).div_ceil(unit_in.min(unit_out));
        let units = least.next_multiple_of(2);
        let taps = units * unit_in;
        let table = table(resampler, taps, units * unit_out, unit_out);
        // Larger blocks need fewer products for samples of other blocks, and a larger matrix.
        let per_block = (units / 4).max(1);
        let (block_in, block_out) = (per_block * unit_in, per_block * unit_out);
        let matrix = matrix(scope, &table, [block_in + taps, block_out], [unit_in, unit_out], taps / 2);
        Self { block_in, block_out, taps, rates: [unit_in, unit_out], matrix }
    }

    /// The samples of a whole sound with the zeros that the filter needs around them.
    pub(crate) fn padded(&self, scope: &mut Scope, samples: &Value) -> Value {
        let around = (self.taps / 2) as i64;
        let pads = scope.ints(&[around, around]);
        scope.op("Pad", &[samples, &pads])
    }

    /// The piece of `length` samples that begins at sample `start`, both `[1]`, of the sound with
    /// the zeros of [`Conversion::padded`].
    pub(crate) fn piece(&self, scope: &mut Scope, padded: &Value, start: &Value, length: &Value) -> Value {
        let Self { block_in, block_out, taps, rates: [unit_in, unit_out], matrix } = self;
        let [taps_more, twice_out, unit, twice, one_block_in] =
            [*taps, 2 * unit_out, *unit_in, 2 * unit_in, *block_in].map(|value| scope.ints(&[value as i64]));
        // The number of samples, rounded: floor((2 n to + from) / (2 from)).
        let count = scope.op("Mul", &[length, &twice_out]);
        let count = scope.op("Add", &[&count, &unit]);
        let count = scope.op("Div", &[&count, &twice]);
        let end = scope.op("Add", &[start, length]);
        let end = scope.op("Add", &[&end, &taps_more]);
        let samples = scope.slice(padded, start, &end, 0);
        let more = scope.ints(&[0, (block_in + unit_in) as i64]);
        let samples = scope.op("Pad", &[&samples, &more]);
        let blocks = scope.quotient_up(&count, *block_out as i64);
        let used = scope.op("Mul", &[&blocks, &one_block_in]);
        let used = scope.op("Add", &[&used, &taps_more]);
        let zero = scope.ints(&[0]);
        let samples = scope.slice(&samples, &zero, &used, 0);
        let frames = framed(scope, &samples, block_in + taps, *block_in);
        let resampled = scope.op("MatMul", &[&frames, matrix]);
        let resampled = scope.reshaped(&resampled, &[-1]);
        scope.slice(&resampled, &zero, &count, 0)
    }
}

/// The filter by the distance from its center, in parts of a sample: `unit_out` values each, up to
/// half of its length, where it is 0.
fn table(resampler: &Resampler, taps: usize, taps_out: usize, unit_out: usize) -> Vec<f32> {
    let n = taps.min(taps_out) as f64;
    let [k1, k2, k3] = resampler.cutoff;
    let cutoff = n / taps as f64 / (1.0 + k1 / n + k2 / (n * n) + k3 / (n * n * n));
    let value = |distance: f64| {
        let angle = TAU * (distance / taps as f64 + 0.5);
        let terms = WINDOW.iter().enumerate();
        let window: f64 = terms.map(|(k, term)| (-1f64).powi(k as i32) * term * (k as f64 * angle).cos()).sum();
        let x = PI * distance * cutoff;
        window * window * if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    let half = taps / 2;
    let sum = value(0.0) + 2.0 * (1..half).map(|tap| value(tap as f64)).sum::<f64>() + value(half as f64);
    let mut table: Vec<f32> =
        (0..half * unit_out).map(|part| (value(part as f64 / unit_out as f64) / sum) as f32).collect();
    table.push(0.0);
    table
}

/// The matrix of a block from the table of its values, so that the file has the table alone.
fn matrix(scope: &mut Scope, table: &[f32], shape: [usize; 2], units: [usize; 2], half: usize) -> Value {
    let [unit_in, unit_out] = units.map(|unit| unit as i64);
    let values = scope.f32(&[table.len()], table);
    let rows = (0..shape[0] as i64).map(|row| (half as i64 - row) * unit_out).collect::<Vec<_>>();
    let columns = (0..shape[1] as i64).map(|column| column * unit_in).collect::<Vec<_>>();
    let (rows, columns, last) = (scope.ints(&rows), scope.ints(&columns), scope.ints(&[table.len() as i64 - 1]));
    let rows = scope.unsqueezed(&rows, &[1]);
    let distances = scope.op("Add", &[&rows, &columns]);
    let distances = scope.op("Abs", &[&distances]);
    let distances = scope.op("Min", &[&distances, &last]);
    scope.on_axis("Gather", &[&values, &distances], 0)
}
