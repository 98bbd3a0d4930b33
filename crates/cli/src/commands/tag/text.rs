//! The forms of the output.

use anyhow::Context;
use earmark_tables::printable;
use earmark_tagging::Tag;
use serde::Serialize;
use serde_json::json;

use crate::args::Form;
use crate::output::Exit;

/// What is written about each file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Tags,
    Windows,
    Events,
}

/// An element of a file's list.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Item<'a> {
    Tag(&'a Tag),
    Window { start: f64, end: f64, tags: &'a [Tag] },
    Event { label: &'a str, start: f64, end: f64, score: f32 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    People,
    Json,
    NdJson,
    Csv,
    Audacity,
    Raven,
}

/// Turns results into text, piece by piece.
pub struct Text {
    format: Format,
    content: Content,
    /// For selection tables: the highest frequency, Hz, and the channel, from 1 on.
    bandwidth: f64,
    channel: u64,
    path: String,
    /// Number of files, and of items and rows of the current file, so far.
    files: usize,
    items: usize,
    rows: usize,
    /// Rows of all files.
    selections: usize,
}

impl Text {
    /// # Errors
    /// A format that the content does not have.
    pub fn new(form: &Form, content: Content, bandwidth: f64, channel: Option<u64>) -> anyhow::Result<Self> {
        let format = match form {
            Form { json: true, .. } => Format::Json,
            Form { ndjson: true, .. } => Format::NdJson,
            Form { csv: true, .. } => Format::Csv,
            Form { audacity: true, .. } => Format::Audacity,
            Form { raven: true, .. } => Format::Raven,
            _ => Format::People,
        };
        if content == Content::Tags && matches!(format, Format::Audacity | Format::Raven) {
            let wrong = "these labels have times; add --timeline or --events";
            return Err(Exit::WrongUsage(wrong.to_owned()).into());
        }
        let channel = channel.unwrap_or(1);
        let (files, items, rows, selections) = (0, 0, 0, 0);
        Ok(Self { format, content, bandwidth, channel, path: String::new(), files, items, rows, selections })
    }

    /// The extension of its files.
    pub fn extension(&self) -> &'static str {
        match self.format {
            Format::People | Format::Audacity => "txt",
            Format::Json => "json",
            Format::NdJson => "ndjson",
            Format::Csv => "csv",
            Format::Raven => "selections.txt",
        }
    }

    /// Whether the output of a sound is whole lines, so that others can follow later.
    pub fn is_of_lines(&self) -> bool {
        matches!(self.format, Format::Csv | Format::NdJson)
    }

    /// Whether labels do not name their file, so that those of several files would be mixed up.
    pub fn is_of_one_file(&self) -> bool {
        self.format == Format::Audacity
    }

    /// The start of the output.
    pub fn begin(&mut self) -> String {
        (self.files, self.selections) = (0, 0);
        let text = match (self.format, self.content) {
            (Format::Json, _) => "[",
            (Format::Csv, Content::Tags) => "path,label,score\n",
            (Format::Csv, Content::Windows) => "path,start,end,label,score\n",
            (Format::Csv, Content::Events) => "path,label,start,end,score\n",
            (Format::Raven, _) => {
                "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin \
                 Path\tFile Offset (s)\tLabel\tScore\n"
            }
            _ => "",
        };
        text.to_owned()
    }

    /// The start of a file.
    pub fn file(&mut self, path: String) -> anyhow::Result<String> {
        let key = match self.content {
            Content::Tags => "tags",
            Content::Windows => "windows",
            Content::Events => "events",
        };
        let object = format!("{{\"path\": {}, \"{key}\": [", serde_json::to_string(&path)?);
        let text = match self.format {
            Format::Json if self.files > 0 => format!(",\n  {object}"),
            Format::Json => format!("\n  {object}"),
            Format::NdJson => object,
            Format::People => format!("{}\n", printable(&path)),
            Format::Csv | Format::Audacity | Format::Raven => String::new(),
        };
        (self.path, self.items, self.rows) = (path, 0, 0);
        self.files += 1;
        Ok(text)
    }

    /// An item of the file.
    pub fn item(&mut self, item: &Item<'_>) -> anyhow::Result<String> {
        let comma = if self.items > 0 { "," } else { "" };
        self.items += 1;
        let text = match self.format {
            Format::Json => format!("{comma}\n    {}", serde_json::to_string(item)?),
            Format::NdJson => comma.to_owned() + &serde_json::to_string(item)?,
            Format::People => line(item),
            Format::Csv | Format::Audacity | Format::Raven => {
                let rows = rows(item).into_iter().map(|row| self.row(row)).collect::<anyhow::Result<Vec<_>>>()?;
                rows.concat()
            }
        };
        Ok(text)
    }

    /// The end of the file, which may be damaged from here on.
    pub fn end_file(&mut self, error: Option<&str>) -> anyhow::Result<String> {
        let error = error.map(|error| format!(", \"error\": {}", json!(error))).unwrap_or_default();
        let text = match self.format {
            Format::Json if self.items > 0 => format!("\n  ]{error}}}"),
            Format::Json => format!("]{error}}}"),
            Format::NdJson => format!("]{error}}}\n"),
            // Every file has a row.
            Format::Csv if self.rows == 0 => {
                let columns = if self.content == Content::Tags { 3 } else { 5 };
                let mut row = vec![String::new(); columns];
                row[0].clone_from(&self.path);
                csv_row(&row)?
            }
            Format::Csv | Format::People | Format::Audacity | Format::Raven => String::new(),
        };
        Ok(text)
    }

    /// The end of the output.
    pub fn end(&self) -> &'static str {
        match self.format {
            Format::Json if self.files > 0 => "\n]\n",
            Format::Json => "]\n",
            _ => "",
        }
    }

    /// A line of a table.
    fn row(&mut self, Row { time, label, score }: Row<'_>) -> anyhow::Result<String> {
        self.rows += 1;
        self.selections += 1;
        let (path, score) = (&self.path, score.to_string());
        let (start, end) = time.unwrap_or_default();
        let (from, to) = (start.to_string(), end.to_string());
        Ok(match (self.format, self.content) {
            (Format::Audacity, _) => format!("{start:.6}\t{end:.6}\t{}\n", one_line(label)),
            (Format::Raven, _) => format!(
                "{}\tSpectrogram 1\t{}\t{start:.6}\t{end:.6}\t0\t{}\t{}\t{start:.6}\t{}\t{score}\n",
                self.selections,
                self.channel,
                self.bandwidth,
                one_line(path),
                one_line(label)
            ),
            (_, Content::Tags) => csv_row(&[path.as_str(), label, &score])?,
            (_, Content::Windows) => csv_row(&[path.as_str(), &from, &to, label, &score])?,
            (_, Content::Events) => csv_row(&[path.as_str(), label, &from, &to, &score])?,
        })
    }
}

