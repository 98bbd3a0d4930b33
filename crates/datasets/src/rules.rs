//! The rules for labels, folds and groups of a data set for training.
//!
//! [`check`](crate::check::check) reports every violated rule; [`open`](crate::open),
//! [`Splits::given`] and [`Splits::stratified`] enforce the same rules, so training stops before
//! anything is decoded. Rules that depend on a recipe (level 2 with a fold for
//! `temperature_scaling` or `early_stopping_rounds`, unverified clips with weight 0) are not
//! included.

use crate::error::DatasetError;
use crate::labels::similar_labels;
use crate::manifest::{ClipEntry, Manifest};
use crate::splits::Splits;
use crate::violation::Violation;

/// The default number of folds to draw.
pub const DEFAULT_FOLDS: usize = 5;

/// The rules that a data set's labels, folds and groups violate; `folds` is the number of folds to
/// draw if the data set defines none. If there is no error among them, [`Splits::of_data`]
/// succeeds, except in one case that depends on the seed: groups that force a class into one drawn
/// fold (checked here with seed 0).
///
/// ```
/// use earmark_datasets::{OpenOptions, Severity, open, violations};
/// let folder = tempfile::tempdir()?;
/// for name in ["Dog/1.wav", "Dog/2.wav", "dog/3.wav", "dog/4.wav", "Rain/5.wav"] {
///     earmark_files::write_atomic(&folder.path().join(name), b"")?;
/// }
/// let found = violations(&open(folder.path(), &OpenOptions::default())?, 2);
/// let found: Vec<_> = found.iter().map(|found| (found.severity, found.reason.to_string())).collect();
/// assert_eq!(found[0], (Severity::Warning, r#"the labels "Dog" and "dog" differ only in case or spaces"#.to_owned()));
/// assert_eq!(found[1].0, Severity::Error);
/// assert!(found[1].1.starts_with(r#"class "Rain" has 1 clip, fewer than the 2"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn violations(manifest: &Manifest, folds: usize) -> Vec<Violation> {
    let mut found: Vec<Violation> = similar_labels(&manifest.labels).into_iter().map(Violation::warning).collect();
    found.extend(if manifest.gives_folds() { given_folds(manifest) } else { drawn_folds(manifest, folds) });
    found
}

fn given_folds(manifest: &Manifest) -> Vec<Violation> {
    let without: Vec<&ClipEntry> = manifest.train.iter().filter(|item| item.fold.is_none()).collect();
    match without.first() {
        Some(first) => {
            let reason = DatasetError::NoFold { name: first.name.clone(), clips: without.len() };
            vec![Violation::error(reason).of(without)]
        }
        None => Splits::in_manifest(manifest).violations(manifest),
    }
}

fn drawn_folds(manifest: &Manifest, folds: usize) -> Vec<Violation> {
    Splits::stratified(manifest, folds, 0).err().map(Violation::error).into_iter().collect()
}
