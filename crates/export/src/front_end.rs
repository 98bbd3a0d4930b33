//! Front ends as operators.

use earmark_features::{DeltaSettings, FrontEnd, Layers};
use earmark_tagging::Embedding;

use crate::ExportError;
use crate::deltas::stacked;
use crate::merge::Merged;
use crate::scope::{Scope, Value};
use crate::source::Source;
use crate::spectrum::{cepstrum, log_mel};
use crate::summary::summary;
use crate::windows::{ClipFeatures, Net};

/// The features of a clip with these samples, `[n]` at the front end's rate.
pub(crate) fn features(
    scope: &mut Scope,
    samples: &Value,
    front_end: &FrontEnd,
    source: &Source<'_>,
) -> Result<ClipFeatures, ExportError> {
    let (channels, bins) = front_end.shape();
    let value = match front_end {
        FrontEnd::Wave { .. } => scope.unsqueezed(samples, &[0, 1]),
        FrontEnd::LogMel { mel, deltas, delta } => {
            let bands = log_mel(scope, samples, mel);
            rows(scope, &bands, deltas.then_some(delta))
        }
        FrontEnd::Mfcc { n_mfcc, mel, deltas, delta } => {
            let bands = log_mel(scope, samples, mel);
            let coefficients = cepstrum(scope, &bands, *n_mfcc, mel.n_mels);
            rows(scope, &coefficients, deltas.then_some(delta))
        }
        FrontEnd::Summary { n_mfcc, mel } => {
            let values = summary(scope, samples, mel, *n_mfcc);
            scope.reshaped(&values, &[channels as i64, 1, 1])
        }
        FrontEnd::Embedding { model, layers, .. } => {
            let values = embedding(scope, samples, source.embedding(model, *layers)?, source)?;
            scope.reshaped(&values, &[channels as i64, 1, 1])
        }
    };
    Ok(ClipFeatures { value, channels, bins, is_one_frame: front_end.is_of_whole_clips() })
}

/// The rows and, with deltas, their slopes and curvatures: `[frames, bins]` to `[channels, bins,
/// frames]`.
fn rows(scope: &mut Scope, rows: &Value, deltas: Option<&DeltaSettings>) -> Value {
    let channels = match deltas {
        Some(settings) => stacked(scope, rows, settings),
        None => scope.unsqueezed(rows, &[0]),
    };
    scope.transposed(&channels, &[0, 2, 1])
}

/// The embedding of a clip: `[n]` to `[size]`.
fn embedding(
    scope: &mut Scope,
    samples: &Value,
    embedding: &Embedding,
    source: &Source<'_>,
) -> Result<Value, ExportError> {
    let Embedding { layers, size, features: front_end, windows, network, .. } = embedding;
    let features = features(scope, samples, front_end, source)?;
    let output = match layers {
        Layers::Last => "embedding",
        Layers::Stages => "stages",
    };
    let merged = Merged::read(&network.file, source.bytes(&network.file), output)?;
    let (width, weights) = (*size, source.precision);
    Net { merged, scaling: &network.scaling, width, weights, activation: None }.of_clip(scope, &features, windows)
}
