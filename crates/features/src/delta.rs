//! Local slope and curvature of features over time.

use serde::{Deserialize, Serialize};

use crate::FeatureError;
use crate::settings::check;

/// How deltas are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeltaFilter {
    /// The derivative of the least-squares line or parabola (Savitzky and Golay 1964), as in
    /// librosa since 0.6.
    Savgol,
    /// The FIR filter of librosa 0.5: `(4..-4) / 60` for width 9. For delta-deltas it is applied
    /// twice and the result is trimmed only once, so delta-deltas are `delta_width / 2` frames
    /// late.
    Fir,
}

/// How a Savitzky-Golay delta extends the clip beyond its ends: the modes of
/// `scipy.signal.savgol_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeltaMode {
    /// No extension: near an end, the derivative is that of the fit to the first or last
    /// `delta_width` frames. A clip with fewer frames, which librosa rejects, is treated as in
    /// `nearest`, so that short clips have features too.
    Interp,
    /// The first or last frame.
    Nearest,
    /// The clip mirrored at its first and last frame, which are not repeated.
    Mirror,
    /// Zeros.
    Constant,
    /// The clip from its other end. A stream has to wait for the end of the clip.
    Wrap,
}

/// Settings of deltas and delta-deltas, as in `librosa.feature.delta`.
///
/// ```
/// use earmark_features::{DeltaMode, DeltaSettings};
/// let settings: DeltaSettings = serde_json::from_str(r#"{"delta_width": 5, "delta_mode": "nearest"}"#)?;
/// assert_eq!(settings.delta_mode, DeltaMode::Nearest);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeltaSettings {
    /// The filter.
    pub delta: DeltaFilter,
    /// Width of the filter in frames; odd, 3 to 255.
    pub delta_width: usize,
    /// How the clip is extended beyond its ends; the FIR filter has its own rule and ignores this.
    pub delta_mode: DeltaMode,
}

impl Default for DeltaSettings {
    fn default() -> Self {
        DeltaSettings { delta: DeltaFilter::Savgol, delta_width: 9, delta_mode: DeltaMode::Interp }
    }
}

impl DeltaSettings {
    /// Whether the first frames depend on the last ones, so that no frame is final before the end
    /// of the clip.
    pub fn wraps(&self) -> bool {
        self.delta == DeltaFilter::Savgol && self.delta_mode == DeltaMode::Wrap
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`FeatureError::Setting`] names the first setting that is not, and what is allowed.
    pub fn validate(&self) -> Result<(), FeatureError> {
        let width = self.delta_width;
        check("delta_width", width, (3..=255).contains(&width) && width % 2 == 1, "odd, 3 to 255 frames")
    }
}

/// The delta (`order` 1) or delta-delta (`order` 2) of one row of frames.
///
/// # Shape
/// `row` and out: `[frames]`.
/// # Units
/// Those of `row` per frame, or per frame squared.
/// # Errors
/// A setting out of its range; an order other than 1 and 2.
///
/// Source: `librosa.feature.delta` (0.11), `scipy.signal.savgol_filter`; for the FIR filter librosa
/// 0.5.1.
///
/// ```
/// use earmark_features::{DeltaSettings, delta};
/// let ramp: Vec<f32> = (0..20).map(|t| 3.0 * t as f32).collect();
/// let slope = delta(&ramp, 1, &DeltaSettings::default())?;
/// assert!(slope.iter().all(|d| (d - 3.0).abs() < 1e-5));
/// # Ok::<(), earmark_features::FeatureError>(())
/// ```
pub fn delta(row: &[f32], order: u8, settings: &DeltaSettings) -> Result<Vec<f32>, FeatureError> {
    settings.validate()?;
    check("order", order, (1..=2).contains(&order), "1 or 2")?;
    let deltas = Deltas::new(settings);
    let mut out = vec![0.0; row.len()];
    for (t, out) in out.iter_mut().enumerate() {
        let centre = deltas.centre(t, Some(row.len()));
        let around: Vec<f32> =
            deltas.around(centre).map(|position| deltas.source(position, row.len()).map_or(0.0, |t| row[t])).collect();
        let (mut slope, mut curvature) = ([0.0], [0.0]);
        deltas.apply(&around, &mut slope, &mut curvature);
        *out = if order == 1 { slope[0] } else { curvature[0] };
    }
    Ok(out)
}

/// The filters of deltas: the weights of the frames from `before` to `after` a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaWeights {
    /// Frames before the one that the filters are for.
    pub before: usize,
    /// Frames after it.
    pub after: usize,
    /// The weights for the slope: `[before + 1 + after]`.
    pub slope: Vec<f32>,
    /// The weights for the curvature, as many.
    pub curvature: Vec<f32>,
}

impl DeltaSettings {
    /// The filters of these settings, which must be valid.
    ///
    /// ```
    /// use earmark_features::DeltaSettings;
    /// let weights = DeltaSettings { delta_width: 3, ..DeltaSettings::default() }.weights();
    /// assert_eq!((weights.before, weights.after), (1, 1));
    /// assert_eq!(weights.slope, [-0.5, 0.0, 0.5]);
    /// ```
    pub fn weights(&self) -> DeltaWeights {
        let Deltas { before, after, weights: [slope, curvature], .. } = Deltas::new(self);
        DeltaWeights { before, after, slope, curvature }
    }
}

