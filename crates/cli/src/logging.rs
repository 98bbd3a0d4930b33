//! The log: records of `tracing` on stderr, if asked for, and as JSON lines in a run's folder.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::LogFormat;

/// How stderr is used.
static MODE: OnceLock<(u8, LogFormat)> = OnceLock::new();

/// Whether all that goes to stderr is JSON.
pub fn is_json() -> bool {
    MODE.get().is_some_and(|(_, format)| *format == LogFormat::Json)
}

/// Whether log records go to stderr.
pub fn is_on_stderr() -> bool {
    MODE.get().is_some_and(|(verbose, format)| *verbose > 0 || *format == LogFormat::Json)
}

/// Starts logging, once: at level INFO with `-v` or JSON, DEBUG with `-vv`, of Earmark's own
/// crates.
pub fn start(verbose: u8, format: LogFormat) {
    if MODE.set((verbose, format)).is_err() {
        return;
    }
    let level = if verbose > 1 { LevelFilter::DEBUG } else { LevelFilter::INFO };
    let ours = || tracing_subscriber::filter::Targets::new().with_target("earmark", level);
    let stderr = is_on_stderr().then(|| {
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(verbose > 1);
        match format {
            LogFormat::Text => layer.with_ansi(false).boxed(),
            LogFormat::Json => layer.json().boxed(),
        }
    });
    let file = tracing_subscriber::fmt::layer().json().with_writer(|| RunLog);
    tracing_subscriber::registry()
        .with(stderr.map(|layer| layer.with_filter(ours())))
        .with(file.with_filter(ours()))
        .init();
}

/// Where the run's records go.
enum Sink {
    /// Records of before the run's folder was known.
    Memory(Vec<u8>),
    File(File),
    /// It could not be opened.
    Nowhere,
}

static SINK: Mutex<Sink> = Mutex::new(Sink::Memory(Vec::new()));
/// Records that are kept until the run's folder is known.
const KEPT_BYTES: usize = 1 << 20;

/// Appends the log to a file from now on, with the records so far.
///
/// # Errors
/// The file cannot be opened or written to; then nothing is logged to a file.
pub fn also_to(path: &Path) -> std::io::Result<()> {
    let mut sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    let Sink::Memory(records) = std::mem::replace(&mut *sink, Sink::Nowhere) else { return Ok(()) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(&records)?;
    *sink = Sink::File(file);
    Ok(())
}

/// Writes whole records: each is one call.
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
