//! The interpreter that runs without an engine: shapes, parameters, FLOPs.

use crate::graph::{Graph, Initialization, Node, Op, Window};

/// An input that a network cannot take.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// A network for another kind of input.
    #[error("{network} takes {takes}, not {given}")]
    Unfit {
        /// The network.
        network: &'static str,
        /// A description of the input that it takes.
        takes: String,
        /// A description of the given input.
        given: String,
    },
    /// Fewer than two classes.
    #[error("a network needs at least 2 classes, not {classes}")]
    Classes {
        /// The number of classes.
        classes: usize,
    },
    /// The number of channels differs from the one that the network was built for.
    #[error("the features have {given} channel{}, and the network takes {expected}",
        if *given == 1 { "" } else { "s" })]
    Channels {
        /// The number of channels that the network takes.
        expected: usize,
        /// The given number of channels.
        given: usize,
    },
    /// The input of a layer would be smaller than its window.
    #[error("the input is too small: {path} would get {height}x{width}")]
    TooSmall {
        /// The layer.
        path: String,
        /// Height of its input.
        height: usize,
        /// Width of its input.
        width: usize,
    },
    /// The shapes of two branches do not match; a bug in the architecture's file.
    #[error("{path} cannot work on inputs of shapes {shapes:?}")]
    Mismatch {
        /// The layer.
        path: String,
        /// The shapes of its inputs.
        shapes: Vec<Vec<usize>>,
    },
}

/// The role of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Learned by gradient.
    Learned,
    /// Batch norm's running statistics: updated, not learned.
    Statistic,
}

/// The initialization of a parameter when a network is trained from scratch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with mean 0 and this deviation.
    Normal(f64),
    /// Uniform between minus and plus this bound.
    Uniform(f64),
    /// All values are this constant.
    Constant(f32),
}

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in timm and torchvision, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Learned parameter or running statistic.
    pub role: Role,
    /// Its initialization.
    pub init: Init,
}

impl Parameter {
    /// The number of values; saturates at the largest `usize`.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |product: usize, &side| product.saturating_mul(side))
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Node {
    /// The node's parameters, in torch's order.
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameter = |name: &str, shape: Vec<usize>, role, init| Parameter {
            name: format!("{}.{name}", self.path),
            shape,
            role,
            init,
        };
        use Role::{Learned, Statistic};
        // The fan-in and fan-out of a layer; for the fan-out, torch counts all outputs and ignores
        // groups.
        let init = |fan_in: f64, fan_out: f64| match self.initialization {
            Initialization::Glorot => Init::Uniform((6.0 / (fan_in + fan_out)).sqrt()),
            Initialization::He | Initialization::Mobile if matches!(self.op, Op::Conv2d { .. }) => {
                Init::Normal((2.0 / fan_out).sqrt())
            }
            Initialization::Mobile => Init::Normal(0.01),
            Initialization::He | Initialization::Torch => Init::Uniform(1.0 / fan_in.sqrt()),
        };
        let bias_init = |fan_in: f64| match self.initialization {
            Initialization::Glorot | Initialization::Mobile => Init::Constant(0.0),
            Initialization::He | Initialization::Torch => Init::Uniform(1.0 / fan_in.sqrt()),
        };
        match self.op {
            Op::Conv2d { inputs, outputs, window, groups, bias } => {
                let [height, width] = window.kernel;
                let area = (height * width) as f64;
                let (fan_in, fan_out) = ((inputs / groups) as f64 * area, outputs as f64 * area);
                let shape = vec![outputs, inputs / groups, height, width];
                let weight = parameter("weight", shape, Learned, init(fan_in, fan_out));
                let bias = bias.then(|| parameter("bias", vec![outputs], Learned, bias_init(fan_in)));
                [weight].into_iter().chain(bias).collect()
            }
            Op::BatchNorm { channels, .. } => {
                vec![
                    parameter("weight", vec![channels], Learned, Init::Constant(1.0)),
                    parameter("bias", vec![channels], Learned, Init::Constant(0.0)),
                    parameter("running_mean", vec![channels], Statistic, Init::Constant(0.0)),
                    parameter("running_var", vec![channels], Statistic, Init::Constant(1.0)),
                ]
            }
            Op::Linear { inputs, outputs } => {
                vec![
                    parameter("weight", vec![outputs, inputs], Learned, init(inputs as f64, outputs as f64)),
                    parameter("bias", vec![outputs], Learned, bias_init(inputs as f64)),
                ]
            }
            Op::RbfKernel { inputs, centres } => {
                vec![parameter("centres", vec![centres, inputs], Learned, init(inputs as f64, centres as f64))]
            }
            _ => Vec::new(),
        }
    }

