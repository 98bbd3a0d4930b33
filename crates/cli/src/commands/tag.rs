//! `earmark tag`: predicts the tags of sounds.

use std::path::Path;

use anyhow::Context;
use earmark_tagging::{ModelStore, Parallelism, Tag as Scored, Tagger};
use serde::Serialize;

use super::sounds::Sounds;
use crate::args::Tag;
use crate::output;

/// The tags of one file, as serialized to JSON. JSON can only contain Unicode: other bytes of a
/// file name become U+FFFD.
#[derive(Serialize)]
struct Answer {
    path: String,
    tags: Vec<Scored>,
}

/// Tags per file if each clip has one label.
const TOP: u64 = 3;

/// Runs the command.
pub fn run(options: &Tag) -> anyhow::Result<()> {
    let limits = options.limits.limits()?;
    let sounds = Sounds::find(&options.paths);
    let paths = &sounds.paths;
    let store = ModelStore::open()?;
    let model = match &options.model {
        Some(model) => store.resolve(model, Path::new(""))?,
        None => store.default_path()?,
    };
    let mut tagger = Tagger::open(&model, Parallelism::split(options.threads, paths.len()))?;
    tagger.limits = limits;
    let mut printer = Printer::begin(options)?;
    let mut failed = 0;
    tagger.tag_files(paths, |index, tagged| {
        let path = &paths[index];
        match tagged {
            Ok(tagged) => {
                tracing::info!(path = %path.display(), "tagged");
                for warning in tagged.warnings {
                    output::warning(&format!("{}: {warning}", path.display()));
                }
                printer.print(path.display().to_string(), tagged.tags)
            }
            Err(error) => {
                failed += 1;
                output::error(&output::message(&error.into()));
                Ok(())
            }
        }
    })?;
    printer.end()?;
    sounds.check("tagged", failed)
}

/// Writes the tags of each file to stdout immediately, so that a killed batch keeps its finished
/// part.
struct Printer<'a> {
    options: &'a Tag,
    files: usize,
}

impl<'a> Printer<'a> {
    fn begin(options: &'a Tag) -> anyhow::Result<Self> {
        match (options.json, options.csv) {
            (true, _) => output::print("[")?,
            (_, true) => output::print("path,label,score\n")?,
            _ => {}
        }
        Ok(Self { options, files: 0 })
    }

    fn print(&mut self, path: String, mut tags: Vec<Scored>) -> anyhow::Result<()> {
        let Tag { all, top, min_score, .. } = self.options;
        if !all {
            let has_thresholds = tags.iter().any(|tag| tag.threshold.is_some());
            tags.retain(Scored::is_given);
            let most = top.unwrap_or(if has_thresholds { u64::MAX } else { TOP });
            tags.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        tags.retain(|tag| tag.score >= *min_score);
        let answer = Answer { path, tags };
        let text = match (self.options.json, self.options.csv) {
            (true, _) => {
                let comma = if self.files > 0 { "," } else { "" };
                format!("{comma}\n  {}", serde_json::to_string_pretty(&answer)?.replace('\n', "\n  "))
            }
            (_, true) => csv(&answer)?,
            _ => lines(&answer),
        };
        self.files += 1;
        output::print(&text)
    }

    fn end(&self) -> anyhow::Result<()> {
        match (self.options.json, self.files) {
            (true, 0) => output::print("]\n"),
            (true, _) => output::print("\n]\n"),
            _ => Ok(()),
        }
    }
}

fn csv(answer: &Answer) -> anyhow::Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for tag in &answer.tags {
        csv.write_record([&answer.path, &tag.label, &tag.score.to_string()])?;
    }
    Ok(String::from_utf8(csv.into_inner().context("cannot write CSV")?)?)
}

fn lines(answer: &Answer) -> String {
    let tags = answer.tags.iter().map(|tag| format!("  {:>5.1} %  {}\n", tag.score * 100.0, tag.label));
    format!("{}\n{}", answer.path, tags.collect::<String>())
}
