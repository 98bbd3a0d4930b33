//! Read access to features in memory or in a mapped file, in 32 or 16 bits.

use half::f16;

use crate::Features;

/// The values of a view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// 32-bit floats.
    Single(&'a [f32]),
    /// 16-bit floats (IEEE 754 half precision), 11 significant bits.
    Half(&'a [f16]),
}

/// Borrowed features of one clip: `[frames, channels, bins]`, so that a frame is contiguous.
///
/// ```
/// use earmark_features::{FeatureView, Features};
/// let features = Features { data: vec![1.0, 2.0, 3.0, 4.0], channels: 1, bins: 2, frames: 2 };
/// let mut frame = [0.0; 2];
/// features.view().read(1, &mut frame);
/// assert_eq!(frame, [3.0, 4.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureView<'a> {
    values: Values<'a>,
    channels: usize,
    bins: usize,
}

impl<'a> FeatureView<'a> {
    /// Creates a view of values with this shape. Values after the last complete frame are ignored.
    pub fn new(values: Values<'a>, channels: usize, bins: usize) -> Self {
        FeatureView { values, channels, bins }
    }

    /// The values, `[frames, channels, bins]`.
    pub fn values(&self) -> Values<'a> {
        self.values
    }

    /// Channels: the features, their deltas, their delta-deltas.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Bands or coefficients; 1 for the waveform.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Number of values of one frame: `channels * bins`.
    pub fn width(&self) -> usize {
        self.channels * self.bins
    }

    /// Frames; samples for the waveform.
    pub fn frames(&self) -> usize {
        let values = match self.values {
            Values::Single(values) => values.len(),
            Values::Half(values) => values.len(),
        };
        values / self.width().max(1)
    }

    /// Copies frames from `start` on, as many as exist and fit into `out`.
    ///
    /// # Shape
    /// `out`: `[n, channels, bins]`.
    pub fn read(&self, start: usize, out: &mut [f32]) {
        let width = self.width();
        let frames = (out.len() / width.max(1)).min(self.frames().saturating_sub(start));
        let (from, to) = (start.min(self.frames()) * width, (start.min(self.frames()) + frames) * width);
        let out = &mut out[..frames * width];
        match self.values {
            Values::Single(values) => out.copy_from_slice(&values[from..to]),
            Values::Half(values) => widen(&values[from..to], out),
        }
    }
}

/// Converts to 32 bits. The loop of the `half` crate calls a function for every 8 values and passes
/// them on the stack, which has a third of the speed if they cross cache lines.
#[multiversion::multiversion(targets("x86_64+avx2"))]
fn widen(halves: &[f16], out: &mut [f32]) {
    for (out, half) in out.iter_mut().zip(halves) {
        let (sign, bits) = (u32::from(half.to_bits() & 0x8000) << 16, u32::from(half.to_bits() & 0x7FFF));
        let bits = match bits {
            // Zero or subnormal: a multiple of 2^-24.
            0..0x0400 => (bits as f32 * (1.0 / 16_777_216.0)).to_bits(),
            // The exponent bias is 15 in 16 bits and 127 in 32 bits.
            0x0400..0x7C00 => (bits << 13) + (112 << 23),
            _ => (bits << 13) | 0x7F80_0000,
        };
        *out = f32::from_bits(sign | bits);
    }
}

impl Features {
    /// A view of the features.
    pub fn view(&self) -> FeatureView<'_> {
        FeatureView::new(Values::Single(&self.data), self.channels, self.bins)
    }

    /// The values as `[channels, bins, frames]`, row-major, which is librosa's order.
    pub fn rows(&self) -> Vec<f32> {
        let width = self.channels * self.bins;
        (0..width).flat_map(|row| self.data.iter().skip(row).step_by(width.max(1)).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_precisions_read_alike() {
        let single: Vec<f32> = (0..12).map(|value| value as f32 / 4.0).collect();
        let half: Vec<f16> = single.iter().map(|value| f16::from_f32(*value)).collect();
        for values in [Values::Single(&single), Values::Half(&half)] {
            let view = FeatureView::new(values, 3, 2);
            assert_eq!((view.width(), view.frames()), (6, 2));
            let mut out = [9.0; 12];
            view.read(0, &mut out);
            assert_eq!(out[..], single);
            let mut out = [9.0; 12];
            view.read(1, &mut out);
            assert_eq!((&out[..6], &out[6..]), (&single[6..], &[9.0; 6][..]), "only what is there");
            view.read(7, &mut out);
        }
    }

    #[test]
    fn every_half_is_the_number_it_was() {
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let mut out = vec![0.0; halves.len()];
        widen(&halves, &mut out);
        for (half, out) in halves.iter().zip(out) {
            assert!(half.to_f32() == out || half.is_nan() && out.is_nan(), "{half} is {out}");
            assert_eq!(half.is_sign_negative(), out.is_sign_negative(), "{half}");
        }
    }

    #[test]
    fn rows_are_librosas_order() {
        let features = Features { data: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], channels: 1, bins: 2, frames: 3 };
        assert_eq!(features.rows(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }
}
