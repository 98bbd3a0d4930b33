//! The graph: what a network computes, in which order, under which names.

/// A node's place in its [`Graph`].
pub type NodeId = usize;

/// The windows of a convolution or a pool, each pair for height and width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Sides of the window.
    pub kernel: [usize; 2],
    /// Steps.
    pub stride: [usize; 2],
    /// What is added on each side: zeros in a convolution, values that never win in a maximum.
    pub padding: [usize; 2],
    /// Whether a last window counts that begins inside and ends outside (torch's `ceil_mode`, for
    /// pools).
    pub ceil: bool,
}

impl Window {
    /// A square.
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], ceil: false }
    }

    /// A piece of a row: what one-dimensional convolutions and pools look at.
    pub const fn row(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [1, kernel], stride: [1, stride], padding: [0, padding], ceil: false }
    }

    /// Height and width of what comes out; none if the input is smaller than one window.
    pub fn output(&self, sides: [usize; 2]) -> Option<[usize; 2]> {
        let side = |at: usize| {
            let (size, stride, padding) = (sides[at], self.stride[at], self.padding[at]);
            let rest = (size + 2 * padding).checked_sub(self.kernel[at]).filter(|_| size > 0)?;
            let windows = rest / stride + 1;
            // A window that would begin in the padding after the input is none.
            let one_more = self.ceil && rest % stride != 0 && windows * stride < size + padding;
            Some(windows + usize::from(one_more))
        };
        Some([side(0)?, side(1)?])
    }
}

/// What a node computes. Arrays are `[batch, channels, height, width]` (height: bins, width:
/// frames) until [`Op::Flatten`] makes them `[batch, channels]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The network's input.
    Input {
        /// Number of channels: 3 for features with deltas, 1 for the wave.
        channels: usize,
        /// Number of bins, where only one will do.
        bins: Option<usize>,
    },
    /// Two-dimensional convolution.
    Conv2d {
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
        /// Its windows.
        window: Window,
        /// Groups of channels that do not see each other.
        groups: usize,
        /// Whether each channel out has a bias. Where a batch norm follows it would do nothing.
        bias: bool,
    },
    /// Batch normalisation over all but the channels.
    BatchNorm {
        /// Channels.
        channels: usize,
        /// What is added to the variance.
        eps: f64,
    },
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
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
    /// Fully connected layer with bias.
    Linear {
        /// Features in.
        inputs: usize,
        /// Features out.
        outputs: usize,
    },
    /// `exp(-|x - centre|^2)` of a row `[batch, inputs]` and each centre: `[batch, centres]`.
    Gaussian {
        /// Features in.
        inputs: usize,
        /// Features out.
        centres: usize,
    },
    /// Sum of two arrays of one shape.
    Add,
    /// Product of an array with one of its own shape, or with `[batch, channels, 1, 1]`.
    Mul,
    /// Arrays behind each other in the channels.
    Concat,
    /// Some of the channels.
    Slice {
        /// The first of them.
        start: usize,
        /// The first one after them.
        end: usize,
    },
    /// The dimensions in another order: where each one comes from, as torch's `permute`.
    Permute([usize; 4]),
    /// Zeros before and after the rows.
    Pad {
        /// Columns before.
        before: usize,
        /// Columns after.
        after: usize,
    },
}

/// Batch norm's epsilon, that of torch and torchvision.
pub const BATCH_NORM_EPS: f64 = 1e-5;
/// The share of the new batch in batch norm's running statistics, that of torch, torchvision and
/// timm.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// How a network's convolutions and linear layers start before training: as those who made the
/// network have it, and others since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialization {
    /// Convolutions normal, by the values going out (He et al. 2015), the rest as torch:
    /// torchvision, timm's ResNet.
    He,
    /// Uniform, by the values coming in: torch's own.
    Torch,
    /// Uniform, by the values coming in and going out (Glorot and Bengio 2010), biases 0.
    Glorot,
}

/// One operation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name that its parameters start with, such as `layer1.0.conv1`; unique in the graph.
    pub path: String,
    /// The operation.
    pub op: Op,
    /// The nodes whose outputs it takes; all stand before it.
    pub inputs: Vec<NodeId>,
    /// How its parameters start.
    pub initialization: Initialization,
}