    fn shape(&self, inputs: &[&Vec<usize>], input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let mismatch = || ShapeError::Mismatch {
            path: self.path.clone(),
            shapes: inputs.iter().map(|shape| shape.to_vec()).collect(),
        };
        if let Op::Input { channels, bins } = self.op {
            return match input.get(1) {
                Some(_) if bins.is_some_and(|bins| input.get(2) != Some(&bins)) => {
                    Err(ShapeError::Mismatch { path: self.path.clone(), shapes: vec![input.to_vec()] })
                }
                Some(&given) if given == channels && input.len() == 4 => Ok(input.to_vec()),
                given => Err(ShapeError::Channels { expected: channels, given: given.copied().unwrap_or(0) }),
            };
        }
        let first = inputs.first().map_or(&[] as &[usize], |shape| shape.as_slice());
        if let (
            Op::Linear { inputs: features, outputs } | Op::RbfKernel { inputs: features, centres: outputs },
            &[batch, given],
        ) = (self.op, first)
        {
            return if given == features { Ok(vec![batch, outputs]) } else { Err(mismatch()) };
        }
        if matches!(self.op, Op::Relu | Op::Sigmoid | Op::HardSwish) {
            return Ok(first.to_vec());
        }
        if let (Op::Unflatten, &[batch, channels]) = (self.op, first) {
            return Ok(vec![batch, channels, 1, 1]);
        }
        let &[batch, channels, height, width] = first else { return Err(mismatch()) };
        let windows = |channels: usize, window: Window| match window.output([height, width]) {
            Some([height, width]) => Ok(vec![batch, channels, height, width]),
            None => Err(ShapeError::TooSmall { path: self.path.clone(), height, width }),
        };
        let fits = |fits: bool, shape: Vec<usize>| if fits { Ok(shape) } else { Err(mismatch()) };
        match self.op {
            Op::Conv2d { inputs, outputs, window, .. } if inputs == channels => windows(outputs, window),
            Op::Conv2d { .. }
            | Op::Input { .. }
            | Op::Linear { .. }
            | Op::RbfKernel { .. }
            | Op::Relu
            | Op::Sigmoid
            | Op::HardSwish
            | Op::Unflatten => Err(mismatch()),
            Op::MaxPool2d(window) | Op::AvgPool2d(window) => windows(channels, window),
            Op::BatchNorm { channels: expected, .. } => fits(expected == channels, first.to_vec()),
            Op::GlobalAvgPool => Ok(vec![batch, channels, 1, 1]),
            Op::MeanOverHeight => Ok(vec![batch, channels, 1, width]),
            Op::MeanOverWidth | Op::MaxOverWidth => Ok(vec![batch, channels, height, 1]),
            Op::Flatten => fits([height, width] == [1, 1], vec![batch, channels]),
            Op::Add => fits(inputs[1..].iter().all(|other| *other == first), first.to_vec()),
            Op::Mul => {
                let each = [batch, channels, 1, 1];
                fits(inputs[1..].iter().all(|other| *other == first || **other == each), first.to_vec())
            }
            Op::Concat => {
                let same =
                    |other: &&Vec<usize>| matches!(***other, [b, _, h, w] if [b, h, w] == [batch, height, width]);
                let channels = inputs.iter().filter_map(|shape| shape.get(1)).sum();
                fits(inputs.iter().all(same), vec![batch, channels, height, width])
            }
            Op::Slice { start, end } => {
                fits(start < end && end <= channels, vec![batch, end.saturating_sub(start), height, width])
            }
            Op::Permute(order) => Ok(order.map(|from| first[from]).to_vec()),
            Op::Pad { before, after } => Ok(vec![batch, channels, height, before + width + after]),
        }
    }
}

impl Graph {
    /// The shape of each node's output for an input `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// A wrong number of channels, or an input that is too small for a layer.
    pub fn shapes(&self, input: [usize; 4]) -> Result<Vec<Vec<usize>>, ShapeError> {
        let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let inputs: Vec<&Vec<usize>> = node.inputs.iter().map(|&id| &shapes[id]).collect();
            let shape = node.shape(&inputs, &input)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// All parameters, including batch norm's statistics, in the order of the nodes.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.nodes().iter().flat_map(Node::parameters).collect()
    }

    /// The number of learned values, which papers and torchvision call the parameters. Like the
    /// FLOPs, it saturates at the largest integer.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.parameters();
        let learned = parameters.iter().filter(|parameter| parameter.role == Role::Learned);
        learned.map(Parameter::len).fold(0, usize::saturating_add)
    }

    /// FLOPs of one forward pass, counted as in fvcore and the papers: a multiplication and its
    /// addition count as one, and only convolutions and linear layers count; the rest is below 1 %.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn flops(&self, input: [usize; 4]) -> Result<u64, ShapeError> {
        let shapes = self.shapes(input)?;
        let per_node = self.nodes().iter().zip(&shapes).map(|(node, shape)| {
            let each = match node.op {
                Op::Conv2d { inputs, window: Window { kernel: [height, width], .. }, groups, .. } => {
                    (inputs / groups).saturating_mul(height * width)
                }
                Op::Linear { inputs, .. } | Op::RbfKernel { inputs, .. } => inputs,
                _ => 0,
            };
            shape.iter().fold(each as u64, |product, &side| product.saturating_mul(side as u64))
        });
        Ok(per_node.fold(0, u64::saturating_add))
    }
}
