//! Why two runs cannot be compared.

use std::path::PathBuf;

use earmark_datasets::Task;
use earmark_tables::counted;

/// Why two runs cannot be compared. Pairs are in the order of the runs.
#[derive(Debug, thiserror::Error)]
pub enum Incomparable {
    /// The clips of one run have one label each, those of the other may have several.
    #[error("{} cannot be compared: {}", both(runs), kinds(runs, *tasks))]
    Tasks {
        /// The folders of the runs.
        runs: [PathBuf; 2],
        /// What their clips may have.
        tasks: [Task; 2],
    },
    /// The runs have different classes.
    #[error(
        "the classes of {} differ: {}; only runs with the same classes can be compared",
        both(runs),
        only_in(runs, only)
    )]
    Classes {
        /// The folders of the runs.
        runs: [PathBuf; 2],
        /// The classes that only one run has.
        only: [Vec<String>; 2],
    },
    /// The runs have different clips.
    #[error(
        "the {set} clips of {} differ: {}; --common compares the clips that both have",
        both(runs),
        only_in(runs, only)
    )]
    Clips {
        /// The folders of the runs.
        runs: [PathBuf; 2],
        /// `training` or `test`.
        set: &'static str,
        /// The clips that only one run has.
        only: [Vec<String>; 2],
    },
    /// Of the clips that both runs have, some have other labels in the second.
    #[error("{} other labels in {} than in {}: {}; only runs with the same labels can be compared",
        have(clips.len()), runs[1].display(), runs[0].display(),
        listed(&clips.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    Labels {
        /// The folders of the runs.
        runs: [PathBuf; 2],
        /// The clips.
        clips: Vec<Relabelled>,
    },
    /// No training clip is in both runs.
    #[error(
        "{} have no training clip in common, so they cannot be compared: the first clip of {} is {}, that of {} is {}; \
         clips are identified by their names in splits.csv",
        both(runs), runs[0].display(), names[0], runs[1].display(), names[1]
    )]
    NothingInCommon {
        /// The folders of the runs.
        runs: [PathBuf; 2],
        /// The name of the first clip of each.
        names: [String; 2],
    },
}

/// A clip that has other labels in the second run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} ({} instead of {})", labels[1].join(" and "), labels[0].join(" and "))]
pub struct Relabelled {
    /// Its name.
    pub name: String,
    /// Its labels in both runs, sorted.
    pub labels: [Vec<String>; 2],
}

fn both(runs: &[PathBuf; 2]) -> String {
    format!("{} and {}", runs[0].display(), runs[1].display())
}

fn kinds(runs: &[PathBuf; 2], tasks: [Task; 2]) -> String {
    let kind = |task| match task {
        Task::SingleLabel => "have one label each",
        Task::MultiLabel => "may have several labels",
    };
    let [a, b] = tasks.map(kind);
    format!("the clips of {} {a}, those of {} {b}", runs[0].display(), runs[1].display())
}

fn only_in(runs: &[PathBuf; 2], only: &[Vec<String>; 2]) -> String {
    let parts = runs.iter().zip(only).filter(|(_, names)| !names.is_empty());
    let parts = parts.map(|(run, names)| format!("{} only in {} ({})", names.len(), run.display(), listed(names)));
    parts.collect::<Vec<_>>().join(", ")
}

/// At most ten names.
fn listed(names: &[String]) -> String {
    const MOST: usize = 10;
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn have(clips: usize) -> String {
    format!("{} {}", counted(clips, "clip"), if clips == 1 { "has" } else { "have" })
}
