//! Events of a sound that is still going on.

use std::ops::Deref;
use std::path::Path;

use earmark_features::FeatureError;

use crate::cutter::Cutter;
use crate::{EventChange, EventDetector, ScoredWindow, Tagger, TaggingError, Timeline};

/// Finds the events of a sound whose samples arrive bit by bit, from a microphone or a network, in
/// memory that does not grow.
///
/// The events are those of [`Tagger::timelines`] and an [`EventDetector`] for a file with the same
/// samples. An event that starts at `t` seconds is returned after at most a window, two hops, half
/// of the median and the minimum length of an event, plus some 50 ms if the sound is resampled.
///
/// The tagger is any pointer to one: a reference, or an `Arc` where many listeners share it.
///
/// ```no_run
/// use std::{path::Path, sync::Arc};
/// use earmark_tagging::{
///     EventChange, EventDetector, EventSettings, Listener, Parallelism, Tagger, Timeline,
/// };
/// let tagger = Arc::new(Tagger::open(Path::new("run/bundle"), Parallelism::split(1, 1))?);
/// let timeline = Timeline::new(1.0, 0.25)?;
/// let detector = EventDetector::new(EventSettings::default(), &timeline, tagger.labels().len())?;
/// let mut listener = Listener::new(Arc::clone(&tagger), 16_000, timeline, detector)?;
/// for block in vec![0.0; 160_000].chunks(1_600) {
///     for change in listener.push(block)? {
///         match change {
///             EventChange::Started(event) => println!("{} since {} s", tagger.labels()[event.class], event.start),
///             EventChange::Ended(event) => println!("{} until {} s", tagger.labels()[event.class], event.end),
///         }
///     }
/// }
/// let rest = listener.finish()?;
/// # Ok::<(), earmark_tagging::TaggingError>(())
/// ```
pub struct Listener<T> {
    tagger: T,
    sample_rate: u32,
    cutter: Cutter,
    detector: EventDetector,
}

impl<T: Deref<Target = Tagger>> Listener<T> {
    /// For a mono sound of this rate, in Hz; `detector` was made for this timeline.
    ///
    /// # Errors
    /// [`TaggingError::Resampling`]: the rate cannot be converted to those of the front ends.
    pub fn new(tagger: T, sample_rate: u32, timeline: Timeline, detector: EventDetector) -> Result<Self, TaggingError> {
        let cutter = Cutter::new(sample_rate, tagger.rates(), timeline.cut(sample_rate)).map_err(resampling)?;
        Ok(Self { tagger, sample_rate, cutter, detector })
    }

    /// Adds the next samples, `[N]` with full scale 1. Returns what they make known; times are in
    /// seconds from the first sample.
    ///
    /// # Errors
    /// A sample or a result is not finite, or an error of ONNX Runtime.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<EventChange>, TaggingError> {
        self.add(samples, false)
    }

    /// Ends the sound. Returns the rest of its events. A sound that is too short for the front ends
    /// has none.
    ///
    /// # Errors
    /// Those of [`Listener::push`].
    pub fn finish(mut self) -> Result<Vec<EventChange>, TaggingError> {
        let mut changes = self.add(&[], true)?;
        changes.extend(self.detector.finish_live(self.seconds()));
        Ok(changes)
    }

    /// The length of the sound so far, seconds.
    pub fn seconds(&self) -> f64 {
        self.time(self.cutter.pushed())
    }

    /// The sample rate of the sound, Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn add(&mut self, samples: &[f32], ends: bool) -> Result<Vec<EventChange>, TaggingError> {
        self.cutter.push(samples, ends).map_err(resampling)?;
        let mut changes = Vec::new();
        while let Some(piece) = self.cutter.next_piece() {
            let [start, end] = [piece.start, piece.end].map(|sample| self.time(sample));
            let probabilities = match self.tagger.infer(&piece, live()) {
                // A rest of a few samples has no events.
                Err(TaggingError::Features { source: FeatureError::TooShort { .. }, .. }) if ends => continue,
                inferred => inferred?,
            };
            changes.extend(self.detector.push_live(&ScoredWindow { start, end, probabilities }));
        }
        Ok(changes)
    }

    fn time(&self, sample: u64) -> f64 {
        sample as f64 / f64::from(self.sample_rate)
    }
}

/// What errors name in the place of a file.
fn live() -> &'static Path {
    Path::new("the live sound")
}

fn resampling(source: earmark_audio::AudioError) -> TaggingError {
    TaggingError::Resampling { path: live().to_owned(), source }
}
