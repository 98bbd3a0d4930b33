//! `earmark embed`: writes a table of embeddings.

use std::path::Path;

use anyhow::Context;
use earmark_embeddings::{Embeddings, ModelId, Row};
use earmark_tables::counted;
use earmark_tagging::{EmbeddedFile, Embedder, Parallelism};

use super::sounds::Sounds;
use crate::args::Embed;
use crate::output;

/// Runs the command.
pub fn run(options: &Embed) -> anyhow::Result<()> {
    let limits = options.limits.limits()?;
    output::check_place("--out", &options.out)?;
    Embeddings::check_place(&options.out)?;
    let sounds = Sounds::find(&options.paths);
    let model = super::model_of(options.model.as_deref())?;
    let threads = Parallelism::split(options.threads, sounds.paths.len()).files;
    let mut embedder = Embedder::open(&model, options.embedding.as_deref(), options.layers.into(), threads)?;
    embedder.limits = limits;
    let description = embedder.description();
    let id = ModelId { name: description.name.clone(), sha256: embedder.sha256().to_owned() };
    let mut table = Embeddings::new(description.size, Some(id));
    let mut failed = 0;
    embedder.embed_files(&sounds.paths, options.windows, |index, embedded| {
        let path = &sounds.paths[index];
        let added = embedded.map_err(anyhow::Error::from).and_then(|embedded| add(&mut table, path, embedded));
        if let Err(error) = added {
            failed += 1;
            output::error(&output::message(&error));
        }
        Ok::<(), anyhow::Error>(())
    })?;
    if !table.rows().is_empty() {
        table.write(&options.out)?;
        let (rows, size, out) = (table.rows().len(), table.size(), options.out.display());
        output::line(&format!("{out}: {} of {}", counted(rows, "row"), counted(size, "value")));
    }
    sounds.check("embedded", failed)
}

/// Adds the rows of a file.
fn add(table: &mut Embeddings, path: &Path, embedded: EmbeddedFile) -> anyhow::Result<()> {
    for warning in embedded.warnings {
        output::warning(&format!("{}: {warning}", path.display()));
    }
    // A table that named other characters would name no file.
    let name = path.to_str().with_context(|| format!("{}: its name is not UTF-8; rename it", path.display()))?;
    for window in embedded.windows {
        let (path, start, end) = (name.to_owned(), window.start, window.end);
        table.push(Row { path, start, end }, &window.values)?;
    }
    tracing::info!(path = name, "embedded");
    Ok(())
}
