//! `earmark tag`: the tags of sounds, of their windows, or events.

mod journal;
mod progress;
mod select;
mod sink;
mod text;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use earmark_tables::counted;
use earmark_tagging::{
    Event, EventDetector, Parallelism, Part, SUMS, ScoredWindow, Tagger, Timeline, TimelinePart, Warning,
};
use serde_json::Map;

use self::journal::{Journal, Standing};
use self::progress::Progress;
use self::select::Selection;
use self::sink::Sink;
use self::text::{Content, Item, Text};
use super::detection::Detection;
use super::sounds::Sounds;
use crate::args::{Form, Shard, Tag, Time};
use crate::output;

/// Maximum length of a sound by default, seconds.
const LONGEST: f64 = 1e6;

/// Runs the command.
pub fn run(options: &Tag) -> anyhow::Result<()> {
    let limits = options.limits.limits_of(LONGEST)?;
    let content = match options.time {
        Time { timeline: true, .. } => Content::Windows,
        Time { events: true, .. } => Content::Events,
        Time { window: None, hop: None, .. } => Content::Tags,
        _ => return Err(output::Exit::WrongUsage("--window and --hop are of --timeline or --events".to_owned()).into()),
    };
    if options.form.output.as_deref() == Some(Path::new("-")) {
        return Err(
            output::Exit::WrongUsage("--output -: without --output, tags go to standard output".to_owned()).into()
        );
    }
    let mut sounds = Sounds::find(&paths(options)?);
    not_onto_itself(options, &sounds)?;
    if let Some(shard) = options.shard {
        sounds.retain(|path| Ok(is_of(path, shard)))?;
    }
    let model = super::model_of(options.model.as_deref())?;
    let parallelism = match content {
        Content::Tags if !sounds.has_stdin() => Parallelism::of_files(options.threads, &sounds.paths),
        // The parts of a sound of unknown length are tagged in parallel, and so are windows.
        _ => Parallelism::split(options.threads, usize::MAX),
    };
    let mut tagger = Tagger::open(&model, parallelism)?;
    (tagger.limits, tagger.part) = (limits, part(&options.time)?);
    let selection = Selection::new(&options.which, &tagger)?;
    let mut text = Text::new(&options.form, content, tagger.bandwidth(), options.time.channel)?;
    // Before anything is written.
    let (timeline, detector) = match content {
        Content::Tags => (None, None),
        Content::Windows => (Some(timeline(&options.time, &tagger, 2.0)?), None),
        Content::Events => {
            let timeline = timeline(&options.time, &tagger, 4.0)?;
            let Time { on, off, median, min_length, min_gap, .. } = options.time;
            let detection = Detection { on, off, median, min_length, min_gap };
            (Some(timeline), Some(detection.detector(&tagger, &timeline)?))
        }
    };
    let journal = journal(options, &model, &sounds, &mut text)?;
    let found = sounds.paths.len();
    let changed = match &journal {
        Some(journal) => without_done(&mut sounds, journal)?,
        None => 0,
    };
    let progress = Progress::new(sounds.paths.len(), found - sounds.paths.len() - changed, &options.form);
    let sink = Sink::begin(&options.form, text, journal, &sounds)?;
    let mut work = Work { sounds: &sounds, tagger: &tagger, selection, sink, progress, failed: 0 };
    match (timeline, detector) {
        (None, _) => work.tags()?,
        (Some(timeline), None) => work.windows(timeline)?,
        (Some(timeline), Some(detector)) => work.events(timeline, detector)?,
    }
    let Work { sink, progress, failed, .. } = work;
    sink.end()?;
    progress.end(failed);
    sounds.check("tagged", failed)?;
    anyhow::ensure!(changed == 0, "{} changed since the output was begun", counted(changed, "file"));
    Ok(())
}

/// Removes the sounds that are done, and reports those that have changed since. Returns the number
/// of the latter.
fn without_done(sounds: &mut Sounds, journal: &Journal) -> anyhow::Result<usize> {
    let mut changed = 0;
    sounds.retain(|path| {
        Ok(match journal.standing(path)? {
            Standing::New => true,
            Standing::Done => false,
            Standing::Changed(message) => {
                output::error(&message);
                changed += 1;
                false
            }
        })
    })?;
    Ok(changed)
}

