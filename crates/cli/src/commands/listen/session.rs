//! From sound to lines.

use std::time::{Duration, Instant, SystemTime};

use earmark_files::with_causes;
use earmark_tagging::{Event, EventChange, EventDetector, Listener, Tagger, Timeline};

use super::clips::{Clips, Written};
use super::clock::rfc3339;
use super::lines::{Line, Lines};
use super::queue::Item;
use super::report::Report;
use crate::output;

/// How the events of a sound are found.
pub struct Settings<'a> {
    pub tagger: &'a Tagger,
    pub timeline: Timeline,
    pub detector: EventDetector,
    /// For each class, whether its events are reported.
    pub wanted: Vec<bool>,
}

/// The work on one source, from the first connection on.
pub struct Session<'a> {
    settings: Settings<'a>,
    lines: Lines,
    clips: Option<Clips>,
    pub report: Report,
    /// The time of day of the first sample of all.
    begun: Option<SystemTime>,
    sound: Option<Sound<'a>>,
    /// The end of the last sound, seconds from the first sample of all.
    end: f64,
    /// The number of the event of each class that has begun.
    open: Vec<Option<u64>>,
    events: u64,
}

/// Sound without a gap.
struct Sound<'a> {
    listener: Listener<&'a Tagger>,
    /// Seconds from the first sample of all to its first one.
    start: f64,
}

impl<'a> Session<'a> {
    pub fn new(settings: Settings<'a>, lines: Lines, clips: Option<Clips>, report: Report) -> Self {
        let open = vec![None; settings.wanted.len()];
        Self { settings, lines, clips, report, begun: None, sound: None, end: 0.0, open, events: 0 }
    }

    /// Takes what comes from the source. Returns false at its end.
    ///
    /// # Errors
    /// A line cannot be written, or the sound cannot be tagged.
    pub fn take(&mut self, item: Item) -> anyhow::Result<bool> {
        match item {
            Item::Begin { sample_rate, first_sample } => {
                let begun = *self.begun.get_or_insert(first_sample);
                let since = first_sample.duration_since(begun).unwrap_or_default().as_secs_f64();
                // Sound that came faster than real time is ahead of the clock.
                self.begin(sample_rate, since.max(self.end))?;
                self.report.connected();
            }
            Item::Samples { samples, arrived } => self.samples(&samples, arrived)?,
            Item::Dropped(samples) => self.dropped(samples)?,
            Item::Pause => self.finish()?,
            Item::Warning(text) => self.report.warning(&text),
            Item::End(error) => {
                self.finish()?;
                return error.map_or(Ok(false), Err);
            }
        }
        Ok(true)
    }

    fn begin(&mut self, sample_rate: u32, start: f64) -> anyhow::Result<()> {
        self.finish()?;
        let Settings { tagger, timeline, detector, .. } = &self.settings;
        let listener = Listener::new(*tagger, sample_rate, *timeline, detector.clone())?;
        self.sound = Some(Sound { listener, start });
        if let Some(clips) = &mut self.clips {
            clips.begin(sample_rate);
        }
        Ok(())
    }

    fn samples(&mut self, samples: &[f32], arrived: Instant) -> anyhow::Result<()> {
        let Some(sound) = &mut self.sound else { return Ok(()) };
        if let Some(clips) = &mut self.clips {
            clips.push(samples);
        }
        let changes = sound.listener.push(samples)?;
        let (start, seconds) = (sound.start, samples.len() as f64 / f64::from(sound.listener.sample_rate()));
        self.changes(start, changes)?;
        self.clips(false)?;
        let open = self.open.iter().enumerate().filter(|(_, id)| id.is_some());
        let open = open.map(|(class, _)| self.settings.tagger.labels()[class].as_str());
        self.report.tagged(seconds, arrived, open);
        Ok(())
    }

    /// Ends the sound before the gap, and begins the one after it.
    fn dropped(&mut self, samples: u64) -> anyhow::Result<()> {
        let Some(sample_rate) = self.sound.as_ref().map(|sound| sound.listener.sample_rate()) else { return Ok(()) };
        self.finish()?;
        let (start, duration) = (self.end, samples as f64 / f64::from(sample_rate));
        let end = start + duration;
        let (start_time, end_time) = (self.time(start), self.time(end));
        self.lines.write(&Line::Dropped { start, end, duration, start_time, end_time })?;
        self.report.dropped(duration);
        self.begin(sample_rate, end)
    }

    /// Ends the sound and its events.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        let Some(Sound { listener, start }) = self.sound.take() else { return Ok(()) };
        self.end = start + listener.seconds();
        self.changes(start, listener.finish()?)?;
        self.clips(true)
    }

    /// Writes what has become known of events of the sound that starts at a second.
    fn changes(&mut self, sound: f64, changes: Vec<EventChange>) -> anyhow::Result<()> {
        for change in changes {
            let (EventChange::Started(event) | EventChange::Ended(event)) = change;
            if self.settings.wanted[event.class] {
                match change {
                    EventChange::Started(event) => self.started(sound, event)?,
                    EventChange::Ended(event) => self.ended(sound, event)?,
                }
            }
        }
        Ok(())
    }

    fn started(&mut self, sound: f64, Event { class, start, score, .. }: Event) -> anyhow::Result<()> {
        self.events += 1;
        let id = self.events;
        self.open[class] = Some(id);
        self.report.event();
        let label = &self.settings.tagger.labels()[class];
        let start_time = self.time(sound + start);
        if let Some(clips) = &mut self.clips {
            clips.started(id, class, label, start, &start_time);
        }
        self.lines.write(&Line::Start { id, label, start: sound + start, start_time, score })
    }

    fn ended(&mut self, sound: f64, Event { class, start, end, score }: Event) -> anyhow::Result<()> {
        let Some(id) = self.open[class].take() else { return Ok(()) };
        if let Some(clips) = &mut self.clips {
            clips.ended(id, end);
        }
        let label = &self.settings.tagger.labels()[class];
        let duration = end - start;
        let (start, end) = (sound + start, sound + end);
        let (start_time, end_time) = (self.time(start), self.time(end));
        self.lines.write(&Line::End { id, label, start, end, duration, start_time, end_time, score })
    }

    fn clips(&mut self, has_ended: bool) -> anyhow::Result<()> {
        let Some(clips) = &mut self.clips else { return Ok(()) };
        for Written { id, class, path, result } in clips.write(has_ended) {
            match result {
                Ok(()) => {
                    let label = &self.settings.tagger.labels()[class];
                    self.lines.write(&Line::Clip { id, label, path: path.display().to_string() })?;
                }
                // The next event matters more than this clip.
                Err(error) => self.report.lost_clip(&with_causes(&error)),
            }
        }
        Ok(())
    }

    /// The time of day of a second from the first sample of all.
    fn time(&self, seconds: f64) -> String {
        rfc3339(self.begun.unwrap_or(SystemTime::UNIX_EPOCH) + Duration::from_secs_f64(seconds.max(0.0)))
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// A clip could not be written.
    pub fn end(self) -> anyhow::Result<()> {
        output::line(&self.report.summary());
        self.report.check()
    }
}
