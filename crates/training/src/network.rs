//! The libtorch interpreter of a graph: owns the parameters, their precision and their memory
//! format.

use std::collections::BTreeMap;

use earmark_nets::{Graph, Node, Op, Parameter, Role, Weights, Window};
use tch::{Device, Kind, Tensor};

use crate::arithmetic::Arithmetic;
use crate::convolution::convolution;
use crate::device::parse_device;
use crate::engine::settings;
use crate::error::TrainingError;
use crate::flat::Layout;
use crate::long;
use crate::loss::cross_entropy;
use crate::settings::Freeze;
use crate::tensors::{channels_last, values};

/// The layouts of a network's parameters.
pub(crate) struct Layouts {
    pub learned: Layout,
    pub statistics: Layout,
}

/// A graph with its parameters on a device.
pub(crate) struct Network<'a> {
    graph: &'a Graph,
    /// Views of the next three.
    parameters: Vec<(Parameter, Tensor)>,
    /// The kernels of convolutions in bf16, on a GPU that computes in it: one conversion for all of
    /// them instead of one for each, and likewise for their gradients.
    half: Option<Tensor>,
    learned: Tensor,
    statistics: Tensor,
    layouts: Layouts,
    /// The index of each node's first parameter.
    first: Vec<usize>,
    last_uses: Vec<usize>,
    /// What training leaves as it is.
    freeze: Freeze,
    device: Device,
    arithmetic: Arithmetic,
    /// The memory format of images and of the kernels of convolutions.
    is_channels_last: bool,
}

/// What a forward pass is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    Prediction,
    /// Batch norm uses the batch's statistics and updates its running statistics.
    Training {
        /// The factors of the last layer's inputs, `[batch, features]`.
        dropout: Option<&'a Tensor>,
    },
}

impl<'a> Network<'a> {
    /// A network with the given weights.
    pub fn new(
        graph: &'a Graph,
        weights: &Weights,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, TrainingError> {
        let is_channels_last = !device.is_cuda() || settings().channels_last;
        let has_half = device.is_cuda() && arithmetic == Arithmetic::Bf16;
        Self::in_format(graph, weights, device, arithmetic, is_channels_last, has_half)
    }

    fn in_format(
        graph: &'a Graph,
        weights: &Weights,
        device: Device,
        arithmetic: Arithmetic,
        is_channels_last: bool,
        has_half: bool,
    ) -> Result<Self, TrainingError> {
        weights.check(graph)?;
        let layout = |role| Layout::new(graph, role, is_channels_last);
        let layouts = Layouts { learned: layout(Role::Learned), statistics: layout(Role::Statistic) };
        let learned = layouts.learned.flat(weights, arithmetic.kind(), device)?;
        let statistics = layouts.statistics.flat(weights, arithmetic.kind(), device)?;
        let half = match has_half {
            true => Some(layouts.learned.kernels(&learned)?.f_to_kind(Kind::BFloat16)?),
            false => None,
        };
        let learned_views = layouts.learned.views(&learned, half.as_ref())?;
        let mut views = [learned_views.into_iter(), layouts.statistics.views(&statistics, None)?.into_iter()];
        let (mut parameters, mut first) = (Vec::new(), Vec::new());
        for node in graph.nodes() {
            first.push(parameters.len());
            for parameter in node.parameters() {
                let is_learned = parameter.role == Role::Learned;
                let view = views[usize::from(!is_learned)].next();
                let view = view.ok_or_else(|| TrainingError::Torch("a parameter without a place".to_owned()))?;
                parameters.push((parameter, view.f_set_requires_grad(is_learned)?));
            }
        }
        let last_uses = graph.last_uses();
        Ok(Self {
            graph,
            parameters,
            half,
            learned,
            statistics,
            layouts,
            first,
            last_uses,
            freeze: Freeze::None,
            device,
            arithmetic,
            is_channels_last,
        })
    }

    /// Leaves a part of the network as it is in training.
    pub fn freeze(mut self, freeze: Freeze) -> Result<Self, TrainingError> {
        self.freeze = freeze;
        if freeze == Freeze::Body {
            let body = self.first.get(self.graph.body_nodes()).copied().unwrap_or(self.parameters.len());
            for (_, tensor) in &mut self.parameters[..body] {
                *tensor = tensor.f_set_requires_grad(false)?;
            }
        }
        Ok(self)
    }

    /// The learned parameters and the statistics, each in one tensor, of which the network's are
    /// views.
    pub fn tensors(&self) -> [&Tensor; 2] {
        [&self.learned, &self.statistics]
    }

    /// The layouts of these tensors.
    pub fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    /// The gradient of a loss by the learned parameters, in one tensor; zero for frozen ones.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, TrainingError> {
        let learned = self.parameters.iter().filter(|(parameter, _)| parameter.role == Role::Learned);
        let learned: Vec<&Tensor> = learned.map(|(_, tensor)| tensor).collect();
        let followed: Vec<&Tensor> = learned.iter().copied().filter(|tensor| tensor.requires_grad()).collect();
        let mut followed = Tensor::f_run_backward(&[loss], &followed, false, false)?.into_iter();
        let of = |tensor: &&Tensor| if tensor.requires_grad() { followed.next() } else { None }.unwrap_or_default();
        let gradients: Vec<Tensor> = learned.iter().map(of).collect();
        let _guard = tch::no_grad_guard();
        self.layouts.learned.flatten(&gradients, self.arithmetic.kind(), self.device)
    }

