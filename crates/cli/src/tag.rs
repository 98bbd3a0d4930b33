//! `earmark tag`: sounds in, tags out.

use std::path::PathBuf;

use anyhow::Context;
use earmark_datasets::sound_files;
use earmark_tagging::{Tag as Tagged, Tagger};
use serde::Serialize;

use crate::args::Tag;
use crate::output;

/// The tags of one file, in the form that scripts read. JSON holds Unicode only: other bytes of a name become U+FFFD.
#[derive(Serialize)]
struct Answer {
    path: String,
    tags: Vec<Tagged>,
}

pub fn run(options: &Tag) -> anyhow::Result<()> {
    let paths = files(&options.paths)?;
    let limits = options.limits.limits()?;
    let mut tagger = Tagger::open(&options.model, options.threads)?;
    tagger.limits = limits;
    let mut answers = Vec::new();
    let mut failed = 0;
    if options.csv {
        output::print("path,label,score\n")?;
    }
    for path in paths {
        // One bad file must not cost the batch.
        match tagger.tag_file(&path) {
            Ok(mut tags) => {
                tags.truncate(usize::try_from(options.top).unwrap_or(usize::MAX));
                tags.retain(|tag| tag.score >= options.min_score);
                let answer = Answer { path: path.display().to_string(), tags };
                if options.json {
                    answers.push(answer);
                } else {
                    output::print(&lines(&answer, options.csv)?)?;
                }
            }
            Err(error) => {
                failed += 1;
                output::tell(&format!("error: {}", output::message(&error.into())));
            }
        }
    }
    if options.json {
        output::print_json(&answers)?;
    }
    anyhow::ensure!(failed == 0, "{failed} of the files could not be tagged");
    Ok(())
}

fn lines(answer: &Answer, as_csv: bool) -> anyhow::Result<String> {
    let path = &answer.path;
    if as_csv {
        let mut csv = csv::Writer::from_writer(Vec::new());
        for tag in &answer.tags {
            csv.write_record([path, &tag.label, &tag.score.to_string()])?;
        }
        return Ok(String::from_utf8(csv.into_inner().context("cannot write CSV")?)?);
    }
    let tags = answer.tags.iter().map(|tag| format!("  {:>5.1} %  {}\n", tag.score * 100.0, tag.label));
    Ok(format!("{path}\n{}", tags.collect::<String>()))
}

/// The files given, and those in the folders given, sorted by name.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let sounds = sound_files(path)?;
            anyhow::ensure!(!sounds.is_empty(), "{}: no sound files in this folder", path.display());
            files.extend(sounds);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}
