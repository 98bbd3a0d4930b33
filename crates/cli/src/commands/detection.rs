//! What events are, as the options say.

use earmark_files::did_you_mean;
use earmark_tagging::{EventDetector, EventSettings, Tagger, Timeline};

use crate::output::{Exit, in_range};

/// The options of events.
pub struct Detection {
    pub on: Option<f32>,
    pub off: Option<f32>,
    pub median: f64,
    pub min_length: f64,
    pub min_gap: f64,
}

impl Detection {
    /// Without thresholds, those of the bundle count.
    ///
    /// # Errors
    /// An option out of its range.
    pub fn detector(self, tagger: &Tagger, timeline: &Timeline) -> anyhow::Result<EventDetector> {
        let Self { on, off, median, min_length, min_gap } = self;
        let usual = EventSettings::default().on;
        let settings = EventSettings {
            on: on.unwrap_or(usual),
            off: off.unwrap_or(on.unwrap_or(usual) / 2.0),
            median,
            min_length,
            min_gap,
        };
        let detector = in_range(EventDetector::new(settings, timeline, tagger.labels().len()))?;
        Ok(match tagger.thresholds().filter(|_| on.is_none() && off.is_none()) {
            Some(thresholds) => detector.with_thresholds(thresholds),
            None => detector,
        })
    }
}

/// For each class, whether its label is among these; without any, all are.
///
/// # Errors
/// A label that the model does not have.
pub fn wanted(classes: &[String], tagger: &Tagger) -> anyhow::Result<Vec<bool>> {
    let labels = tagger.labels();
    if let Some(unknown) = classes.iter().find(|label| !labels.contains(label)) {
        let suggestion = did_you_mean(unknown, labels);
        return Err(Exit::WrongUsage(format!("--class {unknown}: the model has no such label{suggestion}")).into());
    }
    Ok(labels.iter().map(|label| classes.is_empty() || classes.contains(label)).collect())
}
