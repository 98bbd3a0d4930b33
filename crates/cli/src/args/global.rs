//! Options of every command: what is written to the terminal.

use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, ColorChoice, Command, Error, FromArgMatches, ValueEnum};

use super::Arguments;

/// The variable of `--color`.
const COLOR: &str = "EARMARK_COLOR";

/// What is written to the terminal.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Log to stderr: -v what is done, -vv also details
    #[arg(long, short, global = true, action = ArgAction::Count, env = "EARMARK_VERBOSE")]
    pub verbose: u8,
    /// Only results and errors: no progress, notes or warnings
    #[arg(long, short, global = true, action = ArgAction::SetTrue, env = "EARMARK_QUIET")]
    #[arg(value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Colors in help and messages; `auto` means on a terminal, unless NO_COLOR has a value
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", env = COLOR)]
    pub color: Color,
    /// The format of log messages on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", env = "EARMARK_LOG_FORMAT")]
    pub log_format: LogFormat,
}

/// When there are colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Nowhere
    Never,
}

/// The form of log records on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON value per line, for programs; includes what -v logs
    Json,
}

/// Parses the words of a command line, the first of which is the program.
///
/// # Errors
/// Wrong usage, `--help`, `--version`.
pub fn parse(command: Command, words: Vec<OsString>) -> Result<Arguments, Error> {
    let mut command = command.color(color_of_help(&words, std::env::var_os(COLOR)));
    let matches = command.try_get_matches_from_mut(words)?;
    let mut arguments = Arguments::from_arg_matches(&matches)?;
    let is_named = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let Global { quiet, verbose, .. } = &mut arguments.global;
    // An option is stronger than a variable.
    match (is_named("quiet"), is_named("verbose")) {
        (true, true) => {
            return Err(command.error(ErrorKind::ArgumentConflict, "--quiet and --verbose exclude each other"));
        }
        (false, true) => *quiet = false,
        _ if *quiet => *verbose = 0,
        _ => {}
    }
    Ok(arguments)
}

/// The colors of help and of wrong usage, which clap writes before it has parsed `--color`.
fn color_of_help(words: &[OsString], variable: Option<OsString>) -> ColorChoice {
    let options = words.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let options: Vec<_> = options.collect();
    let mut named = options.iter().enumerate().filter_map(|(index, word)| match word.strip_prefix("--color") {
        Some("") => options.get(index + 1).map(ToString::to_string),
        Some(value) => value.strip_prefix('=').map(str::to_owned),
        None => None,
    });
    let named = named.next_back().or_else(|| variable.map(|value| value.to_string_lossy().into_owned()));
    match named.and_then(|value| Color::from_str(&value, false).ok()).unwrap_or_default() {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_of_help_are_those_that_the_option_names() {
        let rows = [
            ("earmark tag --help", None, ColorChoice::Auto),
            ("earmark tag --help --color always", None, ColorChoice::Always),
            ("earmark --color=never tag --help", Some("always"), ColorChoice::Never),
            ("earmark tag --help", Some("never"), ColorChoice::Never),
            ("earmark tag -- --color never", Some("always"), ColorChoice::Always),
            ("earmark tag --color", None, ColorChoice::Auto),
            ("earmark tag --color no", None, ColorChoice::Auto),
        ];
        for (words, variable, expected) in rows {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            assert_eq!(color_of_help(&words, variable.map(OsString::from)), expected, "{words:?}");
        }
    }

    #[test]
    fn verbose_and_quiet_exclude_each_other() {
        let parse = |words: &str| parse(super::super::command(), words.split(' ').map(OsString::from).collect());
        let mode = |words: &str| {
            let Global { quiet, verbose, .. } = parse(words).unwrap().global;
            (quiet, verbose)
        };
        assert_eq!(mode("earmark nets list"), (false, 0));
        assert_eq!(mode("earmark -q nets list"), (true, 0));
        assert_eq!(mode("earmark nets list -vv"), (false, 2));
        assert_eq!(parse("earmark -v nets list -q").unwrap_err().kind(), ErrorKind::ArgumentConflict);
    }
}
