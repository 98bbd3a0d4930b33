//! Feature extraction from a clip that arrives in pieces.

use crate::FeatureError;
use crate::db::LogScale;
use crate::delta::Deltas;
use crate::extract::{Embedding, Extractor, Processing};
use crate::features::Features;
use crate::powers::{Powers, check_finite};
use crate::summary::SummaryStream;

/// The maximum number of frames that [`FeatureStream::take`] returns.
const TAKEN: usize = 1024;
/// Frames that are no longer needed are dropped when there are this many.
const FORGOTTEN: isize = 64;

/// Extracts the features of one clip as its samples arrive; see [`Extractor::stream`].
///
/// With `top_db` no frame is final before the end of the clip, and 4 bytes are kept per frame and
/// band: one hour of 64 bands takes 92 MB, of 128 bands 184 MB. Without it only the frames that
/// deltas still need are kept. The waveform is passed through. A summary keeps all frames, and a
/// second copy in 64 bits while it is computed: about 350 MB for one hour. An embedding keeps the
/// features of its network's front end.
pub struct FeatureStream<'a> {
    source: Source<'a>,
}

enum Source<'a> {
    Wave(Wave),
    Frames(Box<Frames<'a>>),
    Summary(Box<SummaryStream<'a>>),
    Embedding(Box<EmbeddingStream<'a>>),
}

impl<'a> FeatureStream<'a> {
    pub(crate) fn new(extractor: &'a Extractor) -> Self {
        let source = match &extractor.work {
            Processing::Nothing => Source::Wave(Wave::default()),
            Processing::Frames(spectrogram, deltas) => {
                Source::Frames(Box::new(Frames::new(Powers::new(spectrogram), deltas.as_ref())))
            }
            Processing::Summary(summary) => Source::Summary(Box::new(SummaryStream::new(summary))),
            Processing::Embedding(embedding) => Source::Embedding(Box::new(EmbeddingStream::new(embedding))),
        };
        FeatureStream { source }
    }

    /// Pushes the clip's next samples, `[N]`, any number of them.
    ///
    /// # Errors
    /// A sample that is NaN or infinite; samples after [`FeatureStream::finish`].
    pub fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        match &mut self.source {
            Source::Wave(wave) => wave.push(samples),
            Source::Summary(summary) => summary.push(samples),
            Source::Embedding(embedding) => embedding.push(samples),
            Source::Frames(frames) if frames.total.is_some() => Err(FeatureError::Finished),
            Source::Frames(frames) => frames.powers.push(samples),
        }
    }

    /// Ends the clip, and returns the total number of frames.
    ///
    /// # Errors
    /// There were no samples, or, without centering, less than one frame.
    pub fn finish(&mut self) -> Result<usize, FeatureError> {
        match &mut self.source {
            Source::Wave(wave) => wave.finish(),
            Source::Summary(summary) => summary.finish(),
            Source::Embedding(embedding) => embedding.finish(),
            Source::Frames(frames) => frames.finish(),
        }
    }

    /// Replaces `out` with the next final frames, and returns their number; 0 if there are none
    /// yet.
    ///
    /// # Shape
    /// `out`: `[n, channels, bins]`, `n` at most 1,024.
    pub fn take(&mut self, out: &mut Vec<f32>) -> usize {
        out.clear();
        self.append(out)
    }

    /// Like [`FeatureStream::take`], but appends to `out`.
    pub(crate) fn append(&mut self, out: &mut Vec<f32>) -> usize {
        match &mut self.source {
            Source::Wave(wave) => wave.append(out),
            Source::Summary(summary) => summary.append(out),
            Source::Embedding(embedding) => embedding.append(out),
            Source::Frames(frames) => frames.append(out),
        }
    }
}

/// Samples that have not been taken yet.
#[derive(Default)]
struct Wave {
    pending: Vec<f32>,
    taken: usize,
    samples: usize,
    finished: bool,
}

impl Wave {
    fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        if self.finished {
            return Err(FeatureError::Finished);
        }
        check_finite(samples, self.samples)?;
        self.samples += samples.len();
        self.pending.extend_from_slice(samples);
        Ok(())
    }

    fn finish(&mut self) -> Result<usize, FeatureError> {
        self.finished = true;
        if self.samples == 0 { Err(FeatureError::Empty) } else { Ok(self.samples) }
    }

    fn append(&mut self, out: &mut Vec<f32>) -> usize {
        let n = TAKEN.min(self.pending.len() - self.taken);
        out.extend_from_slice(&self.pending[self.taken..self.taken + n]);
        self.taken += n;
        if self.taken == self.pending.len() {
            self.pending.clear();
            self.taken = 0;
        }
        n
    }
}

