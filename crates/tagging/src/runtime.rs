//! ONNX Runtime: loads its library and models.

use std::path::PathBuf;
use std::sync::OnceLock;

use earmark_features::Layers;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};

use crate::TaggingError;

/// ONNX Runtime's setting for the folder of a model's external weights, and a path that does not
/// exist.
const EXTERNAL_DATA: &str = "session.model_external_initializers_file_folder_path";
const NOWHERE: &str = "/nowhere/earmark reads no weights from outside the bundle";

/// The input and output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The dimensions of the input `x` after the first one, which is the batch; `None` allows any
    /// size.
    pub input: Vec<Option<usize>>,
    /// The output's name.
    pub output: &'static str,
    /// Number of output values per row of the batch.
    pub width: usize,
}

impl Signature {
    /// The signature of a network: `x` `[batch, channels, bins, frames]` to `logits`
    /// `[batch, classes]`.
    pub fn network(channels: usize, bins: usize, frames: Option<usize>, classes: usize) -> Self {
        Self { input: vec![Some(channels), Some(bins), frames], output: "logits", width: classes }
    }

    /// The signature of a network that embeds: `x` `[batch, channels, bins, frames]` to `embedding`
    /// or `stages` `[batch, size]`.
    pub fn embedding(channels: usize, bins: usize, frames: Option<usize>, (layers, size): (Layers, usize)) -> Self {
        let output = match layers {
            Layers::Last => "embedding",
            Layers::Stages => "stages",
        };
        Self { output, ..Self::network(channels, bins, frames, size) }
    }

    /// The signature of a stack: `x` `[batch, columns]` to `probabilities` `[batch, classes]`.
    pub fn stack(columns: usize, classes: usize) -> Self {
        Self { input: vec![Some(columns)], output: "probabilities", width: classes }
    }
}

/// A model loaded into ONNX Runtime.
#[derive(Debug)]
pub struct Model {
    session: Session,
    name: String,
    signature: Signature,
}

impl Model {
    /// Loads a model and compares its declared inputs and outputs with `signature`. `name` is used
    /// in errors, and `threads` (0: all cores) work on one input. Idle threads sleep instead of
    /// spinning, so that the thread pool of one file does not occupy cores while another is
    /// decoded.
    ///
    /// # Errors
    /// ONNX Runtime's library is missing or rejects the model; the input or output differs from
    /// `signature`. Dimensions that the model leaves variable are compared in each run.
    pub fn load(name: &str, bytes: &[u8], threads: usize, signature: Signature) -> Result<Self, TaggingError> {
        let session = session(name, bytes, threads)?;
        let model = Self { session, name: name.to_owned(), signature };
        let Signature { input, output, width } = &model.signature;
        if let Some(other) = model.session.inputs().iter().find(|other| other.name() != "x") {
            return Err(model.shape(format!("the input {:?}", other.name()), "there", "no input but `x`"));
        }
        let input: Vec<Option<usize>> = std::iter::once(None).chain(input.iter().copied()).collect();
        model.compare("the input `x`", model.session.inputs(), "x", &input)?;
        model.compare(&format!("the output `{output}`"), model.session.outputs(), output, &[None, Some(*width)])?;
        Ok(model)
    }

