//! The interpreter that needs no engine: shapes, parameters, FLOPs.

use crate::graph::{Graph, Node, Op};

/// An input that a network cannot take.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ShapeError {
    /// Not the channels that the network was built for.
    #[error("the network takes {expected} channels, not {given}")]
    Channels {
        /// What the network takes.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// A layer would have nothing left to look at.
    #[error("the input is too small: {path} would get {height}x{width}")]
    TooSmall {
        /// The layer.
        path: String,
        /// Height of its input.
        height: usize,
        /// Width of its input.
        width: usize,
    },
    /// Two branches that do not fit; a fault of the architecture's file.
    #[error("{path} cannot work on inputs of shapes {shapes:?}")]
    Mismatch {
        /// The layer.
        path: String,
        /// What it was given.
        shapes: Vec<Vec<usize>>,
    },
}

/// What a parameter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Learned by gradient.
    Learned,
    /// Batch norm's running statistics: followed, not learned.
    Statistic,
}

/// How a parameter starts when a network is trained from scratch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Normal with mean 0 and this deviation (He et al. 2015, fan out, as torchvision and timm).
    Normal(f64),
    /// Uniform in plus or minus this bound (torch's default for linear layers).
    Uniform(f64),
    /// All the same.
    Constant(f32),
}

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in timm and torchvision, such as `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Learned or followed.
    pub role: Role,
    /// How it starts.
    pub init: Init,
}

impl Parameter {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds nothing.
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
        match self.op {
            Op::Conv2d { inputs, outputs, kernel, groups, .. } => {
                // torch counts all outputs, whatever the groups.
                let fan_out = (outputs * kernel * kernel) as f64;
                let shape = vec![outputs, inputs / groups, kernel, kernel];
                vec![parameter("weight", shape, Learned, Init::Normal((2.0 / fan_out).sqrt()))]
            }
            Op::BatchNorm { channels } => {
                vec![
                    parameter("weight", vec![channels], Learned, Init::Constant(1.0)),
                    parameter("bias", vec![channels], Learned, Init::Constant(0.0)),
                    parameter("running_mean", vec![channels], Statistic, Init::Constant(0.0)),
                    parameter("running_var", vec![channels], Statistic, Init::Constant(1.0)),
                ]
            }
            Op::Linear { inputs, outputs } => {
                let bound = 1.0 / (inputs as f64).sqrt();
                vec![
                    parameter("weight", vec![outputs, inputs], Learned, Init::Uniform(bound)),
                    parameter("bias", vec![outputs], Learned, Init::Uniform(bound)),
                ]
            }
            Op::Input { .. } | Op::Relu | Op::MaxPool2d { .. } | Op::GlobalAvgPool | Op::Add => Vec::new(),
        }
    }

    fn shape(&self, inputs: &[&Vec<usize>], input: &[usize]) -> Result<Vec<usize>, ShapeError> {
        let mismatch = || ShapeError::Mismatch {
            path: self.path.clone(),
            shapes: inputs.iter().map(|shape| shape.to_vec()).collect(),
        };
        let x = inputs.first().map_or(&[] as &[usize], |shape| shape.as_slice());
        let window = |channels: usize, kernel: usize, stride: usize, padding: usize| match *x {
            [batch, _, height, width] => {
                let side = |size: usize| (size + 2 * padding).checked_sub(kernel).map(|rest| rest / stride + 1);
                match (side(height), side(width)) {
                    (Some(h), Some(w)) if height > 0 && width > 0 => Ok(vec![batch, channels, h, w]),
                    _ => Err(ShapeError::TooSmall { path: self.path.clone(), height, width }),
                }
            }
            _ => Err(mismatch()),
        };
        match self.op {
            Op::Input { channels } => match input.get(1) {
                Some(&given) if given == channels && input.len() == 4 => Ok(input.to_vec()),
                given => Err(ShapeError::Channels { expected: channels, given: given.copied().unwrap_or(0) }),
            },
            Op::Conv2d { outputs, kernel, stride, padding, .. } => window(outputs, kernel, stride, padding),
            Op::MaxPool2d { kernel, stride, padding } => {
                window(x.get(1).copied().unwrap_or(0), kernel, stride, padding)
            }
            Op::BatchNorm { .. } | Op::Relu => Ok(x.to_vec()),
            Op::GlobalAvgPool => x.get(..2).map(<[usize]>::to_vec).ok_or_else(mismatch),
            Op::Linear { inputs: features, outputs } => match *x {
                [batch, given] if given == features => Ok(vec![batch, outputs]),
                _ => Err(mismatch()),
            },
            Op::Add => match inputs {
                [a, b] if a == b => Ok(a.to_vec()),
                _ => Err(mismatch()),
            },
        }
    }
}

impl Graph {
    /// The shape of each node's output for an input `[batch, channels, height, width]`.
    ///
    /// # Errors
    /// Wrong number of channels, or an input too small for a layer.
    pub fn shapes(&self, input: [usize; 4]) -> Result<Vec<Vec<usize>>, ShapeError> {
        let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let inputs: Vec<&Vec<usize>> = node.inputs.iter().map(|&id| &shapes[id]).collect();
            let shape = node.shape(&inputs, &input)?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// All parameters, batch norm's statistics among them, in the order of the nodes.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.nodes().iter().flat_map(Node::parameters).collect()
    }

    /// The number of learned values: what papers and torchvision call the parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().filter(|parameter| parameter.role == Role::Learned).map(Parameter::len).sum()
    }

    /// FLOPs of one forward pass, counted as fvcore and the papers do: one for a multiplication with its addition, in
    /// convolutions and linear layers; the rest is below 1 %.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn flops(&self, input: [usize; 4]) -> Result<u64, ShapeError> {
        let shapes = self.shapes(input)?;
        let per_node = self.nodes().iter().zip(&shapes).map(|(node, shape)| {
            let outputs: usize = shape.iter().product();
            let each = match node.op {
                Op::Conv2d { inputs, kernel, groups, .. } => inputs / groups * kernel * kernel,
                Op::Linear { inputs, .. } => inputs,
                _ => 0,
            };
            outputs as u64 * each as u64
        });
        Ok(per_node.sum())
    }
}
