//! `earmark listen`: the events of live sound.

mod clips;
mod clock;
mod follow;
mod lines;
#[cfg(feature = "microphone")]
mod microphone;
mod queue;
mod report;
mod session;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use earmark_audio::{Arrival, AudioError, Reading};
use earmark_tagging::{Parallelism, Tagger, Timeline};

use self::clips::Clips;
use self::lines::Lines;
use self::queue::{Full, Queue};
use self::report::Report;
use self::session::{Session, Settings};
use self::source::{Connection, Source};
use super::detection::{Detection, wanted};
use super::signals;
#[cfg(feature = "microphone")]
use crate::args::LiveReading;
use crate::args::{ClipOptions, Listen, LiveEvents};
use crate::output::{self, Exit};

/// The longest window by default, seconds: events are reported within two.
const WINDOW: f64 = 1.0;
/// Hops in a window by default.
const HOPS: f64 = 4.0;
/// How often a signal is looked for.
const EVERY: Duration = Duration::from_millis(100);

/// Runs the command.
pub fn run(options: &Listen) -> anyhow::Result<()> {
    #[cfg(feature = "microphone")]
    if options.microphone.list_devices {
        return output::print(&microphone::names()?.iter().map(|name| format!("{name}\n")).collect::<String>());
    }
    let limits = options.limits.limits_of(1e6)?;
    if let (Some(source), Some(output)) = (&options.source, &options.output)
        && earmark_files::same_file(source, output)
    {
        let wrong = format!("--output {} is the source itself; name another file", output.display());
        return Err(Exit::WrongUsage(wrong).into());
    }
    let source = source(options)?;
    let model = super::model_of(options.model.as_deref())?;
    let tagger = Tagger::open(&model, Parallelism::split(options.threads, 1))?;
    let settings = settings(&options.events, &tagger)?;
    let lines = Lines::open(options.output.as_deref())?;
    let clips = clips(&options.clips, &settings, &options.events)?;
    let stop = signals::catch()?;
    let reading = &options.reading;
    let queue = Arc::new(Queue::new(reading.buffer));
    let channel = reading.channel.map(|channel| channel as usize - 1);
    let connection = Connection {
        source,
        reading: Reading { channel, raw: reading.raw, arrival: Arrival::Live },
        limits,
        full: if reading.drop || options.source.is_none() { Full::Drop } else { Full::Wait },
        reconnects: !reading.no_reconnect,
        queue: Arc::clone(&queue),
    };
    // A thread that waits for a source cannot be ended, so nobody waits for the thread.
    thread::spawn(move || connection.run());
    let mut session = Session::new(settings, lines, clips, Report::new());
    let done = work(&mut session, &queue, &stop);
    queue.close();
    session.report.clear();
    done?;
    session.end()
}

/// Takes what comes until the source has ended or a signal comes.
fn work(session: &mut Session<'_>, queue: &Queue, stop: &AtomicBool) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        if let Some(item) = queue.pop(EVERY)
            && !session.take(item)?
        {
            break;
        }
    }
    session.finish()
}

fn settings<'a>(events: &LiveEvents, tagger: &'a Tagger) -> anyhow::Result<Settings<'a>> {
    let &LiveEvents { window, hop, on, off, median, min_length, min_gap, .. } = events;
    let window = window.unwrap_or(tagger.usual_timeline().window().min(WINDOW));
    let timeline = output::in_range(Timeline::new(window, hop.unwrap_or(window / HOPS)))?;
    let detector = Detection { on, off, median, min_length, min_gap }.detector(tagger, &timeline)?;
    Ok(Settings { tagger, timeline, detector, wanted: wanted(&events.classes, tagger)? })
}

fn clips(options: &ClipOptions, settings: &Settings<'_>, events: &LiveEvents) -> anyhow::Result<Option<Clips>> {
    let Some(folder) = &options.save_clips else { return Ok(None) };
    output::check_place("--save-clips", folder)?;
    earmark_files::create_folder(folder)?;
    let Settings { timeline, .. } = settings;
    let delay = timeline.window() + 3.0 * timeline.hop() + events.median + events.min_length + events.min_gap;
    Ok(Some(Clips::new(folder, options.padding, options.max_clip, delay)))
}

/// The source that the options name.
fn source(options: &Listen) -> anyhow::Result<Source> {
    let Some(path) = &options.source else { return without_path(options) };
    let kind = if path.as_os_str() == "-" { Source::Stdin } else { kind(path)? };
    match (options.reading.speed, kind) {
        (Some(speed), Source::Growing(path)) => Ok(Source::Paced(path, speed)),
        (Some(_), _) => {
            let wrong = format!("--speed is for files, and {} gives its sound at its own pace", path.display());
            Err(Exit::WrongUsage(wrong).into())
        }
        (None, kind) => Ok(kind),
    }
}

#[cfg(feature = "microphone")]
fn without_path(options: &Listen) -> anyhow::Result<Source> {
    let LiveReading { raw, speed, .. } = options.reading;
    if raw.is_some() || speed.is_some() {
        return Err(Exit::WrongUsage("--raw and --speed are not for the microphone".to_owned()).into());
    }
    Ok(Source::Microphone(options.microphone.device.clone()))
}

#[cfg(not(feature = "microphone"))]
fn without_path(_: &Listen) -> anyhow::Result<Source> {
    Err(Exit::WrongUsage("name a source; this build of Earmark has no microphone".to_owned()).into())
}

fn kind(path: &Path) -> anyhow::Result<Source> {
    let io = |source| AudioError::Io { path: path.to_owned(), source };
    let metadata = path.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()).into());
    }
    let path = PathBuf::from(path);
    Ok(if metadata.is_file() { Source::Growing(path) } else { Source::Pipe(path) })
}