    /// The current parameters and statistics.
    pub fn weights(&self) -> Result<Weights, TrainingError> {
        let mut weights = self.layouts.learned.arrays(&self.learned)?;
        weights.0.extend(self.layouts.statistics.arrays(&self.statistics)?.0);
        Ok(weights)
    }

    /// Logits `[batch, classes]` of an input `[batch, channels, bins, frames]`.
    pub fn forward(&self, input: &Tensor, purpose: Purpose<'_>) -> Result<Tensor, TrainingError> {
        let kind = self.arithmetic.kind();
        let (is_training, dropout) = match purpose {
            Purpose::Prediction => (false, None),
            Purpose::Training { dropout } => (true, dropout),
        };
        let last_layer = self.graph.last_layer();
        if let (Some(half), true) = (&self.half, is_training) {
            // The last step has changed them.
            let _guard = tch::no_grad_guard();
            half.shallow_clone().f_copy_(&self.layouts.learned.kernels(&self.learned)?)?;
        }
        let mut values: Vec<Option<Tensor>> = Vec::with_capacity(self.graph.nodes().len());
        for (id, node) in self.graph.nodes().iter().enumerate() {
            let value = {
                let inputs: Vec<&Tensor> = node.inputs.iter().filter_map(|&input| values[input].as_ref()).collect();
                match inputs[..] {
                    [] => {
                        let input = input.f_to_device(self.device)?.f_to_kind(kind)?;
                        if self.is_channels_last { channels_last(&input)? } else { input.f_contiguous()? }
                    }
                    [x] if dropout.is_some() && last_layer == Some(id) => {
                        self.node(id, node, &[&dropped_out(x, dropout)?], is_training)?
                    }
                    _ => self.node(id, node, &inputs, is_training)?,
                }
            };
            values.push(Some(value));
            for &input in &node.inputs {
                if self.last_uses[input] == id {
                    values[input] = None;
                }
            }
        }
        values.pop().flatten().ok_or_else(|| TrainingError::Torch("a network without nodes".to_owned()))
    }

