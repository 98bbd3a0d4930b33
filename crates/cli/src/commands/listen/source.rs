//! The thread that reads a source.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use earmark_audio::{Arrival, AudioError, AudioStream, Limits, Reading};

use super::follow::{Following, is_same};
#[cfg(feature = "microphone")]
use super::microphone::Recording;
use super::queue::{Full, Item, Queue};

/// The first pause before a source is opened again, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A connection that gave this much sound was a good one, seconds.
const GOOD: f64 = 1.0;
/// Length of the blocks of a file that is read at a pace, seconds.
const PACE: f64 = 0.05;

/// What the microphone is called in messages.
#[cfg(feature = "microphone")]
const MICROPHONE: &str = "the microphone";

/// Where sound comes from.
#[derive(Clone, PartialEq)]
pub enum Source {
    Stdin,
    Pipe(PathBuf),
    Growing(PathBuf),
    /// A file, at this many times real time; 0: as fast as possible.
    Paced(PathBuf, f64),
    /// The microphone of this name, or that of the system.
    #[cfg(feature = "microphone")]
    Microphone(Option<String>),
}

/// A source, and how it is read.
pub struct Connection {
    pub source: Source,
    pub reading: Reading,
    pub limits: Limits,
    pub full: Full,
    /// Whether a source that has ended is opened again.
    pub reconnects: bool,
    pub queue: Arc<Queue>,
}

/// What a connection gave.
struct Given {
    seconds: f64,
    error: Option<AudioError>,
}

impl Connection {
    /// Reads the source to its end, or until nobody listens any more.
    pub fn run(&self) {
        let error = match &self.source {
            Source::Stdin => self.stdin(),
            Source::Paced(path, speed) => self.paced(path, *speed),
            Source::Pipe(path) => self.again(path, &mut || self.pipe(path)),
            Source::Growing(path) => {
                let mut last = None;
                self.again(path, &mut || self.growing(path, &mut last))
            }
            #[cfg(feature = "microphone")]
            Source::Microphone(device) => self.again(MICROPHONE.as_ref(), &mut || self.microphone(device.as_deref())),
        };
        self.queue.push(Item::End(error.map(anyhow::Error::from)), self.full);
    }

    #[cfg(feature = "microphone")]
    fn microphone(&self, device: Option<&str>) -> Given {
        let queue = Arc::clone(&self.queue);
        let lost = move |text| _ = queue.push(Item::Warning(text), Full::Drop);
        match super::microphone::record(device, lost) {
            Ok(Recording { stream: _recording, format, reader }) => {
                self.pump(reader, MICROPHONE.as_ref(), Reading { raw: Some(format), ..self.reading }, None)
            }
            Err(error) => Given::failed(MICROPHONE.as_ref(), std::io::Error::other(format!("{error:#}"))),
        }
    }

    fn stdin(&self) -> Option<AudioError> {
        let given = self.read(&|| Ok(std::io::stdin()), Path::new("-"), Arrival::Live, None);
        if given.seconds == 0.0 {
            return given.error;
        }
        // Live sound may be cut off anywhere.
        self.warn(given.error);
        None
    }

    fn pipe(&self, path: &Path) -> Given {
        match File::open(path) {
            Ok(file) => self.read(&|| file.try_clone(), path, Arrival::Live, None),
            Err(error) => Given::failed(path, error),
        }
    }

    /// Reads a file while it grows; `last` is the one that was read before under this name.
    fn growing(&self, path: &Path, last: &mut Option<Metadata>) -> Given {
        let opened = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = match opened() {
            Ok(opened) => opened,
            Err(error) => return Given::failed(path, error),
        };
        // A new file begins with its sound; one that was truncated is older than that.
        let is_new = last.as_ref().is_none_or(|last| !is_same(last, &metadata));
        let begun = metadata.created().ok().filter(|created| is_new && *created < SystemTime::now());
        *last = Some(metadata);
        let position = Arc::new(AtomicU64::new(0));
        let reader = || {
            let (path, position, queue) = (path.to_owned(), Arc::clone(&position), Arc::clone(&self.queue));
            Ok(Following { file: file.try_clone()?, path, position, ends_if_removed: !self.reconnects, queue })
        };
        self.read(&reader, path, Arrival::Growing, Some(begun.unwrap_or_else(SystemTime::now)))
    }