    /// Runs the model on a batch `x` and returns the rows of its output.
    ///
    /// # Shape
    /// `x`: `shape`, row-major; out: `[shape[0], width]` with the width of the signature,
    /// row-major.
    ///
    /// # Errors
    /// An input or output of the wrong shape.
    pub fn run<const N: usize>(&mut self, x: &[f32], shape: [usize; N]) -> Result<Vec<f32>, TaggingError> {
        let Signature { output, width, .. } = self.signature;
        let mut run = || -> ort::Result<(Vec<i64>, Vec<f32>)> {
            let input = TensorRef::from_array_view((shape.map(|side| side as i64), x))?;
            let outputs = self.session.run(ort::inputs!["x" => input])?;
            let value = outputs.get(output).ok_or_else(|| ort::Error::new(format!("it has no output {output}")))?;
            let (shape, values) = value.try_extract_tensor::<f32>()?;
            Ok((shape.to_vec(), values.to_vec()))
        };
        let (found, values) = run().map_err(|error| failed("run", &self.name, &error))?;
        let needed = [shape.first().copied().unwrap_or(1) as i64, width as i64];
        if found != needed {
            return Err(self.shape(format!("the output `{output}`"), shown(&found), shown(&needed)));
        }
        Ok(values)
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Compares the declared shape of an input or output.
    fn compare(
        &self,
        tensor: &str,
        outlets: &[Outlet],
        name: &str,
        needed: &[Option<usize>],
    ) -> Result<(), TaggingError> {
        let shape_needed: Vec<i64> = needed.iter().map(|side| side.map_or(-1, |side| side as i64)).collect();
        let refused = |found: String| Err(self.shape(tensor, found, shown(&shape_needed)));
        let Some(outlet) = outlets.iter().find(|outlet| outlet.name() == name) else {
            return refused("missing".to_owned());
        };
        match outlet.dtype() {
            ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => {
                let fits = |(found, needed): (&i64, &i64)| *found < 0 || *needed < 0 || found == needed;
                let same = shape.len() == needed.len() && shape.iter().zip(&shape_needed).all(fits);
                if same { Ok(()) } else { refused(shown(shape)) }
            }
            other => refused(format!("no tensor of 32-bit floats ({other})")),
        }
    }

    fn shape(&self, tensor: impl Into<String>, found: impl Into<String>, needed: impl Into<String>) -> TaggingError {
        let (tensor, found, needed) = (tensor.into(), found.into(), needed.into());
        TaggingError::Shape { model: self.name.clone(), tensor, found, needed }
    }
}

/// Loads a model into ONNX Runtime. `threads` (0: all cores) work on one input.
pub(crate) fn session(name: &str, bytes: &[u8], threads: usize) -> Result<Session, TaggingError> {
    let environment = environment()?;
    let load = || -> ort::Result<Session> {
        let builder = Session::builder(environment)?.with_inter_threads(1)?.with_intra_op_spinning(false)?;
        // A model must not read files outside the bundle as its weights.
        let builder = builder.with_config_entry(EXTERNAL_DATA, NOWHERE)?;
        let mut builder = if threads > 0 { builder.with_intra_threads(threads)? } else { builder };
        builder.commit_from_memory(bytes)
    };
    load().map_err(|error| failed("load", name, &error))
}

/// Formats a shape; `?` stands for a variable dimension.
fn shown(shape: &[i64]) -> String {
    let sides = shape.iter().map(|side| if *side < 0 { "?".to_owned() } else { side.to_string() });
    format!("[{}]", sides.collect::<Vec<_>>().join(", "))
}

pub(crate) fn failed(action: &'static str, model: &str, error: &dyn std::fmt::Display) -> TaggingError {
    TaggingError::Runtime { action, model: model.to_owned(), message: error.to_string() }
}

/// The version of ONNX Runtime: the version in its file name, if any, and the commit that it was
/// built from.
///
/// # Errors
/// Its library is missing.
pub fn runtime_version() -> Result<String, TaggingError> {
    let (_, path) = opened()?;
    let file = path.canonicalize().unwrap_or_else(|_| path.clone());
    let file = file.to_string_lossy();
    let version = file.split_once(".so.").map(|(_, version)| version.to_owned());
    let build = ort::info().split(", ").find_map(|part| part.strip_prefix("git-commit-id="));
    let parts = version.into_iter().chain(build.map(|commit| format!("commit {commit}")));
    Ok(parts.collect::<Vec<_>>().join(", "))
}

fn environment() -> Result<&'static Environment, TaggingError> {
    opened().map(|(environment, _)| environment)
}

