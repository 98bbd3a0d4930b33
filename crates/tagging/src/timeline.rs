//! Tags over time: each window of a sound is tagged as a clip of its own.

use std::path::{Path, PathBuf};

use crate::cutter::{Cut, Piece, Rest};
use crate::parallel::in_order;
use crate::pieces::{Clock, Pieces};
use crate::{Tagger, TaggingError, Warning};

/// Windows that one thread tags in turn.
const WINDOWS: usize = 16;
/// Maximum length of a window, seconds.
const LONGEST: f64 = 60.0;
/// Minimum hop, seconds.
const SHORTEST: f64 = 0.01;
/// The longest window by default, seconds.
const USUAL: f64 = 2.0;

/// The windows of a timeline. The first begins where the sound begins; the last ends where it ends,
/// and has the length of the others if the sound has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timeline {
    window: f64,
    hop: f64,
}

impl Timeline {
    /// Windows of this length, and the time from the start of one to that of the next, in seconds.
    ///
    /// # Errors
    /// [`TaggingError::Timeline`]: a window longer than a minute, or a hop below 10 ms or above the
    /// window, which would omit sound.
    ///
    /// ```
    /// use earmark_tagging::Timeline;
    /// assert!(Timeline::new(2.0, 0.5).is_ok());
    /// assert!(Timeline::new(1.0, 2.0).is_err());
    /// ```
    pub fn new(window: f64, hop: f64) -> Result<Self, TaggingError> {
        let fault = |key, value: f64, allowed: String| Err(TaggingError::Timeline { key, value, allowed });
        if !(SHORTEST..=LONGEST).contains(&window) {
            return fault("window", window, format!("{SHORTEST} to {LONGEST} seconds"));
        }
        if !(SHORTEST..=window).contains(&hop) {
            return fault("hop", hop, format!("{SHORTEST} seconds to the window's {window}"));
        }
        Ok(Self { window, hop })
    }

    /// Length of a window, seconds.
    pub fn window(&self) -> f64 {
        self.window
    }

    /// From the start of one window to that of the next, seconds.
    pub fn hop(&self) -> f64 {
        self.hop
    }

    /// In samples, at least one.
    pub(crate) fn cut(&self, sample_rate: u32) -> Cut {
        let samples = |seconds: f64| ((seconds * f64::from(sample_rate)).round() as u64).max(1);
        Cut { length: samples(self.window), hop: samples(self.hop), rest: Rest::Whole }
    }
}

/// A window of a sound.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredWindow {
    /// Its start, in seconds from the start of the sound: a number of samples divided by their
    /// rate.
    pub start: f64,
    /// Its end.
    pub end: f64,
    /// The probability of each class, in the order of [`Tagger::labels`].
    pub probabilities: Vec<f32>,
}

/// What [`Tagger::timelines`] delivers.
#[derive(Debug)]
pub enum TimelinePart {
    /// The next windows of a file.
    Windows(Vec<ScoredWindow>),
    /// The file has ended.
    End {
        /// The length of the part that was tagged, seconds.
        seconds: f64,
        /// The end of that part, in seconds from the start of the sound.
        end: f64,
        /// Reasons why the tags may be meaningless, if any.
        warnings: Vec<Warning>,
    },
    /// The file cannot be decoded, or not to its end; no more of it follows.
    Failed(TaggingError),
}

/// Consecutive pieces of a file.
type Group = Result<Vec<Piece>, TaggingError>;

impl Tagger {
    /// Windows of the length that the bundle's networks take, at most 2 s, each beginning in the
    /// middle of the one before.
    pub fn usual_timeline(&self) -> Timeline {
        let window = self.longest_window().unwrap_or(USUAL).clamp(SHORTEST, USUAL);
        Timeline { window, hop: (window / 2.0).max(SHORTEST) }
    }

    /// The probabilities of the windows of files, in the order of `paths` and of time. Calls `each`
    /// on the calling thread with the index in `paths`. The windows of a file are
    /// tagged in parallel if there are fewer files than the tagger was opened for, or else files
    /// are. Memory does not grow with the length of a file.
    ///
    /// # Errors
    /// An error of `each` ends the work.
    ///
    /// # Panics
    /// If tagging panics, which no input should cause.
    pub fn timelines<E>(
        &self,
        paths: &[PathBuf],
        timeline: Timeline,
        mut each: impl FnMut(usize, TimelinePart) -> Result<(), E>,
    ) -> Result<(), E> {
        let at_once = self.at_once();
        if paths.len() < at_once {
            let each_of = |(index, path): (usize, &PathBuf)| self.in_parallel(path, timeline, |part| each(index, part));
            return paths.iter().enumerate().try_for_each(each_of);
        }
        let process = |path: &PathBuf, send: &mut dyn FnMut(TimelinePart) -> bool| {
            let mut pieces = match self.windows_of(path, timeline) {
                Ok(pieces) => pieces,
                Err(error) => {
                    send(TimelinePart::Failed(error));
                    return;
                }
            };
            let clock = pieces.clock();
            while let Some(group) = group(&mut pieces) {
                let scored = group.and_then(|group| self.scored(&group, clock, path));
                let has_failed = scored.is_err();
                if !send(scored.map_or_else(TimelinePart::Failed, TimelinePart::Windows)) || has_failed {
                    return;
                }
            }
            send(end(&pieces));
        };
        // Few files may begin early, because their windows wait.
        in_order(paths.iter(), (at_once, 4 * at_once), process, each)
    }

    /// The timeline of one file, with its windows in parallel.
    fn in_parallel<E>(
        &self,
        path: &Path,
        timeline: Timeline,
        mut each: impl FnMut(TimelinePart) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pieces = match self.windows_of(path, timeline) {
            Ok(pieces) => pieces,
            Err(error) => return each(TimelinePart::Failed(error)),
        };
        let clock = pieces.clock();
        let process = |group: Group, send: &mut dyn FnMut(_) -> bool| {
            send(group.and_then(|group| self.scored(&group, clock, path)));
        };
        let mut has_failed = false;
        let groups = std::iter::from_fn(|| group(&mut pieces));
        in_order(groups, (self.at_once(), 2 * self.at_once()), process, |_, scored| match scored {
            _ if has_failed => Ok(()),
            Ok(windows) => each(TimelinePart::Windows(windows)),
            Err(error) => {
                has_failed = true;
                each(TimelinePart::Failed(error))
            }
        })?;
        if has_failed { Ok(()) } else { each(end(&pieces)) }
    }

    fn windows_of<'a>(&self, path: &'a Path, timeline: Timeline) -> Result<Pieces<'a>, TaggingError> {
        Pieces::of_file(path, &self.limits, self.part, self.rates(), |rate| timeline.cut(rate))
    }

    fn scored(&self, group: &[Piece], clock: Clock, path: &Path) -> Result<Vec<ScoredWindow>, TaggingError> {
        let score = |piece: &Piece| {
            let [start, end] = [piece.start, piece.end].map(|sample| clock.seconds(sample));
            Ok(ScoredWindow { start, end, probabilities: self.infer(piece, path)? })
        };
        group.iter().map(score).collect()
    }
}

/// The next pieces; none at the end.
fn group(pieces: &mut Pieces<'_>) -> Option<Group> {
    let group: Group = pieces.by_ref().take(WINDOWS).collect();
    match group {
        Ok(group) if group.is_empty() => None,
        group => Some(group),
    }
}

fn end(pieces: &Pieces<'_>) -> TimelinePart {
    TimelinePart::End { seconds: pieces.seconds(), end: pieces.end(), warnings: pieces.warnings() }
}