    /// Reads a source to its end. Where its sound is damaged, it is looked for again in what
    /// follows.
    fn read<R: Read + Send + Sync + 'static>(
        &self,
        reader: &dyn Fn() -> std::io::Result<R>,
        name: &Path,
        arrival: Arrival,
        mut begun: Option<SystemTime>,
    ) -> Given {
        let has_ended = Arc::new(AtomicBool::new(false));
        let mut seconds = 0.0;
        loop {
            let part = match reader() {
                Ok(reader) => {
                    let reader = Noticed { reader, has_ended: Arc::clone(&has_ended) };
                    self.pump(reader, name, Reading { arrival, ..self.reading }, begun.take())
                }
                Err(error) => Given::failed(name, error),
            };
            seconds += part.seconds;
            if seconds == 0.0 || has_ended.load(Ordering::Relaxed) || self.queue.is_closed() {
                return Given { seconds, error: part.error };
            }
            self.warn(part.error);
            self.sleep(PAUSES.0);
        }
    }

    /// Opens a source again whenever it has ended, after a pause that grows while it gives little.
    fn again(&self, path: &Path, connect: &mut dyn FnMut() -> Given) -> Option<AudioError> {
        let (shortest, longest) = PAUSES;
        let mut pause = shortest;
        let (mut had_sound, mut is_missing) = (false, false);
        loop {
            let Given { seconds, error } = connect();
            had_sound |= seconds > 0.0;
            if self.queue.is_closed() {
                return None;
            }
            if seconds == 0.0 && (!self.reconnects || !had_sound && self.is_hopeless(error.as_ref())) {
                return error;
            }
            let was_missing = std::mem::replace(&mut is_missing, is_of_missing(error.as_ref()));
            if is_missing && !was_missing {
                self.queue.push(Item::Warning(format!("{} is gone; waiting for it", path.display())), self.full);
            } else if !is_missing {
                self.warn(error);
            }
            if !self.reconnects {
                return None;
            }
            pause = if seconds >= GOOD { shortest } else { (2 * pause).min(longest) };
            self.sleep(pause);
        }
    }

    /// Whether a source that gave no sound yet will give none later.
    fn is_hopeless(&self, error: Option<&AudioError>) -> bool {
        match error {
            Some(AudioError::NotAudio { .. } | AudioError::Io { .. }) => !matches!(self.source, Source::Pipe(_)),
            Some(AudioError::Unsupported { .. } | AudioError::NoChannel { .. } | AudioError::Limit { .. }) => true,
            _ => false,
        }
    }

    /// Sleeps, unless nobody listens any more.
    fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.queue.is_closed() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(PAUSES.0));
        }
    }

    fn warn(&self, error: Option<AudioError>) {
        if let Some(error) = error {
            self.queue.push(Item::Warning(earmark_files::with_causes(&error)), self.full);
        }
    }

    /// Passes on what a reader gives, up to its end.
    fn pump(
        &self,
        reader: impl Read + Send + Sync + 'static,
        name: &Path,
        reading: Reading,
        begun: Option<SystemTime>,
    ) -> Given {
        let mut stream = match AudioStream::of_reader(reader, name, &self.limits, reading) {
            Ok(stream) => stream,
            Err(error) => return Given { seconds: 0.0, error: Some(error) },
        };
        let sample_rate = stream.sample_rate();
        let (mut samples, mut silenced) = (0, 0);
        let mut block = Vec::new();
        let error = loop {
            match stream.next_available(&mut block) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            }
            if samples == 0 {
                let length = Duration::from_secs_f64(block.len() as f64 / f64::from(sample_rate));
                let first_sample = begun.unwrap_or_else(|| SystemTime::now() - length);
                self.queue.push(Item::Begin { sample_rate, first_sample }, self.full);
            }
            samples += block.len() as u64;
            if !self.give(std::mem::take(&mut block)) {
                return Given { seconds: 0.0, error: None };
            }
            self.warn_of_silenced(&stream, &mut silenced);
        };
        if samples > 0 {
            self.queue.push(Item::Pause, self.full);
        }
        Given { seconds: samples as f64 / f64::from(sample_rate), error }
    }

    fn give(&self, samples: Vec<f32>) -> bool {
        self.queue.push(Item::Samples { samples, arrived: Instant::now() }, self.full)
    }

    /// Warns of samples that are not finite when their number has become tenfold.
    fn warn_of_silenced(&self, stream: &AudioStream, warned: &mut u64) {
        let silenced = stream.silenced();
        if silenced > 0 && silenced >= 10 * *warned {
            *warned = silenced;
            let text = format!("{silenced} samples so far are no sound (not finite, or too large), and became silence");
            self.queue.push(Item::Warning(text), self.full);
        }
    }

    /// A file at a pace.
    fn paced(&self, path: &Path, speed: f64) -> Option<AudioError> {
        let reading = Reading { arrival: Arrival::Whole, ..self.reading };
        let mut stream = match AudioStream::open_as(path, &self.limits, reading) {
            Ok(stream) => stream,
            Err(error) => return Some(error),
        };
        let sample_rate = stream.sample_rate();
        self.queue.push(Item::Begin { sample_rate, first_sample: SystemTime::now() }, self.full);
        let begun = Instant::now();
        let size = (PACE * speed.max(1.0) * f64::from(sample_rate)).clamp(1.0, f64::from(sample_rate)) as usize;
        let (mut samples, mut block) = (0, Vec::new());
        loop {
            match stream.next_block(&mut block) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(error),
            }
            for part in block.chunks(size) {
                samples += part.len() as u64;
                if speed > 0.0 {
                    let due = Duration::from_secs_f64(samples as f64 / f64::from(sample_rate) / speed);
                    self.sleep((begun + due).saturating_duration_since(Instant::now()));
                }
                if !self.give(part.to_vec()) {
                    return None;
                }
            }
        }
    }
}

impl Given {
    fn failed(path: &Path, source: std::io::Error) -> Self {
        Self { seconds: 0.0, error: Some(AudioError::Io { path: path.to_owned(), source }) }
    }
}

fn is_of_missing(error: Option<&AudioError>) -> bool {
    matches!(error, Some(AudioError::Io { source, .. }) if source.kind() == ErrorKind::NotFound)
}

/// A reader that notes when it has ended.
struct Noticed<R> {
    reader: R,
    has_ended: Arc<AtomicBool>,
}

impl<R: Read> Read for Noticed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        Ok(read)
    }
}
