//! The graph: the operations of a network, their order and their names.

use std::collections::BTreeMap;

/// The index of a node in its [`Graph`].
pub type NodeId = usize;

/// The windows of a convolution or pooling layer; each pair is for height and width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// Padding on each side: zeros for a convolution, negative infinity for a maximum.
    pub padding: [usize; 2],
    /// Whether a last window that starts inside and ends outside the input counts (torch's
    /// `ceil_mode`, for pooling).
    pub ceil: bool,
}

impl Window {
    /// A square window.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], ceil: false }
    }

    /// A window of height 1, for one-dimensional convolutions and pooling.
    pub const fn row(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [1, kernel], stride: [1, stride], padding: [0, padding], ceil: false }
    }

    /// Height and width of the output; `None` if the input is smaller than one window.
    pub fn output(&self, sides: [usize; 2]) -> Option<[usize; 2]> {
        let side = |at: usize| {
            let (size, stride, padding) = (sides[at], self.stride[at], self.padding[at]);
            let rest = (size + 2 * padding).checked_sub(self.kernel[at]).filter(|_| size > 0)?;
            let windows = rest / stride + 1;
            // A window that would start in the padding after the input does not count.
            let one_more = self.ceil && rest % stride != 0 && windows * stride < size + padding;
            Some(windows + usize::from(one_more))
        };
        Some([side(0)?, side(1)?])
    }
}

/// The operation of a node. Arrays are `[batch, channels, height, width]` (height: bins, width:
/// frames) until [`Op::Flatten`] makes them `[batch, channels]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The network's input.
    Input {
        /// Number of channels: 3 for features with deltas, 1 for the wave.
        channels: usize,
        /// Number of bins, if the network accepts only one number.
        bins: Option<usize>,
    },
    /// Two-dimensional convolution.
    Conv2d {
        /// Input channels.
        inputs: usize,
        /// Output channels.
        outputs: usize,
        /// Its windows.
        window: Window,
        /// Number of groups; channels of different groups are not connected.
        groups: usize,
        /// Whether each output channel has a bias. A bias before a batch norm has no effect.
        bias: bool,
    },
    /// Batch normalization over all dimensions except the channels.
    BatchNorm {
        /// Channels.
        channels: usize,
        /// Constant added to the variance.
        eps: f64,
        /// The weight of the new batch in the running statistics.
        momentum: f64,
    },
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
    /// Maximum of each window.
    MaxPool2d(Window),
    /// Mean of each window, which must have no padding.
    AvgPool2d(Window),
    /// Mean over height and width: `[batch, channels, 1, 1]`.
    GlobalAvgPool,
    /// Mean over the height: `[batch, channels, 1, width]`.
    MeanOverHeight,
    /// Mean over the width: `[batch, channels, height, 1]`.
    MeanOverWidth,
    /// Maximum over the width: `[batch, channels, height, 1]`.
    MaxOverWidth,
    /// `[batch, channels, 1, 1]` becomes `[batch, channels]`.
    Flatten,
    /// `[batch, channels]` becomes `[batch, channels, 1, 1]`.
    Unflatten,
    /// Fully connected layer with bias.
    Linear {
        /// Input features.
        inputs: usize,
        /// Output features.
        outputs: usize,
    },
    /// `exp(-|x - centre|^2)` of each row of `[batch, inputs]` and each center: `[batch, centres]`.
    RbfKernel {
        /// Input features.
        inputs: usize,
        /// Output features.
        centres: usize,
    },
    /// Sum of two arrays of the same shape.
    Add,
    /// Product of an array and one of the same shape, or of the shape `[batch, channels, 1, 1]`.
    Mul,
    /// Arrays concatenated along the channels.
    Concat,
    /// A range of channels.
    Slice {
        /// The first channel.
        start: usize,
        /// One past the last channel.
        end: usize,
    },
    /// Reordered dimensions: the source of each one, as in torch's `permute`.
    Permute([usize; 4]),
    /// Zeros before and after each row.
    Pad {
        /// Columns before.
        before: usize,
        /// Columns after.
        after: usize,
    },
}

