//! What can be wrong with a bundle.

use earmark_features::FeatureError;

use crate::names::SUMS;

/// What is wrong with a bundle, or with the file of it that the error names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFault {
    /// There is no folder, nor anything else, of this name.
    #[error("it does not exist")]
    Missing,
    /// The folder is no finished bundle.
    #[error("it has no {SUMS}; a bundle is the folder RUN/bundle of a finished run")]
    Unfinished,
    /// A pipe, a device, a folder, or a link that leads out of the bundle's folder.
    #[error("it is no regular file inside the bundle's folder")]
    NotRegular,
    /// A file, or all files together, are larger than any bundle that Earmark writes.
    #[error("it has {bytes} bytes{of_all}, and at most {most} are read", of_all = total_of(*total))]
    TooLarge {
        /// Its size, bytes.
        bytes: u64,
        /// The limit, bytes.
        most: u64,
        /// Whether the bytes are those of all files of the bundle together.
        total: bool,
    },
    /// A line of the checksums that has another form.
    #[error("line {line} is not a SHA-256 in 64 lower-case digits, two spaces and a file's name")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A file's name that leads out of the folder, or holds control characters.
    #[error("{name:?} is no name of a file in this folder")]
    Name {
        /// The name.
        name: String,
    },
    /// The bytes are not those that were written.
    #[error("damaged or changed: its SHA-256 is not the one in {SUMS}")]
    Checksum,
    /// No checksum is kept for a file that the bundle needs.
    #[error("the file {name:?} is needed, and {SUMS} does not list it")]
    Unlisted {
        /// The file's name.
        name: String,
    },
    /// No JSON, an unknown key, a missing key, a value of the wrong kind.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A form from before format 1.
    #[error("it was written by a development version; run `earmark stack RUN` to write it again")]
    Development,
    /// A form that this program is too old for.
    #[error("its format is {format}, and this program reads format 1; update Earmark to at least version {earmark}")]
    Newer {
        /// The bundle's format.
        format: u64,
        /// The version of Earmark that wrote it.
        earmark: String,
    },
    /// Too few or too many of something.
    #[error("{count} {what}, allowed are {least} to {most}")]
    Count {
        /// Of what, in the plural: `labels`, `learners`, ...
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Something that must be there once is duplicated.
    #[error("the {what} {name:?} is duplicated")]
    Twice {
        /// `label`, `learner` or `file`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A label or a learner's name that is empty or holds control characters.
    #[error("the {what} {name:?} is empty or has control characters")]
    Text {
        /// `label` or `learner`.
        what: &'static str,
        /// The text.
        name: String,
    },
    /// A value out of its range.
    #[error("{key} = {value} is out of range: {allowed}")]
    Setting {
        /// The key, with the learner that it belongs to.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A front end's setting out of its range.
    #[error("{of}: {source}")]
    FrontEnd {
        /// The learner, or `statistics`.
        of: String,
        /// Which setting, and what is allowed.
        source: FeatureError,
    },
}

fn total_of(total: bool) -> &'static str {
    if total { " of files" } else { "" }
}
