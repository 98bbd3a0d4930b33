//! `earmark similar`: the nearest rows of a table of embeddings.

use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_embeddings::{Embeddings, ModelId, Row, best_of_each_path, cosines, ranked};
use earmark_features::Layers;
use earmark_tables::text_table;
use earmark_tagging::{Embedder, ModelStore};
use serde::Serialize;

use crate::args::Similar;
use crate::output;

/// A row that is listed.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    row: &'a Row,
    cosine: f64,
}

/// Runs the command.
pub fn run(options: &Similar) -> anyhow::Result<()> {
    let limits = options.limits.limits()?;
    let table = Embeddings::read(&options.table)?;
    let mut embedder = open(options, &table)?;
    embedder.limits = limits;
    let embedded = embedder.embed_file(&options.query, false)?;
    for warning in embedded.warnings {
        output::warning(&format!("{}: {warning}", options.query.display()));
    }
    let query = embedded.windows.first().context("a clip has an embedding")?;
    let cosines = cosines(&table, &query.values, options.threads)?;
    let wanted = |row: &usize| options.with_query || !names(&table.rows()[*row], &options.query);
    let ranked = ranked(&cosines).filter(wanted);
    let top = usize::try_from(options.top).unwrap_or(usize::MAX);
    let rows: Vec<usize> = match options.windows {
        true => ranked.take(top).collect(),
        false => best_of_each_path(&table, ranked).take(top).collect(),
    };
    let found: Vec<Found<'_>> =
        rows.into_iter().map(|row| Found { row: &table.rows()[row], cosine: cosines[row] }).collect();
    match (options.json, options.csv) {
        (true, _) => output::print_json(&found),
        (_, true) => output::print(&csv(&found)?),
        _ => output::print(&text_table(&lines(&found))),
    }
}

/// The network that made the table.
fn open(options: &Similar, table: &Embeddings) -> anyhow::Result<Embedder> {
    let store = ModelStore::open()?;
    let x = options.table.display();
    let Some(ModelId { name, sha256 }) = &table.model else {
        let named = options.model.as_deref();
        let named = named.with_context(|| format!("{x} does not name the model that made it; name it by --model"))?;
        let folder = store.resolve(named, Path::new(""))?;
        let stages = || Embedder::open(&folder, None, Layers::Stages, 1);
        let last = Embedder::open(&folder, None, Layers::Last, 1)?;
        return Ok(if last.description().size == table.size() { last } else { stages().unwrap_or(last) });
    };
    let made = format!("{x} was made by the model {name} with the SHA-256 {sha256}");
    let folder: PathBuf = match &options.model {
        Some(model) => store.resolve(model, Path::new(""))?,
        None => store.find_sha256(sha256)?.with_context(|| {
            format!("{made}, which is not installed; install it, name its bundle by --model, or embed again")
        })?,
    };
    Embedder::open_sha256(&folder, (sha256, table.size()), 1)?.with_context(|| {
        let other = folder.display();
        format!("{made}, and {other} has another network, whose embeddings cannot be compared; embed again with it")
    })
}

/// Whether a row is of this file. Only files of the same name are compared on disk.
fn names(row: &Row, query: &Path) -> bool {
    let path = Path::new(&row.path);
    path.file_name() == query.file_name() && earmark_files::same_file(path, query)
}

fn csv(found: &[Found<'_>]) -> anyhow::Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["path", "start", "end", "cosine"])?;
    for Found { row: Row { path, start, end }, cosine } in found {
        csv.write_record([path, &start.to_string(), &end.to_string(), &cosine.to_string()])?;
    }
    Ok(String::from_utf8(csv.into_inner().context("cannot write CSV")?)?)
}

fn lines(found: &[Found<'_>]) -> Vec<Vec<String>> {
    let header = ["path", "start", "end", "cosine"].map(str::to_owned).to_vec();
    let line = |Found { row, cosine }: &Found<'_>| {
        vec![row.path.clone(), format!("{:.2} s", row.start), format!("{:.2} s", row.end), format!("{cosine:.4}")]
    };
    std::iter::once(header).chain(found.iter().map(line)).collect()
}
