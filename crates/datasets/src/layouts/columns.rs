//! Reading the rows of a table, with alternative column names.

use std::path::PathBuf;

use crate::clip_list::{ClipList, ListedClip};
use crate::error::DatasetError;
use crate::options::{OpenOptions, Usage};
use crate::table::ClipTable;

const NAME: [&str; 6] = ["fname", "filename", "file_name", "slice_file_name", "file", "path"];
const LABEL: [&str; 3] = ["label", "category", "class"];
const LABELS: [&str; 4] = ["labels", "label", "category", "class"];
const FOLD: [&str; 1] = ["fold"];
const GROUP: [&str; 5] = ["group", "freesound_id", "flickr_video_URL", "src_file", "fsID"];
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

impl ClipList {
    /// Adds the training clips of a table.
    pub(super) fn take_train(&mut self, listed: Listed) {
        self.train.extend(listed.rows);
        self.excluded.extend(listed.excluded);
    }

    /// Adds the test clips of a table.
    pub(super) fn take_test(&mut self, listed: Listed) {
        self.test.extend(listed.rows);
        self.excluded.extend(listed.excluded);
    }
}

/// The columns with the labels.
enum LabelColumns {
    /// The labels are unknown.
    Unknown,
    /// One label per clip.
    One(usize),
    /// Several, with a separator between them.
    Several(usize, String),
    /// A column of 0 and 1 per class.
    OneHot(Vec<usize>),
}

impl LabelColumns {
    /// A training table must have them. A test table without any has hidden labels.
    fn find(table: &ClipTable, purpose: Purpose, options: &OpenOptions) -> Result<Self, DatasetError> {
        let one_hot = &options.columns.one_hot;
        let named: Vec<&str> = match (&options.columns.label, &options.label_separator) {
            _ if !one_hot.is_empty() => one_hot.iter().map(String::as_str).collect(),
            (Some(name), _) => vec![name],
            (None, Some(_)) => LABELS.to_vec(),
            (None, None) => LABEL.to_vec(),
        };
        let found = table.find(&named);
        if purpose == Purpose::Names || (found.is_none() && purpose != Purpose::Train) {
            return Ok(Self::Unknown);
        }
        if !one_hot.is_empty() {
            return named.iter().map(|name| table.column(&[name])).collect::<Result<_, _>>().map(Self::OneHot);
        }
        let column = table.column(&named)?;
        Ok(match &options.label_separator {
            Some(separator) => Self::Several(column, separator.clone()),
            None => Self::One(column),
        })
    }

    /// The labels of a row. Those of test clips may be empty, if they are hidden.
    fn read(
        &self,
        table: &ClipTable,
        line: u64,
        fields: &[String],
        required: bool,
    ) -> Result<Vec<String>, DatasetError> {
        let is_empty = |column: usize| fields.get(column).is_none_or(String::is_empty);
        match self {
            Self::Unknown => Ok(Vec::new()),
            Self::One(column) | Self::Several(column, _) if is_empty(*column) && !required => Ok(Vec::new()),
            Self::One(column) => Ok(vec![table.value(line, fields, *column)?.to_owned()]),
            Self::Several(column, separator) => {
                let labels = table.value(line, fields, *column)?.split(separator.as_str());
                Ok(labels.map(|label| label.trim().to_owned()).collect())
            }
            Self::OneHot(columns) if columns.iter().all(|column| is_empty(*column)) && !required => Ok(Vec::new()),
            Self::OneHot(columns) => {
                let mut labels = Vec::new();
                for column in columns {
                    if table.flag(line, fields, *column)? {
                        labels.push(table.name(*column));
                    }
                }
                match labels.is_empty() && required {
                    true => Err(DatasetError::NoClassIsOne { place: table.place(line) }),
                    false => Ok(labels),
                }
            }
        }
    }
}

/// The indices of the columns.
struct Columns {
    name: usize,
    labels: LabelColumns,
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
        let only = match &options.rows_where {
            Some((column, value)) => find(&Some(column.clone()), &[])?.map(|column| (column, value.clone())),
            None => None,
        };
        Ok(Self {
            name,
            labels: LabelColumns::find(table, purpose, options)?,
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
            labels: columns.labels.read(table, line, fields, purpose == Purpose::Train)?,
            verified: columns.verified.map_or(Ok(true), |column| table.flag(line, fields, column))?,
            fold: owned(columns.fold)?,
            group: owned(columns.group)?,
            usage: columns.usage(table, line, fields)?,
            place: table.place(line),
        });
    }
    Ok(listed)
}
