//! What labels, folds and groups must be so that a data set can be trained on: one list of rules.
//!
//! [`check`](crate::check::check) reports every rule that is broken; [`open`](crate::open),
//! [`Splits::given`] and [`Splits::stratified`] refuse by the same rules, so training stops before
//! anything is decoded. What depends on a recipe (level 2 with a fold for `temperature_scaling` or
//! `early_stopping_rounds`, unverified clips that weigh nothing) is not decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::error::{DatasetError, LabelFault};
use crate::manifest::{ClipEntry, Manifest, Row};
use crate::splits::Splits;

/// Folds that are drawn where nobody asks for another number.
pub const DEFAULT_FOLDS: usize = 5;

/// Names of columns in the tables of a run, which have a column per class.
const RESERVED: [&str; 1] = ["fname"];

/// Whether a data set can be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Training stops, or its scores would be wrong.
    Error,
    /// It is worth a look.
    Warning,
}

/// A rule that a data set breaks.
#[derive(Debug)]
pub struct Violation {
    /// Whether training stops.
    pub severity: Severity,
    /// The rule, and what breaks it.
    pub reason: DatasetError,
    /// The files that it is about, if any.
    pub files: Vec<PathBuf>,
}

impl Violation {
    pub(crate) fn error(reason: DatasetError) -> Self {
        Self { severity: Severity::Error, reason, files: Vec::new() }
    }

    pub(crate) fn warning(reason: DatasetError) -> Self {
        Self { severity: Severity::Warning, reason, files: Vec::new() }
    }

    pub(crate) fn of<'a>(self, items: impl IntoIterator<Item = &'a ClipEntry>) -> Self {
        Self { files: items.into_iter().map(|item| item.path.clone()).collect(), ..self }
    }
}

/// The rules that a data set breaks by its labels, folds and groups; `folds` is how many would be
/// drawn if it gives none. Without an error among them, [`Splits::of_data`] succeeds, but for one
/// case that hangs on the seed: groups that drive a class into one drawn fold (judged here by seed
/// 0).
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
/// assert!(found[1].0 == Severity::Error && found[1].1.starts_with(r#"class "Rain" has 1 clip but there are 2 folds"#));
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
    let small = crate::splits::too_small_classes(manifest, folds).unwrap_or_default();
    let drawn = || Splits::stratified(manifest, folds, 0).err().into_iter().collect();
    let faults: Vec<DatasetError> = if small.is_empty() { drawn() } else { small };
    faults.into_iter().map(Violation::error).collect()
}

/// Labels that cannot be class names, each with the place where it stands first.
pub(crate) fn impossible_labels(rows: &[Row]) -> Vec<DatasetError> {
    let mut seen = BTreeSet::new();
    let labels = rows.iter().filter_map(|row| Some((row, row.label.as_deref()?)));
    let first = labels.filter(|(_, label)| seen.insert(*label));
    let fault = |(row, label): (&Row, &str)| {
        let fault = label_fault(label)?;
        Some(DatasetError::Label { place: row.place.clone(), label: label.to_owned(), fault })
    };
    first.filter_map(fault).collect()
}

/// Why a text cannot name a class. Labels are lines of a run's `labels.txt` and columns of its
/// tables.
fn label_fault(label: &str) -> Option<LabelFault> {
    if label.trim().is_empty() {
        Some(LabelFault::Empty)
    } else if label.contains(char::is_control) {
        Some(LabelFault::ControlCharacter)
    } else if label.contains(char::REPLACEMENT_CHARACTER) {
        Some(LabelFault::NotUnicode)
    } else if RESERVED.contains(&label) {
        Some(LabelFault::Reserved)
    } else {
        None
    }
}

/// Labels that people would take for one.
fn similar_labels(labels: &[String]) -> Vec<DatasetError> {
    let mut forms: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for label in labels {
        let words: Vec<String> = label.split_whitespace().map(str::to_lowercase).collect();
        forms.entry(words.join(" ")).or_default().push(label);
    }
    let several = forms.into_values().filter(|forms| forms.len() > 1);
    several.map(|forms| DatasetError::SimilarLabels { labels: forms.into_iter().cloned().collect() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_line_and_a_column() {
        for good in ["Dog", "dog bark", "Hund, groß", "fnames", "a\u{a0}b", "\"quoted\"", "label"] {
            assert_eq!(label_fault(good), None, "{good:?}");
        }
        for (bad, fault) in [
            ("", LabelFault::Empty),
            (" ", LabelFault::Empty),
            ("Be\nll", LabelFault::ControlCharacter),
            ("Be\tll", LabelFault::ControlCharacter),
            ("\x1b[31mBell", LabelFault::ControlCharacter),
            ("Be\0ll", LabelFault::ControlCharacter),
            ("Be\u{85}ll", LabelFault::ControlCharacter),
            ("Be\u{fffd}ll", LabelFault::NotUnicode),
            ("fname", LabelFault::Reserved),
        ] {
            assert_eq!(label_fault(bad), Some(fault), "{bad:?}");
        }
    }

    #[test]
    fn labels_that_look_alike_are_named_together() {
        let labels = ["Bark", "Dog  bark", "Rain", "bark", "dog bark", "rainy"].map(str::to_owned);
        let similar: Vec<String> = similar_labels(&labels).iter().map(ToString::to_string).collect();
        let expected = [("Bark", "bark"), ("Dog  bark", "dog bark")];
        assert_eq!(similar, expected.map(|(a, b)| format!("the labels {a:?} and {b:?} differ only in case or spaces")));
    }
}
