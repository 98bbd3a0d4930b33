//! `RUN/report.html`: what a run has made of its data, in one file that needs nothing else; its plots in `RUN/report`.

mod answers;
mod hardest;
mod image;
mod level2;
mod material;
mod page;
mod plots;
mod sections;
mod sounds;
mod svg;
mod versions;
mod words;

use std::path::Path;

pub use sounds::remember;

use crate::args::Report;
use crate::output;
use crate::run::Run;
use crate::systems::Results;
use material::Material;
use page::Page;
use sounds::Sounds;

/// The page, in a run's folder.
const PAGE: &str = "report.html";
/// The plots, in a run's folder.
const PLOTS: &str = "report";

pub fn run(options: &Report) -> anyhow::Result<()> {
    if let Some(data) = &options.data {
        anyhow::ensure!(data.is_dir(), "--data {}: there is no such folder", data.display());
    }
    let run = Run::open(&options.run)?;
    write_with(&run, &Results::so_far(&run)?, options.data.as_deref())?;
    output::tell(&format!("wrote {}", run.path(PAGE).display()));
    Ok(())
}

/// Writes the report of a run and its results.
///
/// # Errors
/// A file of the run that is damaged, or the disk.
pub fn write(run: &Run, results: &Results) -> anyhow::Result<()> {
    write_with(run, results, None)
}

/// Removes the plots of an earlier report that this one has not.
fn remove_others(folder: &Path, page: &Page) {
    let is_kept = |name: &str| page.files().any(|(kept, _)| kept == name);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if (name.ends_with(".svg") || name.ends_with(".png")) && !is_kept(&name) {
            // What cannot be removed is only in nobody's report.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn write_with(run: &Run, results: &Results, sounds: Option<&Path>) -> anyhow::Result<()> {
    let material = Material::of(run, results)?;
    let sounds = Sounds::open(run, &material.recipe, sounds)?;
    let mut page = Page::new(&format!("Report of {}", material.name));
    sections::all(&mut page, run, &material, &sounds);
    remove_others(&run.path(PLOTS), &page);
    for (name, bytes) in page.files() {
        earmark_files::write_atomic(&run.path(&format!("{PLOTS}/{name}")), bytes)?;
    }
    Ok(earmark_files::write_atomic(&run.path(PAGE), page.html().as_bytes())?)
}