/// The weights of the frames around a center, for both orders, and the extension beyond the ends.
pub(crate) struct Deltas {
    /// Frames before and after the center.
    before: usize,
    after: usize,
    /// The weights for slope and for curvature, one for each frame from `before` to `after`.
    weights: [Vec<f32>; 2],
    width: usize,
    filter: DeltaFilter,
    mode: DeltaMode,
    wraps: bool,
}

impl Deltas {
    /// The settings must be valid.
    pub(crate) fn new(settings: &DeltaSettings) -> Self {
        let (filter, mode, width) = (settings.delta, settings.delta_mode, settings.delta_width);
        let half = width / 2;
        let offsets = || (0..width).map(|k| k as f64 - half as f64);
        let squares: f64 = offsets().map(|k| k * k).sum();
        let slope: Vec<f64> = offsets().map(|k| k / squares).collect();
        let (before, weights) = match filter {
            DeltaFilter::Savgol => {
                let (mean, fourths) = (squares / width as f64, offsets().map(|k| k.powi(4)).sum::<f64>());
                let scale = 2.0 / (fourths - squares * mean);
                (half, [slope, offsets().map(|k| (k * k - mean) * scale).collect()])
            }
            DeltaFilter::Fir => {
                // The convolution of the filter with itself. It ends at the same frame as the
                // single filter, which is `half` frames too early for its center.
                let mut twice = vec![0.0; 2 * width - 1];
                for (i, a) in slope.iter().enumerate() {
                    slope.iter().enumerate().for_each(|(j, b)| twice[i + j] += a * b);
                }
                let late = vec![0.0; 2 * half];
                (3 * half, [[late, slope].concat(), twice])
            }
        };
        let weights = weights.map(|weights| weights.into_iter().map(|weight| weight as f32).collect());
        Deltas { before, after: half, weights, width, filter, mode, wraps: settings.wraps() }
    }

    /// Whether the first frames depend on the last ones.
    pub(crate) fn wraps(&self) -> bool {
        self.wraps
    }

    /// The number of frames whose deltas no later frame can change, once `known` frames have
    /// arrived.
    pub(crate) fn settled(&self, known: usize) -> usize {
        if known < self.width { 0 } else { known - self.after }
    }

    /// The center of the filter for frame `t`. `total` is the number of frames, if it is known.
    pub(crate) fn centre(&self, t: usize, total: Option<usize>) -> usize {
        let long = total.is_none_or(|total| total >= self.width);
        if self.filter == DeltaFilter::Savgol && self.mode == DeltaMode::Interp && long {
            t.max(self.after).min(total.map_or(usize::MAX, |total| total - 1 - self.after))
        } else {
            t
        }
    }

    /// The positions around a center; some may be beyond the ends.
    pub(crate) fn around(&self, centre: usize) -> std::ops::Range<isize> {
        centre as isize - self.before as isize..(centre + self.after + 1) as isize
    }

    /// The frame to use at a position; none means zeros. `frames` may be the number known so far,
    /// unless the position is near the last ones.
    pub(crate) fn source(&self, position: isize, frames: usize) -> Option<usize> {
        let last = frames as isize - 1;
        if (0..=last).contains(&position) {
            return Some(position as usize);
        }
        let at = match (self.filter, self.mode) {
            // Before `delta_width` repetitions of the first frame, the filter of librosa 0.5 starts
            // from zeros.
            (DeltaFilter::Fir, _) if position < -(self.width as isize) => return None,
            (DeltaFilter::Fir, _) | (_, DeltaMode::Interp | DeltaMode::Nearest) => position.clamp(0, last),
            (_, DeltaMode::Constant) => return None,
            (_, DeltaMode::Wrap) => position.rem_euclid(frames as isize),
            (_, DeltaMode::Mirror) if last == 0 => 0,
            (_, DeltaMode::Mirror) => {
                let folded = position.rem_euclid(2 * last);
                folded.min(2 * last - folded)
            }
        };
        Some(at as usize)
    }

    /// Computes the weighted sums of frames: `around` is `[frames around the center, bins]`, slopes
    /// and curvatures are `[bins]`.
    pub(crate) fn apply(&self, around: &[f32], slopes: &mut [f32], curvatures: &mut [f32]) {
        apply_filters(&self.weights, around, slopes, curvatures);
    }
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn apply_filters(weights: &[Vec<f32>; 2], around: &[f32], slopes: &mut [f32], curvatures: &mut [f32]) {
    /// Bins processed at once, so that their sums stay in registers.
    const LANES: usize = 8;
    let bins = slopes.len();
    let whole = bins / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let [first, second] = sums::<LANES>(weights, around, bins, at);
        slopes[at..at + LANES].copy_from_slice(&first);
        curvatures[at..at + LANES].copy_from_slice(&second);
    }
    for at in whole..bins {
        [[slopes[at]], [curvatures[at]]] = sums::<1>(weights, around, bins, at);
    }
}

/// The weighted sums of some bins, from `at` on.
#[inline(always)]
fn sums<const LANES: usize>(weights: &[Vec<f32>; 2], around: &[f32], bins: usize, at: usize) -> [[f32; LANES]; 2] {
    let mut sums = [[0.0; LANES]; 2];
    for (frame, (slope, curvature)) in around.chunks_exact(bins).zip(weights[0].iter().zip(&weights[1])) {
        let Some(values) = frame[at..].first_chunk::<LANES>() else { break };
        for (lane, value) in values.iter().enumerate() {
            sums[0][lane] += slope * value;
            sums[1][lane] += curvature * value;
        }
    }
    sums
}
