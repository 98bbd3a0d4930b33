//! `earmark tag`: sounds in, tags out.

use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_audio::is_sound_file;
use earmark_tagging::{Tag as Tagged, Tagger};
use serde::Serialize;

use crate::args::Tag;
use crate::output;

/// The tags of one file, in the form that scripts read.
#[derive(Serialize)]
struct Answer {
    path: PathBuf,
    tags: Vec<Tagged>,
}

pub fn run(options: &Tag) -> anyhow::Result<()> {
    let paths = sound_files(&options.paths)?;
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
                let answer = Answer { path, tags };
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
    let path = answer.path.display().to_string();
    if as_csv {
        let mut csv = csv::Writer::from_writer(Vec::new());
        for tag in &answer.tags {
            csv.write_record([&path, &tag.label, &tag.score.to_string()])?;
        }
        return Ok(String::from_utf8(csv.into_inner().context("cannot write CSV")?)?);
    }
    let tags = answer.tags.iter().map(|tag| format!("  {:>5.1} %  {}\n", tag.score * 100.0, tag.label));
    Ok(format!("{path}\n{}", tags.collect::<String>()))
}

/// The files given, and those in the folders given, sorted by name.
fn sound_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            anyhow::ensure!(files.len() > before, "{}: no sound files in this folder", path.display());
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut entries: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files)?;
        } else if is_sound_file(&path) {
            files.push(path);
        }
    }
    Ok(())
}
