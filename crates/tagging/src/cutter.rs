//! Cuts a sound that arrives in blocks into pieces, in memory that does not grow.

use earmark_audio::{AudioError, Clip, StreamResampler};

/// Where pieces begin and end, in samples of the sound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Length of a piece.
    pub length: u64,
    /// From the start of one piece to that of the next; at most its length.
    pub hop: u64,
    /// The piece at the end, where no whole one fits any more: it has the length of the others and
    /// ends where the sound ends, or it begins where the one before ends.
    pub rest: Rest,
}

/// The last piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// As long as the others.
    Whole,
    /// What remains.
    Shorter,
}

/// A part of a sound, at every rate that front ends need.
pub(crate) struct Piece {
    /// Its first sample in the sound.
    pub start: u64,
    /// The sample after its last one.
    pub end: u64,
    at_rates: Vec<Clip>,
}

impl Piece {
    /// The samples at a rate that was asked for.
    pub fn at(&self, rate: u32) -> &[f32] {
        self.at_rates.iter().find(|clip| clip.sample_rate == rate).map_or(&[], |clip| &clip.samples)
    }

    /// The number of samples in the sound.
    pub fn length(&self) -> u64 {
        self.end - self.start
    }
}

/// Cuts the samples of a sound into pieces, which overlap if the hop is shorter than a piece.
pub(crate) struct Cutter {
    rates: Vec<AtRate>,
    cut: Cut,
    /// Samples pushed.
    pushed: u64,
    has_ended: bool,
    /// Bounds of the last piece.
    last: Option<(u64, u64)>,
}

/// The samples at one rate that pieces may still need.
struct AtRate {
    resampler: StreamResampler,
    /// The samples from `first` on, at this rate.
    samples: Vec<f32>,
    first: u64,
}

impl Cutter {
    /// For a sound of this rate, with pieces at `rates`; `cut` has the sound's rate.
    ///
    /// # Errors
    /// The sound cannot be resampled to one of the rates.
    pub fn new(sample_rate: u32, rates: &[u32], cut: Cut) -> Result<Self, AudioError> {
        let at_rate = |&rate: &u32| {
            let resampler = StreamResampler::new(sample_rate, rate)?;
            Ok(AtRate { resampler, samples: Vec::new(), first: 0 })
        };
        let rates = rates.iter().map(at_rate).collect::<Result<Vec<_>, AudioError>>()?;
        Ok(Self { rates, cut, pushed: 0, has_ended: false, last: None })
    }

    /// Adds the next samples, which are the last ones if the sound ends.
    ///
    /// # Errors
    /// A sample is not finite or too large to be resampled.
    pub fn push(&mut self, samples: &[f32], ends: bool) -> Result<(), AudioError> {
        self.pushed += samples.len() as u64;
        self.has_ended = ends;
        for AtRate { resampler, samples: ready, .. } in &mut self.rates {
            resampler.push(samples, ready)?;
            if ends {
                resampler.finish(ready)?;
            }
        }
        Ok(())
    }

    /// Number of samples pushed.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Whether the sound has ended.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next piece; none before more samples are pushed, or after the last one.
    pub fn next_piece(&mut self) -> Option<Piece> {
        let start = self.last.map_or(0, |(start, _)| start + self.cut.hop);
        let end = start + self.cut.length;
        // At the end, the last piece may begin before this one.
        self.forget(self.last.map_or(0, |(last, _)| if self.cut.rest == Rest::Whole { last } else { start }));
        let is_ready = self.pushed >= end && self.rates.iter().all(|at| at.has(end));
        let (start, end) = match self.last {
            _ if is_ready => (start, end),
            _ if !self.has_ended || self.pushed == 0 => return None,
            Some((_, covered)) if covered >= self.pushed => return None,
            Some((_, covered)) if self.cut.rest == Rest::Shorter => (covered, self.pushed),
            _ => (self.pushed.saturating_sub(self.cut.length), self.pushed),
        };
        self.last = Some((start, end));
        let at_rates = self.rates.iter().map(|at| at.between(start, end)).collect();
        Some(Piece { start, end, at_rates })
    }

    /// Drops samples before this one of the sound.
    fn forget(&mut self, before: u64) {
        for at in &mut self.rates {
            let count = at.resampler.length(before).saturating_sub(at.first) as usize;
            // Seldom, because the others are moved.
            if 2 * count > at.samples.len() {
                let dropped = at.samples.drain(..count.min(at.samples.len())).len();
                at.first += dropped as u64;
            }
        }
    }
}

impl AtRate {
    /// Whether the samples before this one of the sound are ready.
    fn has(&self, end: u64) -> bool {
        self.first + self.samples.len() as u64 >= self.resampler.length(end)
    }

    /// A copy of the samples between two of the sound.
    fn between(&self, start: u64, end: u64) -> Clip {
        let place = |sample: u64| (self.resampler.length(sample) - self.first) as usize;
        let samples = self.samples.get(place(start)..place(end).min(self.samples.len())).unwrap_or_default().to_vec();
        Clip { samples, sample_rate: self.resampler.sample_rate() }
    }
}