/// The part of each sound that is tagged.
fn part(time: &Time) -> anyhow::Result<Part> {
    let Time { start, end, channel, raw, .. } = *time;
    let channel = channel.map(|channel| channel as usize - 1);
    let part = Part { start: start.unwrap_or(0.0), end, channel, raw, has_stdin: true };
    output::in_range(part.validate())?;
    Ok(part)
}

/// The given paths, and those of the list.
fn paths(options: &Tag) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = options.paths.clone();
    if let Some(list) = &options.from_file {
        let mut text = Vec::new();
        match list.as_os_str() == "-" {
            true => {
                std::io::stdin().read_to_end(&mut text).context("cannot read the list from standard input")?;
            }
            false => text = earmark_files::read(list)?,
        }
        paths.extend(listed(&text));
    }
    Ok(paths)
}

/// The paths of a list: one in each line, or separated by NUL as `find -print0` writes them.
fn listed(text: &[u8]) -> Vec<PathBuf> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let separator = if text.contains(&0) { 0 } else { b'\n' };
    let lines = text.split(|byte| *byte == separator);
    let lines = lines.map(|line| if separator == b'\n' { line.strip_suffix(b"\r").unwrap_or(line) } else { line });
    lines.filter(|line| !line.trim_ascii().is_empty()).map(path_of).collect()
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).into()
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Refuses to overwrite a sound, or the list of sounds, with its tags. Only files of the output's
/// name are compared on disk, or of the name that it is a link to.
fn not_onto_itself(options: &Tag, sounds: &Sounds) -> anyhow::Result<()> {
    let Some(output) = &options.form.output else { return Ok(()) };
    let mut inputs = sounds.paths.iter().chain(&options.from_file);
    let target = earmark_files::resolve(output);
    let names = [Some(output), target.as_ref()].map(|path| path.and_then(|path| path.file_name()));
    let is_output = |path: &&PathBuf| names.contains(&path.file_name()) && earmark_files::same_file(path, output);
    anyhow::ensure!(inputs.find(is_output).is_none(), "--output {} is what is to be tagged itself", output.display());
    Ok(())
}

/// Whether a sound belongs to a part.
fn is_of(path: &Path, shard: Shard) -> bool {
    let hash = earmark_files::sha256(path.as_os_str().as_encoded_bytes());
    let number = u64::from_str_radix(hash.get(..15).unwrap_or_default(), 16).unwrap_or_default();
    number % shard.parts == shard.part
}

/// The journal of an output that is continued or begun with `--resume`.
fn journal(options: &Tag, model: &Path, sounds: &Sounds, text: &mut Text) -> anyhow::Result<Option<Journal>> {
    let Form { resume: true, output: Some(output), by_hash, .. } = &options.form else { return Ok(None) };
    if !text.is_of_lines() {
        let wrong = "--resume adds lines to the output; add --csv or --ndjson";
        return Err(output::Exit::WrongUsage(wrong.to_owned()).into());
    }
    if sounds.has_stdin() {
        let wrong = "--resume cannot know standard input again; omit one of the two";
        return Err(output::Exit::WrongUsage(wrong.to_owned()).into());
    }
    output::check_place("--output", output)?;
    let mut all = Map::new();
    let mut which = options.which.clone();
    which.classes.sort_unstable();
    for of in [serde_json::to_value(which)?, serde_json::to_value(&options.time)?] {
        all.extend(of.as_object().cloned().unwrap_or_default());
    }
    let model = earmark_files::sha256_file(&model.join(SUMS))?;
    let work = journal::Work { model, options: all, begin: 0 };
    Journal::open(output, work, &text.begin(), *by_hash).map(Some)
}

/// The windows that the options name; by default a window has `hops` hops.
fn timeline(time: &Time, tagger: &Tagger, hops: f64) -> anyhow::Result<Timeline> {
    let usual = tagger.usual_timeline();
    let window = time.window.unwrap_or(usual.window());
    output::in_range(Timeline::new(window, time.hop.unwrap_or(window / hops)))
}

/// The sounds on the way to the output.
struct Work<'a> {
    sounds: &'a Sounds,
    tagger: &'a Tagger,
    selection: Selection,
    sink: Sink,
    progress: Progress,
    /// Number of files that cannot be tagged.
    failed: usize,
}