    fn node(&self, id: usize, node: &Node, inputs: &[&Tensor], is_training: bool) -> Result<Tensor, TrainingError> {
        let parameter = |index: usize| &self.parameters[self.first[id] + index].1;
        let x = inputs[0];
        let pair = |pair: [usize; 2]| pair.map(|side| side as i64);
        let kind = self.arithmetic.kind();
        let value = match node.op {
            Op::Input { .. } => x.shallow_clone(),
            Op::Conv2d { window, groups, bias, .. } => {
                let bias = bias.then(|| parameter(1));
                convolution(x, parameter(0), bias, window, groups, self.arithmetic)?
            }
            Op::BatchNorm { eps, momentum, .. } => {
                let parameters = [0, 1, 2, 3].map(parameter);
                let is_fixed = self.freeze != Freeze::None && id < self.graph.body_nodes();
                if is_training && !is_fixed {
                    long::batch_norm(x, parameters, momentum, eps)?
                } else {
                    let [scale, shift, mean, variance] = parameters.map(Some);
                    x.f_batch_norm(scale, shift, mean, variance, false, momentum, eps, true)?
                }
            }
            Op::Relu => x.f_relu()?,
            Op::Sigmoid => x.f_sigmoid()?,
            Op::HardSwish => x.f_hardswish()?,
            Op::MaxPool2d(Window { kernel: [1, pool], stride: [1, step], padding: [0, 0], ceil: false })
                if pool == step && x.device().is_cuda() && long::is_row(x) =>
            {
                long::max_pool_row(x, pool as i64)?
            }
            Op::MaxPool2d(window) => {
                let (kernel, stride, padding) = (pair(window.kernel), pair(window.stride), pair(window.padding));
                x.f_max_pool2d(kernel, stride, padding, [1, 1], window.ceil)?
            }
            Op::AvgPool2d(window) => {
                let (kernel, stride, padding) = (pair(window.kernel), pair(window.stride), pair(window.padding));
                x.f_avg_pool2d(kernel, stride, padding, window.ceil, true, None)?
            }
            Op::GlobalAvgPool => x.f_mean_dim([2i64, 3].as_slice(), true, kind)?,
            Op::MeanOverHeight => x.f_mean_dim([2i64].as_slice(), true, kind)?,
            Op::MeanOverWidth => x.f_mean_dim([3i64].as_slice(), true, kind)?,
            Op::MaxOverWidth => x.f_max_dim(3, true)?.0,
            Op::Flatten => x.f_flatten(1, -1)?.f_to_kind(kind)?,
            Op::Unflatten => x.f_unsqueeze(-1)?.f_unsqueeze(-1)?,
            Op::RbfKernel { .. } => rbf_kernel(x, parameter(0))?,
            Op::Linear { .. } => x.f_linear(parameter(0), Some(parameter(1)))?,
            Op::Add => x.f_add(inputs[1])?,
            Op::Mul => x.f_mul(inputs[1])?,
            Op::Concat => Tensor::f_cat(inputs, 1)?,
            Op::Slice { start, end } => x.f_narrow(1, start as i64, (end - start) as i64)?,
            Op::Permute(order) => x.f_permute(order.map(|from| from as i64))?,
            Op::Pad { before, after } => x.f_constant_pad_nd([before as i64, after as i64])?,
        };
        Ok(value)
    }
}

/// The inputs of a layer, `[batch, features]` or with two dimensions more, times the factors of
/// dropout.
fn dropped_out(x: &Tensor, factors: Option<&Tensor>) -> Result<Tensor, TrainingError> {
    let Some(factors) = factors else { return Ok(x.shallow_clone()) };
    let mut shape = factors.size();
    shape.resize(x.dim(), 1);
    Ok(x.f_mul(&factors.f_reshape(shape)?.f_to_kind(x.kind())?)?)
}

/// `exp(-|x - centre|^2)` of each row of `x`, `[rows, features]`, and each of `centres`,
/// `[centres, features]`.
pub(crate) fn rbf_kernel(x: &Tensor, centres: &Tensor) -> Result<Tensor, TrainingError> {
    let squares = |of: &Tensor| of.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, of.kind());
    // Computed in place: with many clips, the matrix is large.
    let mut near = x.f_matmul(&centres.f_tr()?)?;
    let _ = near.f_mul_scalar_(2.0)?;
    let _ = near.f_sub_(&squares(centres)?.f_tr()?)?;
    let _ = near.f_sub_(&squares(x)?)?;
    Ok(near.f_exp_()?)
}

/// Logits of a graph by libtorch, on a device (`cpu`, `cuda:0`). On the CPU in `f32`, this is the
/// reference that tests compare the other interpreters with.
///
/// # Shape
/// `input`: `shape` = `[batch, channels, bins, frames]`, row-major; out: `[batch, classes]`.
///
/// # Errors
/// Weights that do not fit the graph, or an input that it cannot take.
pub fn evaluate(
    graph: &Graph,
    weights: &Weights,
    input: &[f32],
    shape: [usize; 4],
    arithmetic: Arithmetic,
    device: &str,
) -> Result<Vec<f32>, TrainingError> {
    let network = Network::new(graph, weights, parse_device(device)?, arithmetic)?;
    let input = Tensor::f_from_slice(input)?.f_reshape(shape.map(|side| side as i64))?;
    let _guard = tch::no_grad_guard();
    values(&network.forward(&input, Purpose::Prediction)?)
}

/// The result of [`gradients`]: one training step without the optimizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// Mean cross-entropy of the batch.
    pub loss: f32,
    /// The gradient of the loss, by the names of the learned parameters.
    pub gradients: BTreeMap<String, earmark_nets::Array>,
    /// The weights, with batch norm's statistics updated by the batch.
    pub weights: Weights,
}