/// Computes decibels or coefficients and their deltas from powers.
struct Frames<'a> {
    powers: Powers<'a>,
    deltas: Option<&'a Deltas>,
    /// The total number of frames, once it is known.
    total: Option<usize>,
    taken: usize,
    /// Frames around the current one, `[n, bins]`, from position `first` on (which may be before
    /// the clip).
    around: Vec<f32>,
    first: isize,
    bands: Vec<f64>,
    frame: Vec<f64>,
}

impl<'a> Frames<'a> {
    fn new(powers: Powers<'a>, deltas: Option<&'a Deltas>) -> Self {
        let frame = vec![0.0; powers.spectrogram().bins()];
        Frames { powers, deltas, total: None, taken: 0, around: Vec::new(), first: 0, bands: Vec::new(), frame }
    }

    fn finish(&mut self) -> Result<usize, FeatureError> {
        if self.total.is_none() {
            self.powers.finish()?;
            self.total = Some(self.powers.frames());
        }
        Ok(self.powers.frames())
    }

    /// Number of final frames.
    fn ready(&self) -> usize {
        if let Some(total) = self.total {
            return total;
        }
        let waits = self.powers.spectrogram().settings.needs_greatest();
        match self.deltas {
            _ if waits => 0,
            Some(deltas) if deltas.wraps() => 0,
            Some(deltas) => deltas.settled(self.powers.frames()),
            None => self.powers.frames(),
        }
    }

    fn append(&mut self, out: &mut Vec<f32>) -> usize {
        let n = TAKEN.min(self.ready() - self.taken);
        let bins = self.frame.len();
        let scale = self.powers.scale();
        match self.deltas {
            None => {
                for t in self.taken..self.taken + n {
                    self.make(Some(t), &scale);
                    out.extend(self.frame.iter().map(|value| *value as f32));
                }
                self.powers.free(self.taken + n, false);
            }
            Some(deltas) => {
                if self.taken == 0 {
                    self.first = deltas.around(deltas.centre(0, self.total)).start;
                }
                let before = out.len();
                out.resize(before + n * 3 * bins, 0.0);
                for (t, out) in (self.taken..).zip(out[before..].chunks_exact_mut(3 * bins)) {
                    self.with_deltas(deltas, t, &scale, out);
                }
                // At the end of the clip, the filter for the next frame has the same center as for
                // the last one.
                let needed = deltas.around(deltas.centre((self.taken + n).saturating_sub(1), self.total)).start;
                self.powers.free(usize::try_from(needed).unwrap_or(0), deltas.wraps());
            }
        }
        self.taken += n;
        n
    }

    /// Computes frame `t`, its deltas and its delta-deltas.
    fn with_deltas(&mut self, deltas: &Deltas, t: usize, scale: &LogScale, out: &mut [f32]) {
        let bins = self.frame.len();
        let positions = deltas.around(deltas.centre(t, self.total));
        if positions.start - self.first >= FORGOTTEN {
            self.around.drain(..(positions.start - self.first) as usize * bins);
            self.first = positions.start;
        }
        while self.first + ((self.around.len() / bins) as isize) < positions.end {
            let position = self.first + (self.around.len() / bins) as isize;
            self.make(deltas.source(position, self.powers.frames()), scale);
            self.around.extend(self.frame.iter().map(|value| *value as f32));
        }
        let at = |position: isize| (position - self.first) as usize * bins;
        let (values, rest) = out.split_at_mut(bins);
        let (slopes, curvatures) = rest.split_at_mut(bins);
        values.copy_from_slice(&self.around[at(t as isize)..at(t as isize + 1)]);
        let around = &self.around[at(positions.start)..at(positions.end)];
        deltas.apply(around, slopes, curvatures);
    }