/// A network as data: nodes in the order of computation; the first is the input, the last gives the
/// logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// The nodes in the order of computation.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each node, the last node that reads it (itself where nobody does): after that its output
    /// can be freed.
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

    /// Bins of the input, where only one number will do.
    pub fn bins(&self) -> Option<usize> {
        self.nodes.iter().find_map(|node| if let Op::Input { bins, .. } = node.op { bins } else { None })
    }

    /// Number of logits: what the head gives.
    pub fn classes(&self) -> usize {
        match self.head().map(|head| head.op) {
            Some(Op::Linear { outputs, .. } | Op::Conv2d { outputs, .. }) => outputs,
            _ => 0,
        }
    }

    /// The last node with parameters: a [`Op::Linear`] or a convolution with a bias, which gives
    /// each class its logit.
    pub fn head(&self) -> Option<&Node> {
        self.nodes.iter().rfind(|node| matches!(node.op, Op::Linear { .. } | Op::Conv2d { .. }))
    }
}

/// Builds a [`Graph`] node by node; keeps track of channels, so that a layer names only what is new
/// in it.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    channels: Vec<usize>,
    initialization: Initialization,
}

impl Builder {
    /// A graph with only its input, which is node 0; its layers will start as
    /// [`Initialization::He`].
    pub fn new(channels: usize) -> Self {
        Self::initialized(channels, Initialization::He)
    }

    /// A graph with only its input, whose layers will start in another way.
    pub fn initialized(channels: usize, initialization: Initialization) -> Self {
        let op = Op::Input { channels, bins: None };
        let input = Node { path: "x".to_owned(), op, inputs: Vec::new(), initialization };
        Self { nodes: vec![input], channels: vec![channels], initialization }
    }

    /// For an input of so many bins and of no other number.
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

    /// An operation of one input that leaves the channels as they are.
    pub fn unary(&mut self, path: &str, op: Op, x: NodeId) -> NodeId {
        self.push(path, op, &[x], self.channels[x])
    }

    /// The number of channels (or features) that a node gives.
    pub fn channels(&self, node: NodeId) -> usize {
        self.channels[node]
    }

    /// A convolution without bias, of any window.
    pub fn conv(&mut self, path: &str, x: NodeId, outputs: usize, window: Window, groups: usize) -> NodeId {
        let op = Op::Conv2d { inputs: self.channels[x], outputs, window, groups, bias: false };
        self.push(path, op, &[x], outputs)
    }

    /// A convolution of a square, without bias, that keeps the size at stride 1 (padding is half
    /// the kernel).
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

    /// Batch normalisation.
    pub fn batch_norm(&mut self, path: &str, x: NodeId) -> NodeId {
        self.batch_norm_eps(path, x, BATCH_NORM_EPS)
    }

    /// Batch normalisation with an epsilon of its own.
    pub fn batch_norm_eps(&mut self, path: &str, x: NodeId, eps: f64) -> NodeId {
        let channels = self.channels[x];
        self.unary(path, Op::BatchNorm { channels, eps }, x)
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

    /// How near a row is to each of so many centres.
    pub fn gaussian(&mut self, path: &str, x: NodeId, centres: usize) -> NodeId {
        self.push(path, Op::Gaussian { inputs: self.channels[x], centres }, &[x], centres)
    }

    /// Sum of two nodes of one shape.
    pub fn add(&mut self, path: &str, a: NodeId, b: NodeId) -> NodeId {
        self.push(path, Op::Add, &[a, b], self.channels[a])
    }

    /// Product of a node with one of its shape, or with one value for each of its channels.
    pub fn mul(&mut self, path: &str, a: NodeId, b: NodeId) -> NodeId {
        self.push(path, Op::Mul, &[a, b], self.channels[a])
    }

    /// Nodes behind each other in the channels.
    pub fn concat(&mut self, path: &str, parts: &[NodeId]) -> NodeId {
        let channels = parts.iter().map(|&part| self.channels[part]).sum();
        self.push(path, Op::Concat, parts, channels)
    }

    /// The channels from `start` to before `end`.
    pub fn slice(&mut self, path: &str, x: NodeId, start: usize, end: usize) -> NodeId {
        self.push(path, Op::Slice { start, end }, &[x], end - start)
    }

    /// The dimensions in another order; says how many channels there are then.
    pub fn permute(&mut self, path: &str, x: NodeId, order: [usize; 4], channels: usize) -> NodeId {
        self.push(path, Op::Permute(order), &[x], channels)
    }

    /// Zeros before and after the rows.
    pub fn pad(&mut self, path: &str, x: NodeId, before: usize, after: usize) -> NodeId {
        self.unary(path, Op::Pad { before, after }, x)
    }

    /// The graph; its last node gives the logits.
    pub fn finish(self) -> Graph {
        Graph { nodes: self.nodes }
    }
}
