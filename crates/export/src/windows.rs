//! Windows of features through a network, as `earmark_features::Windowing` cuts them.

use earmark_features::{Activation, InputScaling, Padding, WindowAggregation, Windowing};
use earmark_onnx::proto::ELEM_F32;

use crate::ExportError;
use crate::merge::{Merged, Weights};
use crate::scope::{Scope, Value};
use crate::spectrum::mirrored;

/// Windows and input values per run of a network, which limit the memory.
const BATCH: usize = 16;
const MOST_VALUES: usize = 1 << 19;

/// A deviation that is not larger counts as 1, as in `earmark_features::Scaling::fit`.
const LEAST_DEVIATION: f32 = 1e-6;

/// The features of a clip: `[channels, bins, frames]`.
pub(crate) struct ClipFeatures {
    pub(crate) value: Value,
    pub(crate) channels: usize,
    pub(crate) bins: usize,
    /// Whether the clip is one frame.
    pub(crate) is_one_frame: bool,
}

/// A network and the number of its outputs.
pub(crate) struct Net<'a> {
    pub(crate) merged: Merged<'a>,
    pub(crate) scaling: &'a InputScaling,
    pub(crate) width: usize,
    pub(crate) weights: Weights,
    /// The activation of its outputs; none if they are not logits.
    pub(crate) activation: Option<Activation>,
}

impl Net<'_> {
    /// The mean of the network's outputs over the windows of a clip: `[width]`.
    pub(crate) fn of_clip(
        &self,
        scope: &mut Scope,
        features: &ClipFeatures,
        windows: &Windowing,
    ) -> Result<Value, ExportError> {
        let scaled = scaled(scope, features, self.scaling);
        if features.is_one_frame && windows.frames == 1 {
            let x = scope.unsqueezed(&scaled, &[0]);
            let outputs = self.outputs(scope, &x)?;
            let outputs = self.activated(scope, &outputs, 1);
            return Ok(scope.reshaped(&outputs, &[-1]));
        }
        let Cut { features: cut, starts, length } = Cut::new(scope, &scaled, windows);
        let of_window = (features.channels * features.bins * windows.frames).max(1);
        let batch = (MOST_VALUES / of_window).clamp(1, BATCH) as i64;
        let count = scope.size(&starts, 0);
        let batches = scope.quotient_up(&count, batch);
        let each = windows.average == WindowAggregation::Probabilities;
        let sum = scope.sum_of(&batches, self.width, |scope, number| {
            let batch = scope.ints(&[batch]);
            let from = scope.op("Mul", &[number, &batch]);
            let to = scope.op("Add", &[&from, &batch]);
            let starts = scope.slice(&starts, &from, &to, 0);
            let starts = scope.unsqueezed(&starts, &[1]);
            let within = scope.range(&length);
            let index = scope.op("Add", &[&starts, &within]);
            let gathered = scope.on_axis("Gather", &[&cut, &index], 2);
            let x = scope.transposed(&gathered, &[2, 0, 1, 3]);
            let mut outputs = self.outputs(scope, &x)?;
            if each {
                outputs = self.activated(scope, &outputs, 1);
            }
            Ok(scope.sum(&outputs, &[0]))
        })?;
        let count = scope.cast(&count, ELEM_F32);
        let mean = scope.op("Div", &[&sum, &count]);
        Ok(if each { mean } else { self.activated(scope, &mean, 0) })
    }

    /// The outputs for a batch of inputs.
    fn outputs(&self, scope: &mut Scope, x: &Value) -> Result<Value, ExportError> {
        self.merged.add_to(scope, x, self.weights)
    }

    fn activated(&self, scope: &mut Scope, logits: &Value, axis: i64) -> Value {
        match self.activation {
            None => logits.clone(),
            Some(Activation::Softmax) => scope.on_axis("Softmax", &[logits], axis),
            Some(Activation::Sigmoid) => scope.op("Sigmoid", &[logits]),
        }
    }
}

