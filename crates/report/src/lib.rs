//! `RUN/report.html`: the results of a run on one self-contained page. The plots are also files in
//! `RUN/report`.

mod answers;
mod error;
mod hardest;
mod image;
mod level2;
mod material;
mod multi_label;
mod page;
mod plots;
mod sections;
mod sounds;
mod svg;
mod versions;
mod words;

use std::path::{Path, PathBuf};

use earmark_pipeline::{Run, RunResults, evaluate_so_far};

pub use error::ReportError;

use material::Material;
use page::Page;
use sounds::Sounds;

/// The file name of the page in a run's folder.
const PAGE: &str = "report.html";
/// The folder of the plots in a run's folder.
const PLOTS: &str = "report";

/// Writes the report of a run, which need not be finished, and returns the path of the page.
/// `sounds` is the folder that contains the sounds, at any depth; the default is the folder that
/// the run was trained from.
///
/// # Errors
/// The folder is not a run, a file of the run is damaged, or the disk fails.
pub fn write(folder: &Path, sounds: Option<&Path>) -> Result<PathBuf, ReportError> {
    write_results(&Run::open(folder)?, &evaluate_so_far(folder)?, sounds)
}

/// Writes the report of a run with these results, and returns the path of its page.
///
/// # Errors
/// Those of [`write()`].
pub fn write_results(run: &Run, results: &RunResults, sounds: Option<&Path>) -> Result<PathBuf, ReportError> {
    let page = match results {
        RunResults::SingleLabel(results) => {
            let material = Material::of(run, results)?;
            let sounds = Sounds::open(run, &material.recipe, sounds)?;
            let mut page = Page::new(&format!("Report of {}", material.name));
            sections::all(&mut page, run, &material, &sounds);
            page
        }
        RunResults::MultiLabel(results) => {
            let material = Material::of(run, results)?;
            let mut page = Page::new(&format!("Report of {}", material.name));
            multi_label::all(&mut page, run, &material, &Sounds::open(run, &material.recipe, sounds)?);
            page
        }
    };
    let _lock = run.lock_level2()?;
    remove_others(&run.path(PLOTS), &page);
    for (name, bytes) in page.files() {
        earmark_files::write_atomic(&run.path(&format!("{PLOTS}/{name}")), bytes)?;
    }
    let path = run.path(PAGE);
    earmark_files::write_atomic(&path, page.html().as_bytes())?;
    Ok(path)
}

/// Removes the plots of an earlier report that this one does not have.
fn remove_others(folder: &Path, page: &Page) {
    let is_kept = |name: &str| page.files().any(|(kept, _)| kept == name);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if (name.ends_with(".svg") || name.ends_with(".png")) && !is_kept(&name) {
            // A file that cannot be removed is on no page.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
