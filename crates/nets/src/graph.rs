//! The graph: what a network computes, in which order, under which names.

/// A node's place in its [`Graph`].
pub type NodeId = usize;

/// What a node computes. Arrays are `[batch, channels, height, width]` (height: bins, width: frames) until the global
/// pool makes them `[batch, channels]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// The network's input.
    Input {
        /// Number of channels: 3 for features with deltas.
        channels: usize,
    },
    /// Two-dimensional convolution without bias; a batch norm always follows and has one.
    Conv2d {
        /// Channels in.
        inputs: usize,
        /// Channels out.
        outputs: usize,
        /// Side of the square kernel.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Zeros around the input.
        padding: usize,
        /// Groups of channels that do not see each other.
        groups: usize,
    },
    /// Batch normalisation over batch, height and width.
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// `max(x, 0)`.
    Relu,
    /// Maximum over a square.
    MaxPool2d {
        /// Side of the square.
        kernel: usize,
        /// Step.
        stride: usize,
        /// Border that never wins.
        padding: usize,
    },
    /// Mean over height and width: `[batch, channels]`.
    GlobalAvgPool,
    /// Fully connected layer with bias.
    Linear {
        /// Features in.
        inputs: usize,
        /// Features out.
        outputs: usize,
    },
    /// Sum of two arrays of one shape.
    Add,
}

/// Batch norm's epsilon, that of torch, torchvision and timm.
pub const BATCH_NORM_EPS: f64 = 1e-5;
/// The share of the new batch in batch norm's running statistics, that of torch, torchvision and timm.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// One operation of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name that its parameters start with, such as `layer1.0.conv1`; unique in the graph.
    pub path: String,
    /// The operation.
    pub op: Op,
    /// The nodes whose outputs it takes; all stand before it.
    pub inputs: Vec<NodeId>,
}

/// A network as data: nodes in the order of computation; the first is the input, the last gives the logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// The nodes in the order of computation.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// For each node, the last node that reads it (itself where nobody does): after that its output can be freed.
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
            .find_map(|node| if let Op::Input { channels } = node.op { Some(channels) } else { None })
            .unwrap_or(0)
    }
}

impl Graph {
    /// Features of the last node: the classes.
    pub fn classes(&self) -> usize {
        match self.nodes.last().map(|node| node.op) {
            Some(Op::Linear { outputs, .. }) => outputs,
            _ => 0,
        }
    }
}

/// Builds a [`Graph`] node by node; keeps track of channels, so that a layer names only what is new in it.
#[derive(Debug)]
pub struct Builder {
    nodes: Vec<Node>,
    channels: Vec<usize>,
}

impl Builder {
    /// A graph with only its input, which is node 0.
    pub fn new(channels: usize) -> Self {
        let input = Node { path: "x".to_owned(), op: Op::Input { channels }, inputs: Vec::new() };
        Self { nodes: vec![input], channels: vec![channels] }
    }

    fn push(&mut self, path: &str, op: Op, inputs: &[NodeId], channels: usize) -> NodeId {
        self.nodes.push(Node { path: path.to_owned(), op, inputs: inputs.to_vec() });
        self.channels.push(channels);
        self.nodes.len() - 1
    }

    /// The number of channels (or features) that a node gives.
    pub fn channels(&self, node: NodeId) -> usize {
        self.channels[node]
    }

    /// A convolution that keeps the size at stride 1 (padding is half the kernel).
    pub fn conv2d(
        &mut self,
        path: &str,
        x: NodeId,
        outputs: usize,
        kernel: usize,
        stride: usize,
        groups: usize,
    ) -> NodeId {
        let inputs = self.channels[x];
        let op = Op::Conv2d { inputs, outputs, kernel, stride, padding: kernel / 2, groups };
        self.push(path, op, &[x], outputs)
    }

    /// Batch normalisation.
    pub fn batch_norm(&mut self, path: &str, x: NodeId) -> NodeId {
        let channels = self.channels[x];
        self.push(path, Op::BatchNorm { channels }, &[x], channels)
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, path: &str, x: NodeId) -> NodeId {
        let channels = self.channels[x];
        self.push(path, Op::Relu, &[x], channels)
    }

    /// Maximum over squares.
    pub fn max_pool2d(&mut self, path: &str, x: NodeId, kernel: usize, stride: usize, padding: usize) -> NodeId {
        let channels = self.channels[x];
        self.push(path, Op::MaxPool2d { kernel, stride, padding }, &[x], channels)
    }

    /// Mean over height and width.
    pub fn global_avg_pool(&mut self, path: &str, x: NodeId) -> NodeId {
        let channels = self.channels[x];
        self.push(path, Op::GlobalAvgPool, &[x], channels)
    }

    /// Fully connected layer.
    pub fn linear(&mut self, path: &str, x: NodeId, outputs: usize) -> NodeId {
        let inputs = self.channels[x];
        self.push(path, Op::Linear { inputs, outputs }, &[x], outputs)
    }

    /// Sum of two nodes of one shape.
    pub fn add(&mut self, path: &str, a: NodeId, b: NodeId) -> NodeId {
        let channels = self.channels[a];
        self.push(path, Op::Add, &[a, b], channels)
    }

    /// The graph; its last node gives the logits.
    pub fn finish(self) -> Graph {
        Graph { nodes: self.nodes }
    }
}