/// Batch norm's epsilon, as in torch and torchvision.
pub const BATCH_NORM_EPS: f64 = 1e-5;
/// The weight of the new batch in batch norm's running statistics, as in torch, torchvision and
/// timm.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// The initialization of a network's convolutions and linear layers: that of the network's authors,
/// or of later implementations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialization {
    /// Convolutions normal, scaled by the fan-out (He et al. 2015), other layers as in torch: used
    /// by torchvision and timm's ResNet.
    He,
    /// Uniform, scaled by the fan-in: torch's default.
    Torch,
    /// Uniform, scaled by fan-in and fan-out (Glorot and Bengio 2010); biases are 0.
    Glorot,
    /// Convolutions as [`Initialization::He`], other layers normal with deviation 0.01 and biases
    /// of 0: torchvision's MobileNetV3.
    Mobile,
}

/// One operation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name prefix of its parameters, such as `layer1.0.conv1`; unique in the graph.
    pub path: String,
    /// The operation.
    pub op: Op,
    /// The nodes whose outputs it takes; all precede it.
    pub inputs: Vec<NodeId>,
    /// The initialization of its parameters.
    pub initialization: Initialization,
}

/// A network as data: nodes in the order of computation. The first node is the input, the last one
/// computes the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    embedding: Option<NodeId>,
}

impl Op {
    /// The quotient of the areas (height times width) of input and output; none if the output is
    /// not a map of bins and frames.
    fn reduction(&self) -> Option<usize> {
        match self {
            Op::Conv2d { window, .. } | Op::MaxPool2d(window) | Op::AvgPool2d(window) => {
                Some(window.stride.iter().product())
            }
            Op::Input { .. }
            | Op::BatchNorm { .. }
            | Op::Relu
            | Op::Sigmoid
            | Op::HardSwish
            | Op::Add
            | Op::Mul
            | Op::Concat
            | Op::Slice { .. }
            | Op::Permute(_)
            | Op::Pad { .. } => Some(1),
            Op::GlobalAvgPool
            | Op::MeanOverHeight
            | Op::MeanOverWidth
            | Op::MaxOverWidth
            | Op::Flatten
            | Op::Unflatten
            | Op::Linear { .. }
            | Op::RbfKernel { .. } => None,
        }
    }
}

impl Graph {
    /// The nodes in the order of computation.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each node, the last node that reads its output (the node itself if none does). The
    /// output can be freed after that.
    pub fn last_uses(&self) -> Vec<NodeId> {
        let mut last: Vec<NodeId> = (0..self.nodes.len()).collect();
        for (id, node) in self.nodes.iter().enumerate() {
            for &input in &node.inputs {
                last[input] = id;
            }
        }
        last
    }

    /// Channels of the input.
    pub fn input_channels(&self) -> usize {
        self.nodes
            .iter()
            .find_map(|node| if let Op::Input { channels, .. } = node.op { Some(channels) } else { None })
            .unwrap_or(0)
    }

    /// Number of bins of the input, if the network accepts only one.
    pub fn bins(&self) -> Option<usize> {
        self.nodes.iter().find_map(|node| if let Op::Input { bins, .. } = node.op { bins } else { None })
    }

    /// Number of logits that the head computes.
    pub fn classes(&self) -> usize {
        match self.head().map(|head| head.op) {
            Some(Op::Linear { outputs, .. } | Op::Conv2d { outputs, .. }) => outputs,
            _ => 0,
        }
    }

    /// The node that computes the embedding, `[batch, features]`: the features that the network's
    /// authors call so, or else the last ones before the fully connected layers. `None` if there
    /// are none, as where the last layer is a convolution.
    pub fn embedding(&self) -> Option<NodeId> {
        self.embedding.or_else(|| self.nodes[..self.last_layer()?].iter().rposition(|node| node.op == Op::Flatten))
    }

