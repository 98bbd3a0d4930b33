//! Deltas as a convolution over time.

use earmark_features::{DeltaFilter, DeltaMode, DeltaSettings};
use earmark_onnx::proto::AttributeProto;

use crate::scope::{Scope, Value};
use crate::spectrum::{clamped, mirrored};

/// Rows with their slopes and curvatures: `[frames, bins]` to `[3, frames, bins]`.
pub(crate) fn stacked(scope: &mut Scope, rows: &Value, settings: &DeltaSettings) -> Value {
    let weights = settings.weights();
    let extended = extended(scope, rows, settings, [weights.before, weights.after]);
    let width = weights.slope.len();
    let filters = scope.f32(&[2, 1, width, 1], &[weights.slope, weights.curvature].concat());
    let image = scope.unsqueezed(&extended, &[0, 1]);
    let kernel = AttributeProto::ints("kernel_shape", vec![width as i64, 1]);
    let deltas = scope.op_with("Conv", &[&image, &filters], vec![kernel]);
    let batch = scope.ints(&[0]);
    let deltas = scope.op("Squeeze", &[&deltas, &batch]);
    let deltas = match settings.delta == DeltaFilter::Savgol && settings.delta_mode == DeltaMode::Interp {
        true => with_ends_of_fits(scope, rows, &deltas, settings.delta_width),
        false => deltas,
    };
    let rows = scope.unsqueezed(rows, &[0]);
    scope.on_axis("Concat", &[&rows, &deltas], 0)
}

/// The rows with the frames that the filters need beyond the ends.
fn extended(scope: &mut Scope, rows: &Value, settings: &DeltaSettings, [before, after]: [usize; 2]) -> Value {
    let zeros_at_start = match settings.delta {
        // The filter of librosa 0.5 starts from zeros, before `delta_width` copies of the first
        // frame.
        DeltaFilter::Fir => before.saturating_sub(settings.delta_width),
        DeltaFilter::Savgol => 0,
    };
    let padded = |scope: &mut Scope, rows: &Value, pads: [usize; 2]| {
        let pads = scope.ints(&[pads[0] as i64, 0, pads[1] as i64, 0]);
        scope.op("Pad", &[rows, &pads])
    };
    if settings.delta == DeltaFilter::Savgol && settings.delta_mode == DeltaMode::Constant {
        return padded(scope, rows, [before, after]);
    }
    let n = scope.size(rows, 0);
    let first = before - zeros_at_start;
    let (more, shift) = (scope.ints(&[(first + after) as i64]), scope.ints(&[first as i64]));
    let count = scope.op("Add", &[&n, &more]);
    let numbers = scope.range(&count);
    let positions = scope.op("Sub", &[&numbers, &shift]);
    let source = match (settings.delta, settings.delta_mode) {
        (DeltaFilter::Savgol, DeltaMode::Mirror) => mirrored(scope, &positions, &n),
        (DeltaFilter::Savgol, DeltaMode::Wrap) => scope.op("Mod", &[&positions, &n]),
        _ => clamped(scope, &positions, &n),
    };
    let extended = scope.on_axis("Gather", &[rows, &source], 0);
    if zeros_at_start == 0 { extended } else { padded(scope, &extended, [zeros_at_start, 0]) }
}

/// Near an end, the delta of the fit to the first or last `width` frames; in a clip of fewer frames
/// none changes.
fn with_ends_of_fits(scope: &mut Scope, rows: &Value, deltas: &Value, width: usize) -> Value {
    let half = (width / 2) as i64;
    let n = scope.size(rows, 0);
    let [zero, half, width] = [0, half, width as i64].map(|value| scope.ints(&[value]));
    let is_long = scope.op("GreaterOrEqual", &[&n, &width]);
    let first = scope.op("Where", &[&is_long, &half, &zero]);
    let one = scope.ints(&[1]);
    let last = scope.op("Sub", &[&n, &one]);
    let last = scope.op("Sub", &[&last, &first]);
    let numbers = scope.range(&n);
    let centers = scope.op("Max", &[&numbers, &first]);
    let centers = scope.op("Min", &[&centers, &last]);
    scope.on_axis("Gather", &[deltas, &centers], 1)
}