impl Work<'_> {
    fn tags(&mut self) -> anyhow::Result<()> {
        self.tagger.tag_files(&self.sounds.paths, |index, tagged| match tagged {
            Ok(tagged) => {
                if !self.begin(index)? {
                    return Ok(());
                }
                for tag in self.selection.of_clip(tagged.tags) {
                    self.sink.item(&Item::Tag(&tag))?;
                }
                self.done(index, tagged.seconds, tagged.warnings)
            }
            Err(error) => self.failed(error.into(), false),
        })
    }

    fn windows(&mut self, timeline: Timeline) -> anyhow::Result<()> {
        // Whether the sound has begun, and whether it is written.
        let mut begun: Option<bool> = None;
        self.tagger.timelines(&self.sounds.paths, timeline, |index, part| {
            if begun.is_none() && !matches!(part, TimelinePart::Failed(_)) {
                begun = Some(self.begin(index)?);
            }
            match part {
                TimelinePart::Windows(windows) if begun == Some(true) => {
                    windows.iter().try_for_each(|window| self.window(window))
                }
                TimelinePart::Windows(_) => Ok(()),
                TimelinePart::End { seconds, warnings, .. } => {
                    if begun.take() == Some(false) {
                        return Ok(());
                    }
                    self.done(index, seconds, warnings)
                }
                TimelinePart::Failed(error) => match begun.take() {
                    Some(false) => Ok(()),
                    is_written => self.failed(error.into(), is_written.is_some()),
                },
            }
        })
    }

    fn window(&mut self, window: &ScoredWindow) -> anyhow::Result<()> {
        let tags = self.selection.of_clip(self.tagger.tags(&window.probabilities));
        self.sink.item(&Item::Window { start: window.start, end: window.end, tags: &tags })
    }

    fn events(&mut self, timeline: Timeline, mut detector: EventDetector) -> anyhow::Result<()> {
        let mut events: Vec<Event> = Vec::new();
        self.tagger.timelines(&self.sounds.paths, timeline, |index, part| match part {
            TimelinePart::Windows(windows) => {
                events.extend(windows.iter().flat_map(|window| detector.push(window)));
                Ok(())
            }
            TimelinePart::End { seconds, end, warnings } => {
                events.extend(detector.finish(end));
                events.retain(|event| self.selection.has(event.class, event.score));
                events.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.class.cmp(&b.class)));
                if !self.begin(index)? {
                    events.clear();
                    return Ok(());
                }
                for Event { class, start, end, score } in events.drain(..) {
                    let label = &self.tagger.labels()[class];
                    self.sink.item(&Item::Event { label, start, end, score })?;
                }
                self.done(index, seconds, warnings)
            }
            TimelinePart::Failed(error) => {
                events.clear();
                detector.finish(0.0);
                self.failed(error.into(), false)
            }
        })
    }

    /// Begins a sound; false if it cannot be written, which is reported.
    fn begin(&mut self, index: usize) -> anyhow::Result<bool> {
        match self.sink.file(&self.sounds.paths[index], &self.sounds.names[index])? {
            Ok(()) => Ok(true),
            Err(error) => self.failed(error.into(), false).map(|()| false),
        }
    }

    /// Ends a sound, of which all is known.
    fn done(&mut self, index: usize, seconds: f64, warnings: Vec<Warning>) -> anyhow::Result<()> {
        if let Err(error) = self.sink.end_file(None)? {
            return self.failed(error.into(), false);
        }
        self.progress.add(seconds);
        let path = self.sounds.paths[index].display();
        tracing::info!(path = %path, "tagged");
        for warning in warnings {
            output::warning(&format!("{path}: {warning}"));
        }
        Ok(())
    }

    fn failed(&mut self, error: anyhow::Error, has_begun: bool) -> anyhow::Result<()> {
        self.failed += 1;
        self.progress.add(0.0);
        let message = output::message(&error);
        output::error(&message);
        if has_begun {
            self.sink.end_file(Some(&message))??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_of_lines_or_of_nul() {
        let of = |text: &[u8]| listed(text).iter().map(|path| output::path(path)).collect::<Vec<_>>();
        assert_eq!(of("\u{feff}a.wav\r\n\nb c.wav\n \n".as_bytes()), ["a.wav", "b c.wav"]);
        assert_eq!(of(b"a\nb.wav\0c.wav\0"), ["a\nb.wav", "c.wav"]);
        assert_eq!(of(b""), [""; 0]);
        #[cfg(unix)]
        assert_eq!(of(b"\xff.wav"), ["\\xff.wav"]);
    }
}
