//! The thread that reads a source.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use earmark_audio::{Arrival, AudioError, AudioStream, Limits, Reading};

use super::follow::Following;
use super::queue::{Full, Item, Queue};

/// The first pause before a source is opened again, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A connection that gave this much sound was a good one, seconds.
const GOOD: f64 = 1.0;
/// Length of the blocks of a file that is read at a pace, seconds.
const PACE: f64 = 0.05;

/// Where sound comes from.
#[derive(Clone, PartialEq)]
pub enum Source {
    Stdin,
    Pipe(PathBuf),
    Growing(PathBuf),
    /// A file, at this many times real time; 0: as fast as possible.
    Paced(PathBuf, f64),
}

/// A source, and how it is read.
pub struct Connection {
    pub source: Source,
    pub reading: Reading,
    pub limits: Limits,
    pub full: Full,
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
            Source::Pipe(path) => self.again(path, &|| self.pipe(path)),
            Source::Growing(path) => self.again(path, &|| self.growing(path)),
        };
        self.queue.push(Item::End(error.map(anyhow::Error::from)), self.full);
    }

    /// Standard input, in which sound may begin again after damage.
    fn stdin(&self) -> Option<AudioError> {
        let has_ended = Arc::new(AtomicBool::new(false));
        let name = Path::new("-");
        let mut had_sound = false;
        loop {
            let reader = Noticed { reader: std::io::stdin(), has_ended: Arc::clone(&has_ended) };
            let given = self.pump(reader, name, Arrival::Live, SystemTime::now);
            had_sound |= given.seconds > 0.0;
            if has_ended.load(Ordering::Relaxed) && had_sound {
                // The sound may be cut off anywhere.
                self.warn(given.error);
                return None;
            }
            if has_ended.load(Ordering::Relaxed) || !had_sound || !self.reconnects || self.queue.is_closed() {
                return given.error;
            }
            self.warn(given.error);
        }
    }

    fn pipe(&self, path: &Path) -> Given {
        match File::open(path) {
            Ok(file) => self.pump(file, path, Arrival::Live, SystemTime::now),
            Err(source) => Given::failed(AudioError::Io { path: path.to_owned(), source }),
        }
    }

    fn growing(&self, path: &Path) -> Given {
        match Following::open(path, !self.reconnects, Arc::clone(&self.queue)) {
            Ok(file) => {
                let created = file.created();
                self.pump(file, path, Arrival::Growing, || created)
            }
            Err(source) => Given::failed(AudioError::Io { path: path.to_owned(), source }),
        }
    }

    /// Opens a source again whenever it has ended, after a pause that grows while it gives little.
    fn again(&self, path: &Path, connect: &dyn Fn() -> Given) -> Option<AudioError> {
        let (shortest, longest) = PAUSES;
        let mut pause = shortest;
        let (mut had_sound, mut is_missing) = (false, false);
        loop {
            let given = connect();
            had_sound |= given.seconds > 0.0;
            if self.queue.is_closed() {
                return None;
            }
            if !self.reconnects {
                let is_damaged = given.error.is_some() && given.seconds == 0.0;
                if is_damaged {
                    return given.error;
                }
                self.warn(given.error);
                return None;
            }
            let was_missing = is_missing;
            is_missing = matches!(&given.error, Some(AudioError::Io { source, .. }) if source.kind() == ErrorKind::NotFound);
            if is_missing && had_sound {
                if !was_missing {
                    self.queue.push(Item::Warning(format!("{} is gone; waiting for it", path.display())), self.full);
                }
            } else {
                self.warn(given.error);
            }
            pause = if given.seconds >= GOOD { shortest } else { (2 * pause).min(longest) };
            self.sleep(pause);
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
        arrival: Arrival,
        first_sample: impl Fn() -> SystemTime,
    ) -> Given {
        let reading = Reading { arrival, ..self.reading };
        let mut stream = match AudioStream::of_reader(reader, name, &self.limits, reading) {
            Ok(stream) => stream,
            Err(error) => return Given::failed(error),
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
                let first_sample = if arrival == Arrival::Growing { first_sample() } else { first_sample() - length };
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
    fn failed(error: AudioError) -> Self {
        Self { seconds: 0.0, error: Some(error) }
    }
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
