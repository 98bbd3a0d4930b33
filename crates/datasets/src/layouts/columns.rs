//! Reading the rows of a table, with alternative column names.

use std::path::PathBuf;

use crate::clip_list::ListedClip;
use crate::error::DatasetError;
use crate::options::{OpenOptions, Usage};
use crate::table::ClipTable;

const NAME: [&str; 6] = ["fname", "filename", "file_name", "slice_file_name", "file", "path"];
const LABEL: [&str; 3] = ["label", "category", "class"];
const FOLD: [&str; 1] = ["fold"];
const GROUP: [&str; 4] = ["group", "freesound_id", "src_file", "fsID"];
const VERIFIED: [&str; 2] = ["manually_verified", "verified"];

/// The purpose of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Training clips: labels are required.
    Train,
    /// Clips to predict: labels are optional.
    Test,
    /// Test clips of a challenge: a column `usage`, and clips that the challenge ignored.
    Competition,
    /// Only names.
    Names,
}

/// The clips of a table.
pub(super) struct Listed {
    pub rows: Vec<ListedClip>,
    /// Audio files that the table names but that are not part of the data set.
    pub excluded: Vec<PathBuf>,
}

/// The indices of the columns.
struct Columns {
    name: usize,
    label: Option<usize>,
    fold: Option<usize>,
    group: Option<usize>,
    verified: Option<usize>,
    usage: Option<usize>,
    /// A column and its value in the rows to keep.
    only: Option<(usize, String)>,
}

impl Columns {
    fn find(table: &ClipTable, purpose: Purpose, options: &OpenOptions) -> Result<Self, DatasetError> {
        let asked = &options.columns;
        // A column that the caller names is required in the training table; in a test table only
        // the name column is required.
        let find = |asked: &Option<String>, synonyms: &[&str]| match asked {
            _ if purpose == Purpose::Names => Ok(None),
            Some(name) if purpose == Purpose::Train => table.column(&[name]).map(Some),
            Some(name) => Ok(table.find(&[name])),
            None => Ok(table.find(synonyms)),
        };
        let name = name_column(table, options)?;
        let label = match find(&asked.label, &LABEL)? {
            None if purpose == Purpose::Train => Some(table.column(&LABEL)?),
            found => found,
        };
        let only = match &options.rows_where {
            Some((column, value)) => find(&Some(column.clone()), &[])?.map(|column| (column, value.clone())),
            None => None,
        };
        Ok(Self {
            name,
            label,
            fold: find(&asked.fold, &FOLD)?,
            group: find(&asked.group, &GROUP)?,
            verified: find(&asked.verified, &VERIFIED)?,
            usage: if purpose == Purpose::Competition { table.find(&["usage"]) } else { None },
            only,
        })
    }

    /// Whether to skip a row because its clip is not part of the data set.
    fn leave_out(&self, fields: &[String]) -> bool {
        let is = |column: usize, value: &str| fields.get(column).is_some_and(|field| field == value);
        let ignored = self.usage.is_some_and(|usage| is(usage, "Ignored"));
        ignored || self.only.as_ref().is_some_and(|(column, value)| !is(*column, value))
    }

    fn usage(&self, table: &ClipTable, line: u64, fields: &[String]) -> Result<Option<Usage>, DatasetError> {
        let Some(column) = self.usage else { return Ok(None) };
        match table.value(line, fields, column)? {
            "Public" => Ok(Some(Usage::Public)),
            "Private" => Ok(Some(Usage::Private)),
            other => Err(table.bad_value(line, column, other, "Public, Private or Ignored")),
        }
    }
}

/// The index of the column with the names of the clips.
pub(super) fn name_column(table: &ClipTable, options: &OpenOptions) -> Result<usize, DatasetError> {
    match &options.columns.name {
        Some(name) => table.column(&[name]),
        None => table.column(&NAME),
    }
}

/// Reads the rows of a table; `audio` returns the path of a row's file from its fields and its
/// name. A column that exists must have a value in every row.
pub(super) fn rows(
    table: &ClipTable,
    purpose: Purpose,
    options: &OpenOptions,
    audio: &dyn Fn(&[String], &str) -> PathBuf,
) -> Result<Listed, DatasetError> {
    let columns = Columns::find(table, purpose, options)?;
    let mut listed = Listed { rows: Vec::new(), excluded: Vec::new() };
    for (line, fields) in table.rows() {
        let value = |column| table.value(line, fields, column);
        let owned = |column: Option<usize>| column.map(value).transpose().map(|value| value.map(str::to_owned));
        let name = value(columns.name)?;
        let path = audio(fields, name);
        if columns.leave_out(fields) {
            listed.excluded.push(path);
            continue;
        }
        listed.rows.push(ListedClip {
            name: name.to_owned(),
            path,
            label: match purpose {
                Purpose::Train => owned(columns.label)?,
                // The labels of test clips may be empty, if they are hidden.
                _ => columns.label.and_then(|label| fields.get(label)).filter(|label| !label.is_empty()).cloned(),
            },
            verified: columns.verified.map_or(Ok(true), |column| table.flag(line, fields, column))?,
            fold: owned(columns.fold)?,
            group: owned(columns.group)?,
            usage: columns.usage(table, line, fields)?,
            place: table.place(line),
        });
    }
    Ok(listed)
}
