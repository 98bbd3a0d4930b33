//! Logging: `tracing` records on stderr, if requested, and as JSON lines in a run's folder.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{Global, LogFormat};

/// What is written to stderr.
static MODE: OnceLock<Global> = OnceLock::new();

/// Whether everything on stderr is JSON.
pub fn is_json() -> bool {
    MODE.get().is_some_and(|mode| mode.log_format == LogFormat::Json)
}

/// Whether log records are written to stderr.
pub fn is_on_stderr() -> bool {
    MODE.get().is_some_and(|mode| mode.verbose > 0) || is_json()
}

/// Whether nothing but errors is written to stderr.
pub fn is_quiet() -> bool {
    MODE.get().is_some_and(|mode| mode.quiet)
}

/// Starts logging, once: at level INFO with `-v` or JSON, DEBUG with `-vv`, ERROR on stderr with
/// `-q`; only from Earmark's own crates.
pub fn start(mode: &Global) {
    let &Global { verbose, quiet, log_format: format, .. } = mode;
    if MODE.set(mode.clone()).is_err() {
        return;
    }
    let level = if verbose > 1 { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let ours = |level| tracing_subscriber::filter::Targets::new().with_target("earmark", level);
    let stderr = is_on_stderr().then(|| {
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(verbose > 1);
        match format {
            LogFormat::Text => layer.with_ansi(false).boxed(),
            LogFormat::Json => layer.json().boxed(),
        }
    });
    let file = tracing_subscriber::fmt::layer().json().with_writer(|| RunLog);
    tracing_subscriber::registry()
        .with(stderr.map(|layer| layer.with_filter(ours(if quiet { LevelFilter::ERROR } else { level }))))
        .with(file.with_filter(ours(level)))
        .init();
}

/// The destination of the run's log.
enum Sink {
    /// Buffers records until the run's folder is known.
    Memory(Vec<u8>),
    File(File),
    /// The file could not be opened.
    Nowhere,
}

static SINK: Mutex<Sink> = Mutex::new(Sink::Memory(Vec::new()));
/// The size of the buffer.
const KEPT_BYTES: usize = 1 << 20;

/// Appends the buffered and all later records to a file.
///
/// # Errors
/// The file cannot be opened or written to. In that case, nothing is logged to a file.
pub fn also_to(path: &Path) -> std::io::Result<()> {
    let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    let Sink::Memory(records) = std::mem::replace(&mut *sink, Sink::Nowhere) else { return Ok(()) };
    let mut file = earmark_files::open_to_append(path).map_err(|error| error.source)?;
    file.write_all(&records)?;
    *sink = Sink::File(file);
    Ok(())
}

/// A writer that gets one whole record per call.
struct RunLog;

impl Write for RunLog {
    fn write(&mut self, record: &[u8]) -> std::io::Result<usize> {
        match &mut *SINK.lock().unwrap_or_else(PoisonError::into_inner) {
            Sink::Memory(records) if records.len() < KEPT_BYTES => records.extend(record),
            Sink::File(file) => file.write_all(record)?,
            Sink::Memory(_) | Sink::Nowhere => {}
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
