//! Copies the ONNX files of a bundle into one graph.

use std::collections::BTreeSet;

use earmark_onnx::proto::{GraphProto, ML_OPSET, NodeProto, OPSET};

use crate::ExportError;
use crate::precision::push;
use crate::scope::{Scope, Value};

pub(crate) use crate::precision::Precision as Weights;

/// The domain of tree ensembles.
pub(crate) const ML: &str = "ai.onnx.ml";

/// An ONNX file of a bundle, reduced to what one of its outputs needs.
pub(crate) struct Merged<'a> {
    file: &'a str,
    graph: GraphProto,
    output: &'static str,
}

impl<'a> Merged<'a> {
    /// Decodes the file with the input `x` and this output.
    ///
    /// # Errors
    /// It is not ONNX, or it uses what one file cannot have.
    pub(crate) fn read(file: &'a str, bytes: &[u8], output: &'static str) -> Result<Self, ExportError> {
        let fault = |reason: String| ExportError::Network { file: file.to_owned(), reason };
        let model = earmark_onnx::read(bytes).map_err(|error| fault(error.to_string()))?;
        let graph = model.graph.unwrap_or_default();
        if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
            return Err(fault("it has functions or sparse weights".to_owned()));
        }
        let mut merged = Self { file, graph, output };
        merged.prune();
        let uses_trees = merged.graph.node.iter().any(|node| node.domain == ML);
        for opset in &model.opset_import {
            let needed = match opset.domain.as_str() {
                "" | "ai.onnx" => OPSET,
                ML if uses_trees => ML_OPSET,
                _ => continue,
            };
            if opset.version != needed {
                let domain = if opset.domain == ML { ML } else { "ai.onnx" };
                return Err(fault(format!("it is of opset {} of {domain}, not {needed}", opset.version)));
            }
        }
        let has_output = merged.graph.node.iter().any(|node| node.output.iter().any(|name| name == output));
        if has_output { Ok(merged) } else { Err(fault(format!("it has no output {output}"))) }
    }

    /// Whether it has tree ensembles.
    pub(crate) fn uses_trees(&self) -> bool {
        self.graph.node.iter().any(|node| node.domain == ML)
    }

    /// Drops operators and weights that the output does not need.
    fn prune(&mut self) {
        let mut needed = BTreeSet::from([self.output.to_owned()]);
        let nodes = std::mem::take(&mut self.graph.node);
        let mut kept: Vec<NodeProto> = Vec::with_capacity(nodes.len());
        for node in nodes.into_iter().rev() {
            if node.output.iter().any(|name| needed.contains(name)) {
                add_inputs(&node, &mut needed);
                kept.push(node);
            }
        }
        kept.reverse();
        self.graph.node = kept;
        self.graph.initializer.retain(|tensor| needed.contains(&tensor.name));
    }

    /// Adds the operators to a graph, with the input `x`; returns the output.
    pub(crate) fn add_to(&self, scope: &mut Scope, x: &Value, weights: Weights) -> Result<Value, ExportError> {
        let prefix = format!("{}/", scope.name("network"));
        let rename = |name: &str| match name {
            "" => String::new(),
            "x" => x.0.clone(),
            name => format!("{prefix}{name}"),
        };
        for tensor in &self.graph.initializer {
            let is_of_columns = self
                .graph
                .node
                .iter()
                .any(|node| node.op_type == "MatMul" && node.input.get(1).is_some_and(|name| *name == tensor.name));
            let renamed = rename(&tensor.name);
            push(scope, tensor, &renamed, (weights, is_of_columns));
        }
        scope.nodes.extend(self.graph.node.iter().map(|node| renamed(node, &rename)));
        if !self.graph.input.iter().any(|input| input.name == "x") {
            let reason = "it has no input x".to_owned();
            return Err(ExportError::Network { file: self.file.to_owned(), reason });
        }
        Ok(Value(rename(self.output)))
    }
}

/// Adds the values that an operator needs, also in the bodies of loops.
fn add_inputs(node: &NodeProto, needed: &mut BTreeSet<String>) {
    needed.extend(node.input.iter().cloned());
    for graph in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
        needed.extend(graph.output.iter().map(|output| output.name.clone()));
        graph.node.iter().for_each(|node| add_inputs(node, needed));
    }
}

/// An operator with other names of its values, also in the bodies of loops.
fn renamed(node: &NodeProto, rename: &dyn Fn(&str) -> String) -> NodeProto {
    let mut node = node.clone();
    node.name = rename(&node.name);
    node.input.iter_mut().chain(&mut node.output).for_each(|name| *name = rename(name));
    if node.domain == "ai.onnx" {
        node.domain.clear();
    }
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_deref_mut()) {
        graph.node = graph.node.iter().map(|node| renamed(node, rename)).collect();
        graph.initializer.iter_mut().for_each(|tensor| tensor.name = rename(&tensor.name));
        graph.input.iter_mut().chain(&mut graph.output).for_each(|value| value.name = rename(&value.name));
    }
    node
}