/// ONNX Runtime and the path of its library, which is loaded only once.
fn opened() -> Result<&'static (Environment, PathBuf), TaggingError> {
    static OPENED: OnceLock<Result<(Environment, PathBuf), String>> = OnceLock::new();
    let open = || {
        // The bindings panic without it.
        std::env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
        let mut tried = Vec::new();
        for path in earmark_files::library_places("ORT_DYLIB_PATH", "onnxruntime") {
            if path.is_absolute() && !path.exists() {
                tried.push(format!("{}: not there", path.display()));
                continue;
            }
            let opened = ort::init_from(&path).map_err(|error| error.to_string());
            let built = opened.and_then(|builder| {
                builder.with_name("earmark").with_telemetry(false).build().map_err(|error| error.to_string())
            });
            match built {
                Ok(environment) => return Ok((environment, path)),
                Err(error) => tried.push(format!("{}: {error}", path.display())),
            }
        }
        Err(tried.join("; "))
    };
    OPENED.get_or_init(open).as_ref().map_err(|reason| TaggingError::Library { reason: reason.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Protocol Buffers field: a message or string.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
    }

    fn number(field: u8, value: u8) -> Vec<u8> {
        vec![field << 3, value]
    }

    /// Large enough that no optimization of ONNX Runtime reads the weights.
    const WIDTH: u8 = 24;

    /// A model that returns the given weights `w` `[1, WIDTH]` for each row of `x`
    /// `[batch, WIDTH]`.
    fn constant(weights: &[u8]) -> Vec<u8> {
        let side = |value: u8| field(1, &number(1, value));
        let batch = field(1, &field(2, b"batch"));
        let tensor = |name: &str| {
            let shape = [batch.clone(), side(WIDTH)].concat();
            let of = field(1, &[number(1, 1), field(2, &shape)].concat());
            [field(1, name.as_bytes()), field(2, &of)].concat()
        };
        let shape = [field(1, b"x"), field(2, b"s"), field(4, b"Shape")].concat();
        let expand = [field(1, b"w"), field(1, b"s"), field(2, b"probabilities"), field(4, b"Expand")].concat();
        let w = [number(1, 1), number(1, WIDTH), number(2, 1), field(8, b"w"), weights.to_vec()].concat();
        let graph = [field(1, &shape), field(1, &expand), field(2, b"g"), field(5, &w)].concat();
        let graph = [graph, field(11, &tensor("x")), field(12, &tensor("probabilities"))].concat();
        let length = u16::try_from(graph.len()).unwrap();
        let length = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        [number(1, 8), vec![7 << 3 | 2], length.to_vec(), graph, field(8, &number(2, 17))].concat()
    }

    #[test]
    fn weights_outside_a_bundle_are_not_read() {
        let signature = || Signature::stack(WIDTH.into(), WIDTH.into());
        let weights: Vec<f32> = (0..WIDTH).map(f32::from).collect();
        let values: Vec<u8> = weights.iter().flat_map(|value| value.to_le_bytes()).collect();
        let inside = Model::load("inside.onnx", &constant(&field(9, &values)), 1, signature());
        assert_eq!(inside.unwrap().run(&[0.0; WIDTH as usize], [1, WIDTH.into()]).unwrap(), weights);
        // Tests run in the folder of their crate.
        let folder = tempfile::tempdir_in(".").unwrap();
        std::fs::write(folder.path().join("secret.bin"), &values).unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        for path in [format!("{name}/secret.bin"), format!("../tagging/{name}/secret.bin")] {
            let location = [field(1, b"location"), field(2, path.as_bytes())].concat();
            let model = constant(&[field(13, &location), number(14, 1)].concat());
            let outside = Model::load("outside.onnx", &model, 1, signature());
            assert!(matches!(outside, Err(TaggingError::Runtime { action: "load", .. })), "{path}: {outside:?}");
        }
    }
}
