//! Validation of class labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::clip_list::ListedClip;
use crate::error::{DatasetError, LabelFault};

/// Reserved column names in the tables of a run, which have a column per class.
const RESERVED: [&str; 1] = ["fname"];

/// An error for each label that cannot name a class, with the location of its first occurrence.
pub(crate) fn impossible_labels(rows: &[ListedClip]) -> Vec<DatasetError> {
    let mut seen = BTreeSet::new();
    let labels = rows.iter().flat_map(|row| row.labels.iter().map(move |label| (row, label.as_str())));
    let first = labels.filter(|(_, label)| seen.insert(*label));
    let fault = |(row, label): (&ListedClip, &str)| {
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

/// Errors for labels that are easily confused.
pub(crate) fn similar_labels(labels: &[String]) -> Vec<DatasetError> {
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
