//! A WAV file for each event.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use earmark_audio::{Clip, write_wav};
use earmark_files::FileError;

/// More than the longest block of samples, seconds.
const BLOCK: f64 = 2.0;

/// The sound of the last seconds, and the events whose clips are not written yet.
pub struct Clips {
    folder: PathBuf,
    /// Seconds of sound before and after an event, and of a longer event.
    padding: f64,
    longest: f64,
    /// Seconds at most from the start of an event until it is known, and from its end.
    delay: f64,
    sample_rate: u32,
    /// The last samples, and the number of the first of them.
    recent: VecDeque<f32>,
    first: u64,
    waiting: Vec<Waiting>,
}

/// An event whose clip is not written yet; times in seconds from the first sample.
struct Waiting {
    id: u64,
    class: usize,
    name: String,
    start: f64,
    end: Option<f64>,
}

/// A clip that is written, or why it is not.
pub struct Written {
    pub id: u64,
    pub class: usize,
    pub path: PathBuf,
    pub result: Result<(), FileError>,
}

impl Clips {
    pub fn new(folder: &Path, padding: f64, longest: f64, delay: f64) -> Self {
        let (recent, waiting) = (VecDeque::new(), Vec::new());
        Self { folder: folder.to_owned(), padding, longest, delay, sample_rate: 1, recent, first: 0, waiting }
    }

    /// Begins another sound.
    pub fn begin(&mut self, sample_rate: u32) {
        self.recent.clear();
        self.waiting.clear();
        (self.sample_rate, self.first) = (sample_rate, 0);
    }

    /// Adds samples.
    pub fn push(&mut self, samples: &[f32]) {
        self.recent.extend(samples);
        let kept = self.longest + 2.0 * self.padding + self.delay + BLOCK;
        let over = self.recent.len().saturating_sub((kept * f64::from(self.sample_rate)) as usize);
        self.recent.drain(..over);
        self.first += over as u64;
    }

    /// An event has begun at this second; `time` is its time of day.
    pub fn started(&mut self, id: u64, class: usize, label: &str, start: f64, time: &str) {
        let name = format!("{}_{}_{id}.wav", time.replace(':', "-"), safe(label));
        self.waiting.push(Waiting { id, class, name, start, end: None });
    }

    /// An event has ended.
    pub fn ended(&mut self, id: u64, end: f64) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.id == id) {
            waiting.end = Some(end);
        }
    }

    /// Writes the clips whose sound is complete, or all if the sound has ended.
    pub fn write(&mut self, has_ended: bool) -> Vec<Written> {
        let now = (self.first + self.recent.len() as u64) as f64 / f64::from(self.sample_rate);
        let (padding, longest, delay) = (self.padding, self.longest, self.delay);
        let end = |of: &Waiting| of.end.unwrap_or(f64::INFINITY).min(of.start + longest) + padding;
        // The end of a short event may not be known yet.
        let known = |of: &Waiting| if of.end.is_some() { end(of) } else { end(of) + delay };
        let is_complete = |of: &mut Waiting| has_ended || known(of) <= now;
        let complete: Vec<Waiting> = self.waiting.extract_if(.., is_complete).collect();
        let write = |of: Waiting| {
            let clip = self.cut(of.start - padding, end(&of));
            let path = self.folder.join(&of.name);
            let result = write_wav(&path, &clip);
            Written { id: of.id, class: of.class, path, result }
        };
        complete.into_iter().map(write).collect()
    }

    /// The sound between two times, as far as it is there.
    fn cut(&self, start: f64, end: f64) -> Clip {
        let place = |seconds: f64| {
            let sample = (seconds.max(0.0) * f64::from(self.sample_rate)).round() as u64;
            (sample.saturating_sub(self.first) as usize).min(self.recent.len())
        };
        let (start, end) = (place(start), place(end));
        Clip { samples: self.recent.range(start..end.max(start)).copied().collect(), sample_rate: self.sample_rate }
    }
}

/// A label as a part of a file's name: letters and digits, and dashes for all others.
fn safe(label: &str) -> String {
    const LONGEST: usize = 60;
    let words = label.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name: String = words.collect::<Vec<_>>().join("-").chars().take(LONGEST).collect();
    if name.is_empty() { "label".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_names_of_files() {
        for (label, expected) in [
            ("Dog", "Dog"),
            ("Male speech, man speaking", "Male-speech-man-speaking"),
            ("../../etc/passwd", "etc-passwd"),
            ("a\0b\nc:d", "a-b-c-d"),
            ("鳥", "label"),
            ("", "label"),
        ] {
            assert_eq!(safe(label), expected);
        }
        assert_eq!(safe(&"x".repeat(300)).len(), 60);
    }

    #[test]
    fn a_clip_has_the_event_and_what_is_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut clips = Clips::new(folder.path(), 0.5, 2.0, 1.0);
        clips.begin(10);
        let sound: Vec<f32> = (0..200).map(|n| n as f32 / 256.0).collect();
        let mut written = Vec::new();
        for (second, samples) in sound.chunks(10).enumerate() {
            clips.push(samples);
            match second {
                1 => clips.started(1, 0, "short", 0.2, "00:00"),
                3 => clips.ended(1, 0.7),
                6 => clips.started(2, 0, "long", 5.0, "00:05"),
                19 => clips.started(3, 0, "last", 19.0, "00:19"),
                _ => {}
            }
            written.extend(clips.write(false).into_iter().map(|of| (second, of)));
            assert!(clips.recent.len() <= 60);
        }
        written.extend(clips.write(true).into_iter().map(|of| (20, of)));
        let of = |clip: &Written| {
            let clip =
                earmark_audio::decode(&clip.path, &earmark_audio::Limits { min_sample_rate: 1, ..Default::default() });
            let samples = clip.unwrap().samples;
            ((samples[0] * 256.0).round() as usize, samples.len())
        };
        let found: Vec<_> = written.iter().map(|(second, clip)| (*second, clip.id, of(clip))).collect();
        assert_eq!(found, [(3, 1, (0, 12)), (8, 2, (45, 30)), (20, 3, (185, 15))]);
        let names: Vec<_> = written.iter().map(|(_, clip)| clip.path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["00-00_short_1.wav", "00-05_long_2.wav", "00-19_last_3.wav"]);
    }
}
