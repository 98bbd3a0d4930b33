//! Output: stdout gets only results, stderr everything else. It is not a failure if the reader of a
//! pipe closes it early.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use earmark_audio::AudioError;
use earmark_tables::printable;
use earmark_tagging::TaggingError;

use crate::args::Color;
use crate::logging;

/// An error that has its own exit code.
#[derive(Debug, thiserror::Error)]
pub enum Exit {
    /// The reader of stdout closed it. Any other broken pipe or socket is a failure.
    #[error("nobody reads standard output")]
    ClosedStdout,
    /// A command does not accept the value of an argument.
    #[error("{0}")]
    WrongUsage(String),
}

/// Writes text to stdout.
///
/// # Errors
/// [`Exit::ClosedStdout`], or a full disk if stdout is a file.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_to(&mut std::io::stdout().lock(), text)
}

fn print_to(stdout: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Exit::ClosedStdout.into()),
        written => written.context("cannot write to standard output"),
    }
}

/// Writes one JSON value and a newline to stdout.
pub fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Whether the words `error` and `warning` are colored.
static IS_COLORED: AtomicBool = AtomicBool::new(false);
/// Escape sequences of terminals, as clap has them in its own errors.
const RED: &str = "\x1b[1m\x1b[31m";
const YELLOW: &str = "\x1b[1m\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Sets whether errors and warnings are colored: `auto` does so on a terminal, unless the variable
/// `NO_COLOR` has a value or `TERM` is `dumb`.
pub fn start(color: Color) {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let is_colored = match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            set("NO_COLOR").is_none()
                && set("TERM").is_some_and(|term| term != "dumb")
                && std::io::stderr().is_terminal()
        }
    };
    IS_COLORED.store(is_colored, Ordering::Relaxed);
}

/// Writes a line to stderr, or to the log if stderr has JSON records; nothing with `--quiet`. A
/// closed stderr is ignored.
pub fn line(line: &str) {
    match logging::is_json() {
        true => tracing::info!("{line}"),
        false if logging::is_quiet() => {}
        false => to_stderr(None, line),
    }
}

/// Writes a warning like [`line()`].
pub fn warning(text: &str) {
    match logging::is_json() {
        true => tracing::warn!("{text}"),
        false if logging::is_quiet() => {}
        false => to_stderr(Some((YELLOW, "warning: ")), text),
    }
}

/// Writes an error like [`line()`], also with `--quiet`; several errors have `error: ` between
/// them.
pub fn error(text: &str) {
    for text in text.split("\nerror: ") {
        if logging::is_json() { tracing::error!("{text}") } else { to_stderr(Some((RED, "error: ")), text) }
    }
}

/// Writes text to stderr after a word of this color.
fn to_stderr(word: Option<(&str, &str)>, text: &str) {
    let text = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
    let word = match word {
        Some((color, word)) if IS_COLORED.load(Ordering::Relaxed) => format!("{color}{word}{PLAIN}"),
        word => word.map_or(String::new(), |(_, word)| word.to_owned()),
    };
    let _ = writeln!(std::io::stderr().lock(), "{word}{text}");
}

/// A path as text. Bytes that are not UTF-8 are escaped (`\\xff`), so that different paths have
/// different texts.
pub fn path(path: &Path) -> String {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let chunks = path.as_os_str().as_encoded_bytes().utf8_chunks();
    chunks.map(|chunk| chunk.valid().to_owned() + &escaped(chunk.invalid())).collect()
}

/// Settings outside their range are wrong usage.
pub fn in_range<T>(checked: Result<T, TaggingError>) -> anyhow::Result<T> {
    checked.map_err(|error| Exit::WrongUsage(message(&error.into())).into())
}

/// Checks that the path of an option can be written ([`earmark_files::missing_folder`]).
///
/// # Errors
/// The folder is missing; the error names it and the option.
pub fn check_place(option: &str, path: &Path) -> anyhow::Result<()> {
    let Some(folder) = earmark_files::missing_folder(path) else { return Ok(()) };
    let folder = folder.display();
    anyhow::bail!("{option} {}: the folder {folder} does not exist; create it first", path.display())
}

/// An error and its causes in one line, without causes that the previous message already contains.
/// If a sound exceeds a limit, the message names the option that changes it.
pub fn message(error: &anyhow::Error) -> String {
    let message = earmark_files::with_causes(error.as_ref());
    let Some(AudioError::Limit { key, .. }) = error.chain().find_map(audio_error) else { return message };
    let verb = if key.starts_with("min_") { "lower" } else { "raise" };
    format!("{message}; {verb} --{}", key.replace('_', "-"))
}

/// The audio error that an error is or wraps.
fn audio_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a AudioError> {
    match cause.downcast_ref::<TaggingError>() {
        Some(TaggingError::Audio(error)) => Some(error),
        _ => cause.downcast_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_differ() {
        use std::os::unix::ffi::OsStrExt;
        let text = |bytes: &[u8]| path(std::ffi::OsStr::from_bytes(bytes).as_ref());
        assert_eq!([text(b"a\xff.wav"), text(b"a\xfe.wav")], ["a\\xff.wav", "a\\xfe.wav"]);
        assert_eq!(text("Stra\u{df}e/\n".as_bytes()), "Stra\u{df}e/\n");
    }

    #[test]
    fn no_cause_is_repeated() {
        let error = anyhow::anyhow!("disk full").context("cannot write a: disk full").context("job x");
        assert_eq!(message(&error), "job x: cannot write a: disk full");
    }

    /// A writer that always fails.
    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_closed_stdout_is_one() {
        let closed = print_to(&mut Broken(ErrorKind::BrokenPipe), "x").unwrap_err().context("the table");
        assert!(closed.is::<Exit>());
        assert!(!print_to(&mut Broken(ErrorKind::StorageFull), "x").unwrap_err().is::<Exit>());
        let socket = anyhow::Error::from(std::io::Error::from(ErrorKind::BrokenPipe)).context("cannot fetch x");
        assert!(!socket.is::<Exit>());
    }

    #[test]
    fn what_moves_a_limit_is_named() {
        let limit = |key| AudioError::Limit { path: "a.wav".into(), key, limit: 3600.0, found: Some(10_800.2) };
        let errors: [anyhow::Error; 2] =
            [limit("max_seconds").into(), TaggingError::Audio(limit("max_seconds")).into()];
        for error in errors {
            let long = "a.wav is longer than 3600 s (about 10800 s)";
            assert_eq!(message(&error), format!("{long}; raise --max-seconds"));
        }
        assert!(message(&limit("min_sample_rate").into()).ends_with("; lower --min-sample-rate"));
    }
}