    /// The last node at each resolution, from the finest to the coarsest but one, whose mean over
    /// bins and frames most networks have as their embedding. A layer of stride 1 before a strided
    /// one counts, as the expansion of timm's `features_only` with
    /// `feature_location="expansion"`.
    ///
    /// # Shape
    /// Each node's output: `[batch, channels, height, width]`.
    pub fn stages(&self) -> Vec<NodeId> {
        let mut reductions: Vec<Option<usize>> = Vec::with_capacity(self.nodes.len());
        let mut last = BTreeMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            let input = node.inputs.first().map_or(Some(1), |&input| reductions[input]);
            let reduction = input.and_then(|reduction| Some(reduction * node.op.reduction()?));
            if let Some(reduction) = reduction.filter(|_| id > 0) {
                last.insert(reduction, id);
            }
            reductions.push(reduction);
        }
        last.pop_last();
        last.into_values().collect()
    }

    /// The number of nodes in the network's body: those up to its embedding, or up to the last
    /// layer. The others are the head.
    pub fn body_nodes(&self) -> usize {
        self.embedding().map(|id| id + 1).or_else(|| self.last_layer()).unwrap_or(0)
    }

    /// The network up to its embedding. `None` if it has none.
    pub fn body(&self) -> Option<Graph> {
        let last = self.embedding()?;
        Some(Graph { nodes: self.nodes[..=last].to_vec(), embedding: Some(last) })
    }

    /// The last node with parameters: an [`Op::Linear`] or a convolution with a bias. It computes
    /// the logit of each class.
    pub fn head(&self) -> Option<&Node> {
        self.last_layer().map(|id| &self.nodes[id])
    }

    /// The node of [`Self::head`].
    pub fn last_layer(&self) -> Option<NodeId> {
        self.nodes.iter().rposition(|node| matches!(node.op, Op::Linear { .. } | Op::Conv2d { .. }))
    }
}

/// Builds a [`Graph`] node by node; keeps track of channels, so that the caller specifies only the
/// output channels of a layer.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    embedding: Option<NodeId>,
    channels: Vec<usize>,
    initialization: Initialization,
}

impl Builder {
    /// A graph with only its input, which is node 0; its layers are initialized by
    /// [`Initialization::He`].
    pub fn new(channels: usize) -> Self {
        Self::initialized(channels, Initialization::He)
    }

    /// A graph with only its input, whose layers use another initialization.
    pub fn initialized(channels: usize, initialization: Initialization) -> Self {
        let op = Op::Input { channels, bins: None };
        let input = Node { path: "x".to_owned(), op, inputs: Vec::new(), initialization };
        Self { nodes: vec![input], embedding: None, channels: vec![channels], initialization }
    }

    /// Names the node that computes the embedding.
    pub fn embedding(&mut self, x: NodeId) {
        self.embedding = Some(x);
    }

    /// Accepts only inputs with this number of bins.
    pub fn bins(mut self, bins: usize) -> Self {
        self.nodes[0].op = Op::Input { channels: self.channels[0], bins: Some(bins) };
        self
    }

    fn push(&mut self, path: &str, op: Op, inputs: &[NodeId], channels: usize) -> NodeId {
        self.nodes.push(Node {
            path: path.to_owned(),
            op,
            inputs: inputs.to_vec(),
            initialization: self.initialization,
        });
        self.channels.push(channels);
        self.nodes.len() - 1
    }

    /// An operation with one input that keeps the number of channels.
    pub fn unary(&mut self, path: &str, op: Op, x: NodeId) -> NodeId {
        self.push(path, op, &[x], self.channels[x])
    }

    /// The number of output channels (or features) of a node.
    pub fn channels(&self, node: NodeId) -> usize {
        self.channels[node]
    }

    /// A convolution without bias, with any window.
    pub fn conv(&mut self, path: &str, x: NodeId, outputs: usize, window: Window, groups: usize) -> NodeId {
        let op = Op::Conv2d { inputs: self.channels[x], outputs, window, groups, bias: false };
        self.push(path, op, &[x], outputs)
    }

    /// A convolution with a square window and without bias, which keeps the size at stride 1 (the
    /// padding is half the kernel).
    pub fn conv2d(
        &mut self,
        path: &str,
        x: NodeId,
        outputs: usize,
        kernel: usize,
        stride: usize,
        groups: usize,
    ) -> NodeId {
        self.conv(path, x, outputs, Window::square(kernel, stride, kernel / 2), groups)
    }

    /// A 1x1 convolution with bias.
    pub fn conv1x1_bias(&mut self, path: &str, x: NodeId, outputs: usize) -> NodeId {
        let window = Window::square(1, 1, 0);
        let op = Op::Conv2d { inputs: self.channels[x], outputs, window, groups: 1, bias: true };
        self.push(path, op, &[x], outputs)
    }

