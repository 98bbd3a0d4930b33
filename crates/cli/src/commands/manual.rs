//! `earmark completions` and `earmark man`.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{args, output};

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "earmark", &mut script);
    output::print(&String::from_utf8(script)?)
}

/// Writes a manual page for each command.
pub fn pages(folder: &Path) -> anyhow::Result<()> {
    output::check_place("FOLDER", &folder.join("earmark.1"))?;
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    page(command, folder)
}

/// Writes the manual pages of a command and of those below it.
fn page(command: Command, folder: &Path) -> anyhow::Result<()> {
    let inner: Vec<Command> = command.get_subcommands().filter(|inner| !inner.is_hide_set()).cloned().collect();
    inner.into_iter().try_for_each(|command| page(command, folder))?;
    let page = Man::new(command);
    let mut text = Vec::new();
    page.render(&mut text)?;
    // What ends the help of a command are its examples.
    let text = String::from_utf8(text)?.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    Ok(earmark_files::write_atomic(&folder.join(page.get_filename()), text.as_bytes())?)
}