/// Loss and gradients of a batch by libtorch on a device: for tests, by the same code as training.
///
/// # Shape
/// `input`: `shape` = `[batch, channels, bins, frames]`, row-major; `targets`: `[batch, classes]`,
/// each row sums to 1.
///
/// # Errors
/// As [`evaluate`], or targets of another shape.
pub fn gradients(
    graph: &Graph,
    weights: &Weights,
    input: &[f32],
    shape: [usize; 4],
    targets: &[f32],
    arithmetic: Arithmetic,
    device: &str,
) -> Result<Gradients, TrainingError> {
    let network = Network::new(graph, weights, parse_device(device)?, arithmetic)?;
    let input = Tensor::f_from_slice(input)?.f_reshape(shape.map(|side| side as i64))?;
    let targets = Tensor::f_from_slice(targets)?.f_reshape([shape[0] as i64, graph.classes() as i64])?;
    let targets = targets.f_to_device(network.device)?;
    let loss = cross_entropy(&network.forward(&input, Purpose::Training { dropout: None })?, &targets, None)?;
    let gradients = network.layouts.learned.arrays(&network.gradient(&loss)?)?.0;
    Ok(Gradients { loss: loss.f_double_value(&[])? as f32, gradients, weights: network.weights()? })
}

/// Sets the number of threads that libtorch uses for computations, whichever thread calls it.
pub fn set_threads(threads: usize) {
    tch::set_num_threads(threads.max(1) as i32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::initial_weights;

    const TRAINING: Purpose = Purpose::Training { dropout: None };

    #[test]
    fn the_memory_format_changes_no_value() {
        for name in ["seresnext_nano", "dpn_nano", "wave_resnet_nano"] {
            let variant = earmark_nets::find(name).unwrap();
            let graph = variant.graph(variant.channels(), 3);
            let weights = initial_weights(&graph, 1, &[]);
            let shape = variant.example(4, 32).map(|side| side as i64);
            let input = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
            let input = input.sin().reshape(shape);
            let targets = Tensor::full([4, 3], 1.0 / 3.0, (Kind::Double, Device::Cpu));
            let [last, first] = [true, false].map(|is_channels_last| {
                let network =
                    Network::in_format(&graph, &weights, Device::Cpu, Arithmetic::F64, is_channels_last, false);
                let network = network.unwrap();
                let logits = network.forward(&input, TRAINING).unwrap();
                let loss = cross_entropy(&logits, &targets, None).unwrap();
                let gradient = network.gradient(&loss).unwrap();
                (loss.double_value(&[]), network.layouts.learned.arrays(&gradient).unwrap())
            });
            assert!((last.0 - first.0).abs() < 1e-9, "{name}");
            for (name, array) in &last.1.0 {
                for (last, first) in array.data.iter().zip(&first.1.0[name].data) {
                    assert!((last - first).abs() <= 1e-6 * first.abs().max(1.0), "{name}: {last}, not {first}");
                }
            }
        }
    }

    #[test]
    fn kernels_that_are_converted_together_give_the_same_bits() {
        for name in ["resnet_nano", "dpn_nano", "wave_resnext_nano"] {
            let variant = earmark_nets::find(name).unwrap();
            let graph = variant.graph(variant.channels(), 3);
            let weights = initial_weights(&graph, 1, &[]);
            let shape = variant.example(4, 64).map(|side| side as i64);
            let input = Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu)).sin().reshape(shape);
            let targets = Tensor::full([4, 3], 1.0 / 3.0, (Kind::Float, Device::Cpu));
            let [together, each] = [true, false].map(|has_half| {
                let network =
                    Network::in_format(&graph, &weights, Device::Cpu, Arithmetic::Bf16, true, has_half).unwrap();
                (0..2)
                    .map(|_| {
                        let logits = network.forward(&input, TRAINING).unwrap();
                        let loss = cross_entropy(&logits, &targets, None).unwrap();
                        let gradient = network.gradient(&loss).unwrap();
                        let _guard = tch::no_grad_guard();
                        let _ = network.learned.shallow_clone().f_sub_(&(&gradient * 0.1)).unwrap();
                        (loss.double_value(&[]), network.weights().unwrap())
                    })
                    .collect::<Vec<_>>()
            });
            assert!(together[0].0 != together[1].0, "{name}: a step changes the loss");
            assert!(together == each, "{name}: {} and {}", together[1].0, each[1].0);
        }
    }
}
