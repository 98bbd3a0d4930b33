//! ONNX Runtime: its library, and models loaded into it.

use std::path::PathBuf;
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;

use crate::TaggingError;

/// A model loaded into ONNX Runtime.
#[derive(Debug)]
pub struct Model {
    session: Session,
    name: String,
}

impl Model {
    /// Loads a model; `name` stands in errors, `threads` (0: all cores) work on one input.
    ///
    /// # Errors
    /// ONNX Runtime's library is missing, or refuses the model.
    pub fn load(name: &str, bytes: &[u8], threads: usize) -> Result<Self, TaggingError> {
        let environment = environment()?;
        let load = || -> ort::Result<Session> {
            let mut builder = Session::builder(environment)?;
            if threads > 0 {
                builder = builder.with_intra_threads(threads)?;
            }
            builder.commit_from_memory(bytes)
        };
        let session = load().map_err(|error| failed("load", name, &error))?;
        Ok(Self { session, name: name.to_owned() })
    }

    /// The values of the model's output `output` for one input `x`.
    ///
    /// # Shape
    /// `x`: `shape`, row-major; out: as the model gives it, row-major.
    ///
    /// # Errors
    /// An input of the wrong shape, or no output of this name.
    pub fn run<const N: usize>(
        &mut self,
        x: &[f32],
        shape: [usize; N],
        output: &str,
    ) -> Result<Vec<f32>, TaggingError> {
        let Self { session, name } = self;
        let mut run = || -> ort::Result<Vec<f32>> {
            let input = TensorRef::from_array_view((shape.map(|side| side as i64), x))?;
            let outputs = session.run(ort::inputs!["x" => input])?;
            let value = outputs.get(output).ok_or_else(|| ort::Error::new(format!("it has no output {output}")))?;
            Ok(value.try_extract_tensor::<f32>()?.1.to_vec())
        };
        run().map_err(|error| failed("run", name, &error))
    }
}

fn failed(action: &'static str, model: &str, error: &dyn std::fmt::Display) -> TaggingError {
    TaggingError::Runtime { action, model: model.to_owned(), message: error.to_string() }
}

/// Which ONNX Runtime this is: the version in its file's name, if it has one, and the commit that it was built from.
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

/// ONNX Runtime and where its library was found, opened once for all.
fn opened() -> Result<&'static (Environment, PathBuf), TaggingError> {
    static OPENED: OnceLock<Result<(Environment, PathBuf), String>> = OnceLock::new();
    let open = || {
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
