//! Models that `earmark export` writes.

use ort::session::Session;
use ort::value::TensorRef;

use crate::TaggingError;
use crate::runtime::{failed, session};

/// A bundle as one ONNX file: the input `samples` `[n]`, the output `scores` `[labels]`.
#[derive(Debug)]
pub struct ExportedModel {
    session: Session,
    name: String,
}

impl ExportedModel {
    /// Loads a file. `name` is used in errors, and `threads` (0: all cores) work on one sound.
    ///
    /// # Errors
    /// ONNX Runtime's library is missing or rejects the file.
    pub fn load(name: &str, bytes: &[u8], threads: usize) -> Result<Self, TaggingError> {
        Ok(Self { session: session(name, bytes, threads)?, name: name.to_owned() })
    }

    /// The score of each label of a sound.
    ///
    /// # Shape
    /// `samples`: `[n]`, mono, at the model's rate, full scale 1.
    ///
    /// # Errors
    /// The sound is too short for the model, or `earmark export` did not write the file.
    pub fn scores(&mut self, samples: &[f32]) -> Result<Vec<f32>, TaggingError> {
        let mut run = || -> ort::Result<Vec<f32>> {
            let input = TensorRef::from_array_view(([samples.len() as i64], samples))?;
            let outputs = self.session.run(ort::inputs!["samples" => input])?;
            let scores = outputs.get("scores").ok_or_else(|| ort::Error::new("it has no output scores"))?;
            Ok(scores.try_extract_tensor::<f32>()?.1.to_vec())
        };
        run().map_err(|error| failed("run", &self.name, &error))
    }
}