/// The features minus a mean, divided by a deviation.
fn scaled(scope: &mut Scope, features: &ClipFeatures, scaling: &InputScaling) -> Value {
    let x = &features.value;
    match scaling {
        InputScaling::None => x.clone(),
        InputScaling::Fixed(scaling) => {
            let shape = [features.channels, 1, 1];
            let factors: Vec<f32> = scaling.deviation.iter().map(|deviation| 1.0 / deviation).collect();
            let (mean, factors) = (scope.f32(&shape, &scaling.mean), scope.f32(&shape, &factors));
            let centered = scope.op("Sub", &[x, &mean]);
            scope.op("Mul", &[&centered, &factors])
        }
        InputScaling::Clip => {
            let of_channels = |scope: &mut Scope, x: &Value| {
                let mean = scope.reduce("ReduceMean", x, &[1, 2]);
                scope.unsqueezed(&mean, &[1, 2])
            };
            let mean = of_channels(scope, x);
            let centered = scope.op("Sub", &[x, &mean]);
            let squares = scope.op("Mul", &[&centered, &centered]);
            let variance = of_channels(scope, &squares);
            let deviation = scope.op("Sqrt", &[&variance]);
            let (least, one) = (scope.number(LEAST_DEVIATION), scope.number(1.0));
            let varies = scope.op("Greater", &[&deviation, &least]);
            let deviation = scope.op("Where", &[&varies, &deviation, &one]);
            scope.op("Div", &[&centered, &deviation])
        }
    }
}

/// Features that are at least as long as a window, and where the windows begin.
struct Cut {
    features: Value,
    /// `[windows]`.
    starts: Value,
    /// The length of a window, `[1]`.
    length: Value,
}

impl Cut {
    fn new(scope: &mut Scope, features: &Value, windows: &Windowing) -> Self {
        let frames = scope.size(features, 2);
        let [zero, one, whole] = [0, 1, windows.frames as i64].map(|value| scope.ints(&[value]));
        let length = match windows.least_frames {
            None => whole,
            Some(least) => {
                let least = scope.ints(&[least as i64]);
                let shorter = scope.op("Min", &[&frames, &whole]);
                scope.op("Max", &[&shorter, &least])
            }
        };
        let missing = scope.op("Sub", &[&length, &frames]);
        let missing = scope.op("Max", &[&missing, &zero]);
        let features = padded(scope, features, windows, [&frames, &missing]);
        let last = scope.op("Sub", &[&frames, &length]);
        let last = scope.op("Max", &[&last, &zero]);
        let hop = windows.hop.max(1) as i64;
        let count = scope.quotient_up(&last, hop);
        let count = scope.op("Add", &[&count, &one]);
        let numbers = scope.range(&count);
        let hop = scope.ints(&[hop]);
        let starts = scope.op("Mul", &[&numbers, &hop]);
        let starts = scope.op("Min", &[&starts, &last]);
        Self { features, starts, length }
    }
}

/// The features with what is `missing` around them.
fn padded(scope: &mut Scope, features: &Value, windows: &Windowing, [frames, missing]: [&Value; 2]) -> Value {
    let two = scope.ints(&[2]);
    let before = scope.op("Div", &[missing, &two]);
    if windows.padding == Padding::Zero {
        let zeros = scope.ints(&[0, 0]);
        let after = scope.op("Sub", &[missing, &before]);
        let pads = scope.on_axis("Concat", &[&zeros, &before, &zeros, &after], 0);
        let value = scope.number(windows.pad_value);
        return scope.op("Pad", &[features, &pads, &value]);
    }
    let count = scope.op("Add", &[frames, missing]);
    let numbers = scope.range(&count);
    let places = scope.op("Sub", &[&numbers, &before]);
    let source = match windows.padding {
        Padding::Reflect => mirrored(scope, &places, frames),
        Padding::Repeat | Padding::Zero => scope.op("Mod", &[&places, frames]),
    };
    scope.on_axis("Gather", &[features, &source], 2)
}