    /// Writes frame `t`, or zeros, to `self.frame`.
    fn make(&mut self, t: Option<usize>, scale: &LogScale) {
        match t {
            Some(t) => {
                self.powers.spectrogram().frame(self.powers.frame(t), scale, &mut self.bands, &mut self.frame);
            }
            None => self.frame.fill(0.0),
        }
    }
}

/// Embeds one clip as its samples arrive. It keeps the features of the network's front end.
struct EmbeddingStream<'a> {
    embedding: &'a Embedding,
    frames: FeatureStream<'a>,
    data: Vec<f32>,
    /// The embedding, from the end of the clip until it is taken.
    made: Option<Vec<f32>>,
    finished: bool,
}

impl<'a> EmbeddingStream<'a> {
    fn new(embedding: &'a Embedding) -> Self {
        let frames = embedding.extractor.stream();
        EmbeddingStream { embedding, frames, data: Vec::new(), made: None, finished: false }
    }

    fn push(&mut self, samples: &[f32]) -> Result<(), FeatureError> {
        self.frames.push(samples)?;
        while self.frames.append(&mut self.data) > 0 {}
        Ok(())
    }

    /// Ends the clip. There is always one frame.
    fn finish(&mut self) -> Result<usize, FeatureError> {
        if !self.finished {
            let frames = self.frames.finish()?;
            while self.frames.append(&mut self.data) > 0 {}
            let (channels, bins) = self.embedding.extractor.shape;
            let features = Features { data: std::mem::take(&mut self.data), channels, bins, frames };
            self.made = Some(self.embedding.of(features.view())?);
            self.finished = true;
        }
        Ok(1)
    }

    fn append(&mut self, out: &mut Vec<f32>) -> usize {
        let made = self.made.take();
        out.extend(made.iter().flatten());
        usize::from(made.is_some())
    }
}

impl Extractor {
    /// Extracts the features of a whole clip.
    ///
    /// # Shape
    /// `samples`: `[N]`, mono; out: `[frames, channels, bins]`, with centering `frames = 1 + N /
    /// hop_length` (`1 + (N - 1) / hop_length` for an odd `n_fft`).
    /// # Units
    /// Samples at [`FrontEnd::sample_rate`](crate::FrontEnd::sample_rate), full scale = 1; log-mel
    /// in dB. Power above 3.4e38 counts as 3.4e38.
    /// # Errors
    /// No samples, a sample that is NaN or infinite, or, without centering, less than one frame.
    pub fn extract(&self, samples: &[f32]) -> Result<Features, FeatureError> {
        let mut stream = self.stream();
        stream.push(samples)?;
        let frames = stream.finish()?;
        let (channels, bins) = self.shape;
        let mut data = Vec::with_capacity(frames * channels * bins);
        while stream.append(&mut data) > 0 {}
        Ok(Features { data, channels, bins, frames })
    }

    /// The features of one clip whose samples arrive in pieces, bit-identical to those of
    /// [`Extractor::extract`].
    ///
    /// ```
    /// use earmark_features::FrontEnd;
    /// let extractor = FrontEnd::logmel().extractor()?;
    /// let mut stream = extractor.stream();
    /// for _ in 0..50 {
    ///     stream.push(&[0.1; 441])?;
    /// }
    /// assert_eq!(stream.finish()?, 101);
    /// let (mut frames, mut some) = (Vec::new(), Vec::new());
    /// while stream.take(&mut some) > 0 {
    ///     frames.extend_from_slice(&some);
    /// }
    /// assert_eq!(frames, extractor.extract(&[0.1; 50 * 441])?.data);
    /// # Ok::<(), earmark_features::FeatureError>(())
    /// ```
    pub fn stream(&self) -> FeatureStream<'_> {
        FeatureStream::new(self)
    }
}
