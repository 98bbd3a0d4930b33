//! The whole graph: samples, pieces, learners, level 2.

use earmark_features::FrontEnd;
use earmark_onnx::proto::{Dim, ELEM_F32, ELEM_STRING, GraphProto, TensorProto, ValueInfoProto};
use earmark_tagging::PIECE_SECONDS;

use crate::ExportError;
use crate::front_end::features;
use crate::merge::Merged;
use crate::precision::Precision;
use crate::resample::Conversion;
use crate::scope::{Scope, Value};
use crate::source::Source;
use crate::summary::statistics;
use crate::windows::{ClipFeatures, Net};

/// A graph, and whether it has tree ensembles.
pub(crate) struct Whole {
    pub(crate) graph: GraphProto,
    pub(crate) uses_trees: bool,
}

impl Source<'_> {
    /// The graph: `samples` `[n]` to `scores` `[labels]`; `labels` `[labels]`, and `thresholds`
    /// `[labels]` if a clip may have several labels.
    pub(crate) fn graph(&self) -> Result<Whole, ExportError> {
        let mut scope = Scope::new();
        let (samples, classes) = (Value("samples".to_owned()), self.bundle.labels.len());
        let rates = self.rates();
        let from = rates.first().copied().unwrap_or(1);
        let resampler = &self.bundle.resampler;
        let lower: Vec<(u32, Conversion, Value)> = rates
            .iter()
            .skip(1)
            .map(|&rate| {
                let conversion = Conversion::new(&mut scope, resampler, from, rate);
                let padded = conversion.padded(&mut scope, &samples);
                (rate, conversion, padded)
            })
            .collect();
        let stack = self.stack.map(|file| Merged::read(file, self.bytes(file), "probabilities")).transpose()?;
        let uses_trees = stack.as_ref().is_some_and(Merged::uses_trees);
        let n = scope.size(&samples, 0);
        let length = PIECE_SECONDS as i64 * i64::from(from);
        let count = scope.quotient_up(&n, length);
        let sum = scope.sum_of(&count, classes, |scope, number| {
            let length = scope.ints(&[length]);
            let start = scope.op("Mul", &[number, &length]);
            let end = scope.op("Add", &[&start, &length]);
            let piece = scope.slice(&samples, &start, &end, 0);
            let length = scope.size(&piece, 0);
            let mut at_rates = vec![(from, piece)];
            for (rate, conversion, padded) in &lower {
                at_rates.push((*rate, conversion.piece(scope, padded, &start, &length)));
            }
            let scores = self.of_piece(scope, &at_rates, stack.as_ref())?;
            let length = scope.cast(&length, ELEM_F32);
            Ok(scope.op("Mul", &[&scores, &length]))
        })?;
        let n = scope.cast(&n, ELEM_F32);
        let mean = scope.op("Div", &[&sum, &n]);
        let graph = self.with_outputs(scope, &mean);
        Ok(Whole { graph, uses_trees })
    }

    /// The scores of a piece that is given at all rates: `[labels]`.
    fn of_piece(
        &self,
        scope: &mut Scope,
        at_rates: &[(u32, Value)],
        stack: Option<&Merged<'_>>,
    ) -> Result<Value, ExportError> {
        let (classes, activation) = (self.bundle.labels.len(), Some(self.bundle.activation));
        let none = || Value(String::new());
        let at = |rate: u32| {
            let found = at_rates.iter().find(|(of, _)| *of == rate);
            found.map_or_else(none, |(_, samples)| samples.clone())
        };
        let mut known: Vec<(&FrontEnd, ClipFeatures)> = Vec::new();
        let mut columns = Vec::new();
        for learner in &self.learners {
            if !known.iter().any(|(front_end, _)| *front_end == &learner.features) {
                let samples = at(learner.features.sample_rate());
                known.push((&learner.features, features(scope, &samples, &learner.features, self)?));
            }
            let Some((_, features)) = known.iter().find(|(front_end, _)| *front_end == &learner.features) else {
                continue;
            };
            let mut rows = Vec::new();
            for network in &learner.networks {
                let merged = Merged::read(&network.file, self.bytes(&network.file), "logits")?;
                let (width, weights, scaling) = (classes, self.precision, &network.scaling);
                let net = Net { merged, scaling, width, weights, activation };
                rows.push(net.of_clip(scope, features, &learner.windows)?);
            }
            columns.push(mean(scope, &rows));
        }
        let Some(stack) = stack else { return Ok(mean(scope, &columns)) };
        if let Some(settings) = &self.bundle.statistics {
            let samples = at(settings.mel.sr);
            columns.push(statistics(scope, &samples, settings));
        }
        let row = scope.on_axis("Concat", &columns.iter().collect::<Vec<_>>(), 0);
        let row = scope.unsqueezed(&row, &[0]);
        let probabilities = stack.add_to(scope, &row, Precision::F32)?;
        Ok(scope.reshaped(&probabilities, &[classes as i64]))
    }

    /// The graph with its inputs and outputs.
    fn with_outputs(&self, mut scope: Scope, scores: &Value) -> GraphProto {
        let classes = [Dim::Fixed(self.bundle.labels.len())];
        let labels = scope.name("labels");
        scope.weights.push(TensorProto::strings(&labels, &self.bundle.labels));
        let mut outputs = vec![("scores", scores.clone(), ELEM_F32), ("labels", Value(labels), ELEM_STRING)];
        if let Some(thresholds) = self.thresholds() {
            outputs.push(("thresholds", scope.f32(&[thresholds.len()], thresholds), ELEM_F32));
        }
        let mut output = Vec::new();
        for (name, value, of_type) in outputs {
            let copy = scope.op("Identity", &[&value]);
            if let Some(node) = scope.nodes.last_mut() {
                node.output.iter_mut().filter(|output| **output == copy.0).for_each(|output| name.clone_into(output));
            }
            output.push(ValueInfoProto::tensor(name, of_type, &classes));
        }
        GraphProto {
            name: "earmark".to_owned(),
            node: scope.nodes,
            initializer: scope.weights,
            input: vec![ValueInfoProto::tensor("samples", ELEM_F32, &[Dim::Free("samples")])],
            output,
            ..GraphProto::default()
        }
    }
}

/// The mean of rows of the same shape.
fn mean(scope: &mut Scope, rows: &[Value]) -> Value {
    match rows {
        [only] => only.clone(),
        rows => scope.op("Mean", &rows.iter().collect::<Vec<_>>()),
    }
}
