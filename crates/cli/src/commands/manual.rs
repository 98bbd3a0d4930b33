//! `earmark completions` and `earmark man`.

use std::path::Path;

use anyhow::Context;
use clap_complete::Shell;

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
    earmark_files::create_folder(folder)?;
    clap_mangen::generate_to(args::command(), folder)
        .with_context(|| format!("cannot write manual pages to {}", folder.display()))
}
