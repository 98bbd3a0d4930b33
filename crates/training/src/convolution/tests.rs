//! A sweep over shapes: convolutions in bf16 are reproducible bit for bit, and equal those in f32
//! within rounding.

use super::*;
use crate::tensors::channels_last;
use earmark_nets::{Op, Variant, variants};

/// Shape of one trial.
#[derive(Clone, Copy, Debug)]
struct Trial {
    batch: i64,
    inputs: i64,
    outputs: i64,
    groups: i64,
    sides: [i64; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl Trial {
    fn window(&self) -> Window {
        let Self { kernel, stride, padding, .. } = *self;
        Window { kernel, stride, padding, ceil: false }
    }

    /// Multiplications for the output, which determine the time of a trial.
    fn cost(&self) -> i64 {
        let [rows, columns] = self.kernel.map(|side| side as i64);
        self.batch * self.outputs * self.inputs / self.groups * rows * columns * self.sides[0] * self.sides[1]
    }

    fn shape(&self) -> Shape {
        let [inputs, outputs, groups] = [self.inputs, self.outputs, self.groups].map(|count| count as usize);
        Shape { inputs, outputs, groups, window: self.window(), width: self.sides[1] as usize }
    }

    /// The output, and the gradients of weight, bias and input.
    fn compute(&self, arithmetic: Arithmetic) -> [Tensor; 4] {
        let [height, width] = self.sides;
        let [rows, columns] = self.kernel.map(|side| side as i64);
        let learned = |tensor: Tensor| channels_last(&tensor).unwrap().detach().set_requires_grad(true);
        let x = learned(noise(1, &[self.batch, self.inputs, height, width]));
        let weight = learned(noise(2, &[self.outputs, self.inputs / self.groups, rows, columns]));
        let bias = noise(3, &[self.outputs]).set_requires_grad(true);
        let out = convolution(&x, &weight, Some(&bias), self.window(), self.groups as usize, arithmetic).unwrap();
        let out = out.to_kind(Kind::Float);
        (&out * noise(4, &out.size())).sum(Kind::Float).backward();
        [out.detach(), weight.grad(), bias.grad(), x.grad()]
    }

    /// Faults of the bf16 results.
    fn faults(&self) -> Vec<String> {
        let exact = self.compute(Arithmetic::F32);
        let runs: Vec<[Tensor; 4]> = (0..3)
            .map(|_| {
                poison();
                self.compute(Arithmetic::Bf16)
            })
            .collect();
        let mut faults = Vec::new();
        for (at, what) in ["output", "weight's gradient", "bias's gradient", "input's gradient"].iter().enumerate() {
            let (first, exact) = (&runs[0][at], &exact[at]);
            // Infinity and NaN both fail the comparison below.
            let error = ((first - exact).abs().max() / (exact.abs().max() + 1e-6)).double_value(&[]);
            let is_near = error <= 0.03;
            if !is_near || runs.iter().any(|run| run[at] != *first) {
                faults.push(format!("{what} of {self:?}: {error:.1e}"));
            }
        }
        faults
    }
}

/// Numbers from -1 to 1.
fn noise(seed: i64, shape: &[i64]) -> Tensor {
    let mut draw = generator(seed as u64);
    let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| draw(65_536) as f32 / 32_768.0 - 1.0).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// Draws numbers below a limit.
fn generator(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

/// Returns freed blocks of many sizes to the allocator, filled with values that cannot be mistaken
/// for 0.
fn poison() {
    let full = |value: f64| {
        [16, 64, 256, 1024, 4096, 16_384, 65_536]
            .map(|n| [0; 4].map(|_| Tensor::full([n], value, (Kind::Float, Device::Cpu))))
    };
    drop([f64::NAN, 1e30].map(full));
}

/// The shapes on which bf16 failures were first observed: one column, a stride of 2, kernels larger
/// than 1.
fn narrow() -> Vec<Trial> {
    let mut trials = Vec::new();
    for height in 1..=32 {
        for kernel in [3, 5, 7] {
            for groups in [1, 2, 16] {
                let (kernel, stride, padding) = ([kernel; 2], [2; 2], [kernel / 2; 2]);
                trials.push(Trial {
                    batch: 3,
                    inputs: 16,
                    outputs: 16,
                    groups,
                    sides: [height, 1],
                    kernel,
                    stride,
                    padding,
                });
            }
        }
    }
    trials
}

/// Random shapes from the range that networks may have.
fn drawn(count: usize) -> Vec<Trial> {
    let mut draw = generator(7);
    let mut pick = |values: &[i64]| values[draw(values.len())];
    let mut trials = Vec::new();
    while trials.len() < count {
        let side = [1, 1, 1, 2, 2, 3, 4, 5, 7, 8, 10, 13, 16, 21, 32, 38];
        let sides = [pick(&side), pick(&side)];
        let square = pick(&[1, 1, 3, 3, 3, 5, 7]);
        let step = pick(&[1, 2]);
        let (kernel, stride) = match pick(&[0, 0, 0, 1, 2]) {
            0 => ([square; 2], [step; 2]),
            1 => ([1, pick(&[1, 3, 11, 51, 101])], [1, pick(&[1, 1, 2, 3, 5, 10])]),
            _ => ([pick(&[1, 2, 3, 5]), pick(&[1, 2, 3, 4, 15])], [pick(&[1, 1, 2, 4]), pick(&[1, 1, 2, 4])]),
        };
        let padding = if pick(&[0, 1, 1]) == 0 { [0; 2] } else { kernel.map(|side| side / 2) };
        let (inputs, outputs, groups) = match pick(&[0, 0, 1, 2, 3]) {
            0 => (pick(&[1, 3, 8, 12, 16, 20, 32, 40, 64]), pick(&[8, 12, 16, 24, 32, 64]), 1),
            1 => [(8, 8, 8), (12, 12, 12), (16, 16, 16), (24, 24, 24)][pick(&[0, 1, 2, 3]) as usize],
            2 => [(16, 16, 2), (32, 32, 8), (32, 64, 4), (64, 64, 32), (12, 24, 3)][pick(&[0, 1, 2, 3, 4]) as usize],
            _ => [(2, 16, 2), (4, 8, 4), (8, 64, 8)][pick(&[0, 1, 2]) as usize],
        };
        let [kernel, stride, padding] = [kernel, stride, padding].map(|pair| pair.map(|side| side as usize));
        let trial = Trial { batch: pick(&[1, 2, 3, 5, 8]), inputs, outputs, groups, sides, kernel, stride, padding };
        if trial.cost() < 4_000_000 && trial.window().output(sides.map(|side| side as usize)).is_some() {
            trials.push(trial);
        }
    }
    trials
}

#[test]
fn repeated_runs_give_the_same_bits_and_those_of_f32_within_rounding() {
    crate::set_threads(1);
    let trials = [narrow(), drawn(2000)].concat();
    let in_f32 = trials.iter().filter(|trial| !trial.shape().is_safe_in_bf16()).count();
    let has_bf16 = crate::device::arithmetic(crate::Precision::Auto, Device::Cpu).unwrap() == Arithmetic::Bf16;
    println!("{} shapes, {in_f32} of them in f32; this CPU has AVX512-BF16: {has_bf16}", trials.len());
    let faults: Vec<String> = trials.iter().flat_map(Trial::faults).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn what_is_not_computed_in_bf16() {
    let shape = |[inputs, outputs, groups]: [usize; 3], window, width| Shape { inputs, outputs, groups, window, width };
    let [dense, depthwise, multiplied] = [[16, 16, 1], [16, 16, 16], [4, 16, 4]];
    let row = |kernel, stride| Window::row(kernel, stride, kernel / 2);
    let cases = [
        (shape(dense, Window::square(3, 2, 1), 1), false),
        (shape(dense, Window::square(3, 2, 1), 2), true),
        (shape(dense, Window::square(3, 1, 1), 1), true),
        (shape(dense, Window::square(1, 2, 0), 1), true),
        (shape(dense, row(51, 5), 4), false),
        (shape(dense, row(51, 5), 5), true),
        // Strided 1x1 kernels with few channels.
        (shape([12, 16, 1], Window::square(1, 2, 0), 38), false),
        (shape([12, 16, 1], Window::square(1, 1, 0), 38), true),
        (shape([24, 16, 1], Window::square(1, 2, 0), 38), true),
        (shape([64, 64, 32], Window::square(1, 2, 0), 38), false),
        // The first layer of a network with one input channel is not depthwise.
        (shape([1, 16, 1], Window::square(7, 2, 3), 38), true),
        (shape(multiplied, Window::square(3, 1, 1), 38), false),
        (shape(depthwise, Window::square(3, 1, 1), 38), true),
        (shape(depthwise, row(13, 1), 38), true),
        (shape(depthwise, row(15, 1), 38), false),
    ];
    for (shape, expected) in cases {
        assert_eq!(shape.is_safe_in_bf16(), expected, "{shape:?}");
    }
}

/// The share of the multiplications in a network's convolutions that are not computed in bf16.
fn share_in_f32(variant: &Variant, frames: usize) -> f64 {
    let [batch, channels, bins, frames] = variant.example(2, frames);
    let graph = variant.graph(channels, 10);
    let shapes = graph.shapes([batch, channels, bins, frames]).unwrap();
    let (mut all, mut in_f32) = (0, 0);
    for (node, out) in graph.nodes().iter().zip(&shapes) {
        let Op::Conv2d { inputs, outputs, window, groups, .. } = node.op else { continue };
        let cost = inputs / groups * window.kernel[0] * window.kernel[1] * out.iter().product::<usize>();
        let shape = Shape { inputs, outputs, groups, window, width: shapes[node.inputs[0]][3] };
        all += cost;
        in_f32 += if shape.is_safe_in_bf16() { 0 } else { cost };
    }
    in_f32 as f64 / all as f64
}

#[test]
fn the_networks_of_the_registry_keep_bf16_on_crops_of_usual_length() {
    for variant in variants() {
        let share = share_in_f32(variant, 150);
        println!("{}: {:.2} %", variant.name, 100.0 * share);
        assert!(share < 0.01, "{}: {share}", variant.name);
    }
}