/// A label with its time and score.
struct Row<'a> {
    time: Option<(f64, f64)>,
    label: &'a str,
    score: f32,
}

fn rows<'a>(item: &Item<'a>) -> Vec<Row<'a>> {
    let of = |tag: &'a Tag, time| Row { time, label: &tag.label, score: tag.score };
    match *item {
        Item::Tag(tag) => vec![of(tag, None)],
        Item::Window { start, end, tags } => tags.iter().map(|tag| of(tag, Some((start, end)))).collect(),
        Item::Event { label, start, end, score } => vec![Row { time: Some((start, end)), label, score }],
    }
}

/// An item for people.
fn line(item: &Item<'_>) -> String {
    let percent = |score: f32| format!("{:>5.1} %", score * 100.0);
    match item {
        Item::Tag(tag) => format!("  {}  {}\n", percent(tag.score), tag.label),
        Item::Window { start, end, tags } => {
            let tags = tags.iter().map(|tag| format!("{}  {}", percent(tag.score), tag.label));
            format!("  {start:>8.2} to {end:>8.2} s  {}\n", tags.collect::<Vec<_>>().join(","))
        }
        Item::Event { label, start, end, score } => {
            format!("  {start:>8.2} to {end:>8.2} s  {}  {label}\n", percent(*score))
        }
    }
}

/// Without the characters that end a cell or a line.
fn one_line(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

fn csv_row<T: AsRef<[u8]>>(cells: &[T]) -> anyhow::Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(cells)?;
    Ok(String::from_utf8(csv.into_inner().context("cannot write CSV")?)?)
}