    /// Batch normalization.
    pub fn batch_norm(&mut self, path: &str, x: NodeId) -> NodeId {
        self.batch_norm_with(path, x, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)
    }

    /// Batch normalization with the given epsilon.
    pub fn batch_norm_eps(&mut self, path: &str, x: NodeId, eps: f64) -> NodeId {
        self.batch_norm_with(path, x, eps, BATCH_NORM_MOMENTUM)
    }

    /// Batch normalization with the given epsilon and momentum.
    pub fn batch_norm_with(&mut self, path: &str, x: NodeId, eps: f64, momentum: f64) -> NodeId {
        let channels = self.channels[x];
        self.unary(path, Op::BatchNorm { channels, eps, momentum }, x)
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, path: &str, x: NodeId) -> NodeId {
        self.unary(path, Op::Relu, x)
    }

    /// `1 / (1 + exp(-x))`.
    pub fn sigmoid(&mut self, path: &str, x: NodeId) -> NodeId {
        self.unary(path, Op::Sigmoid, x)
    }

    /// Maximum of each window.
    pub fn max_pool2d(&mut self, path: &str, x: NodeId, window: Window) -> NodeId {
        self.unary(path, Op::MaxPool2d(window), x)
    }

    /// Mean of each window.
    pub fn avg_pool2d(&mut self, path: &str, x: NodeId, window: Window) -> NodeId {
        self.unary(path, Op::AvgPool2d(window), x)
    }

    /// Mean over height and width: `[batch, channels, 1, 1]`.
    pub fn global_avg_pool(&mut self, path: &str, x: NodeId) -> NodeId {
        self.unary(path, Op::GlobalAvgPool, x)
    }

    /// `[batch, channels, 1, 1]` becomes `[batch, channels]`.
    pub fn flatten(&mut self, path: &str, x: NodeId) -> NodeId {
        self.unary(path, Op::Flatten, x)
    }

    /// Fully connected layer.
    pub fn linear(&mut self, path: &str, x: NodeId, outputs: usize) -> NodeId {
        self.push(path, Op::Linear { inputs: self.channels[x], outputs }, &[x], outputs)
    }

    /// The similarity of a row to each center ([`Op::RbfKernel`]).
    pub fn rbf_kernel(&mut self, path: &str, x: NodeId, centres: usize) -> NodeId {
        self.push(path, Op::RbfKernel { inputs: self.channels[x], centres }, &[x], centres)
    }

    /// Sum of two nodes of the same shape.
    pub fn add(&mut self, path: &str, a: NodeId, b: NodeId) -> NodeId {
        self.push(path, Op::Add, &[a, b], self.channels[a])
    }

    /// Product of a node and one of the same shape, or one with a single value per channel.
    pub fn mul(&mut self, path: &str, a: NodeId, b: NodeId) -> NodeId {
        self.push(path, Op::Mul, &[a, b], self.channels[a])
    }

    /// Nodes concatenated along the channels.
    pub fn concat(&mut self, path: &str, parts: &[NodeId]) -> NodeId {
        let channels = parts.iter().map(|&part| self.channels[part]).sum();
        self.push(path, Op::Concat, parts, channels)
    }

    /// The channels from `start` (inclusive) to `end` (exclusive).
    pub fn slice(&mut self, path: &str, x: NodeId, start: usize, end: usize) -> NodeId {
        self.push(path, Op::Slice { start, end }, &[x], end - start)
    }

    /// The dimensions in another order; `channels` is the number of channels afterwards.
    pub fn permute(&mut self, path: &str, x: NodeId, order: [usize; 4], channels: usize) -> NodeId {
        self.push(path, Op::Permute(order), &[x], channels)
    }

    /// Zeros before and after each row.
    pub fn pad(&mut self, path: &str, x: NodeId, before: usize, after: usize) -> NodeId {
        self.unary(path, Op::Pad { before, after }, x)
    }

    /// Returns the graph; its last node computes the logits.
    pub fn finish(self) -> Graph {
        Graph { nodes: self.nodes, embedding: self.embedding }
    }
}
