//! The features of clips in a device's memory, where crops are cut.
//!
//! A batch is cut from a table of all clips' frames by gathering rows. Its random numbers come from
//! the same [`CropPlan`]s as on the CPU, and each value is computed by the same operations in the
//! same order, so the crops are bitwise those of [`earmark_loader::Batches::batch`].

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use earmark_features::{FeatureView, Padding, Scaling, Values};
use earmark_loader::{CropPlan, Resize};
use tch::{Device, Kind, Tensor};

use crate::engine::{pinned, uploaded};
use crate::error::TrainingError;

/// The frames of all clips, one after the other.
pub(crate) struct Table {
    /// `[rows, channels * bins]`, in 32 or 16 bits.
    frames: Tensor,
    /// The first row of each clip, by the address of its values.
    starts: Arc<HashMap<usize, usize>>,
    channels: i64,
    bins: i64,
}

/// The address of a clip's values, which identifies it as long as they are borrowed.
fn address(clip: FeatureView<'_>) -> usize {
    match clip.values() {
        Values::Single(values) => values.as_ptr().addr(),
        Values::Half(values) => values.as_ptr().addr(),
    }
}

/// Each clip once, in the given order.
pub(crate) fn distinct<'a>(clips: impl IntoIterator<Item = FeatureView<'a>>) -> Vec<FeatureView<'a>> {
    let mut seen = HashSet::new();
    clips.into_iter().filter(|clip| seen.insert(address(*clip))).collect()
}

/// Bytes of a table of these clips.
pub(crate) fn table_bytes(clips: &[FeatureView<'_>]) -> u64 {
    let bytes = |clip: &FeatureView| clip.frames() * clip.width() * if is_half(*clip) { 2 } else { 4 };
    clips.iter().map(|clip| bytes(clip) as u64).sum()
}

fn is_half(clip: FeatureView<'_>) -> bool {
    matches!(clip.values(), Values::Half(_))
}

impl Table {
    /// Copies [`distinct`] clips, all of one front end and one precision, to a device.
    pub fn new(clips: &[FeatureView<'_>], device: Device) -> Result<Self, TrainingError> {
        let first = clips.first().ok_or_else(|| TrainingError::Torch("a table without clips".to_owned()))?;
        let (width, kind) = (first.width(), if is_half(*first) { Kind::Half } else { Kind::Float });
        let rows: usize = clips.iter().map(FeatureView::frames).sum();
        let frames = Tensor::f_zeros([rows.max(1) as i64, width as i64], (kind, device))?;
        let (mut starts, mut row) = (HashMap::new(), 0);
        for &clip in clips {
            let count = clip.frames() * width;
            let values = match clip.values() {
                Values::Single(values) => Tensor::f_from_slice(&values[..count])?,
                Values::Half(values) => Tensor::f_from_slice(&values[..count])?,
            };
            let values = values.f_reshape([clip.frames() as i64, width as i64])?;
            frames.f_narrow(0, row as i64, clip.frames() as i64)?.f_copy_(&values)?;
            starts.insert(address(clip), row);
            row += clip.frames();
        }
        let (channels, bins) = (first.channels() as i64, first.bins() as i64);
        Ok(Self { frames, starts: Arc::new(starts), channels, bins })
    }

    /// The same table for another thread.
    pub fn share(&self) -> Self {
        Self { frames: self.frames.shallow_clone(), starts: self.starts.clone(), ..*self }
    }

    /// What plans crops of this table, also in another thread.
    pub fn places(&self) -> Places {
        Places { starts: self.starts.clone(), channels: self.channels as usize, bins: self.bins as usize }
    }

    /// The input of the network and the targets, both on the device.
    ///
    /// # Shape
    /// `[n, channels, bins, frames]` and `[n, classes]`.
    pub fn cut(&self, packed: &PackedCrops) -> Result<(Tensor, Tensor), TrainingError> {
        let device = self.frames.device();
        let PackedCrops { n, length, bins, channels, .. } = *packed;
        let (ints, floats) = (uploaded(&packed.ints, device)?, uploaded(&packed.floats, device)?);
        let (mut ints, mut floats) = (Fields::of(ints), Fields::of(floats));
        let clips = ClipFields {
            row: ints.next([n, 1])?,
            frames: ints.next([n, 1])?,
            first: ints.next([n, 1])?,
            offset: ints.next([n, 1])?,
            pads: floats.next([n, 1, channels, 1])?,
        };
        let at = Tensor::f_arange(length, (Kind::Int64, device))?.f_unsqueeze(0)?;
        let mut crops = if packed.is_resized {
            let last = ints.next([n, 1])?;
            let [lower, upper] = [(); 2].map(|()| ints.next([n, 1, 1, bins]));
            let bands = Bands { lower: lower?, upper: upper?, share: floats.next([n, 1, 1, bins])? };
            let (step, gain) = (floats.next([n, 1])?, floats.next([n, 1, channels, 1])?);
            let place = at.f_to_kind(Kind::Float)?.f_mul(&step)?;
            let before = place.f_to_kind(Kind::Int64)?.f_minimum(&last)?;
            let after = before.f_add_scalar(1)?.f_minimum(&last)?;
            let [before, after] = [before, after].map(|at| bands.blend(&self.fetch(packed, &clips, &at)?, &gain));
            let (before, share) = (before?, place.f_frac()?.f_reshape([n, length, 1, 1])?);
            before.f_add(&share.f_mul(&after?.f_sub(&before)?)?)?
        } else {
            self.fetch(packed, &clips, &at)?
        };
        for (is_masked, shape) in
            [(packed.has_band_masks, [n, 1, 1, bins]), (packed.has_frame_masks, [n, length, 1, 1])]
        {
            if is_masked {
                let mask = floats.next(shape)?.f_to_kind(Kind::Bool)?;
                crops = clips.pads.f_where_self(&mask, &crops)?;
            }
        }
        if packed.is_scaled {
            let (mean, factor) = (floats.next([n, 1, channels, 1])?, floats.next([n, 1, channels, 1])?);
            crops = crops.f_sub(&mean)?.f_mul(&factor)?;
        }
        if packed.is_mixed {
            let (partner, own, other) = (ints.next([n])?, floats.next([n, 1, 1, 1])?, floats.next([n, 1, 1, 1])?);
            let partners = crops.f_index_select(0, &partner)?;
            crops = own.f_mul(&crops)?.f_add(&other.f_mul(&partners)?)?;
        }
        let targets = floats.next([n, packed.classes])?;
        Ok((crops.f_permute([0, 2, 3, 1])?, targets))
    }

    /// The frames of the clips at the positions `at` of their crops, `[n, length]` or
    /// `[1, length]`, padded: `[n, length, channels, bins]`.
    fn fetch(&self, packed: &PackedCrops, clips: &ClipFields, at: &Tensor) -> Result<Tensor, TrainingError> {
        let length = clips.frames.f_clamp_min(1)?;
        let at = at.f_sub(&clips.offset)?;
        let of_clip = match packed.padding {
            Padding::Zero | Padding::Repeat => at.shallow_clone(),
            Padding::Reflect => {
                let last = length.f_sub_scalar(1)?.f_mul_scalar(2)?;
                let turned = at.f_remainder_tensor(&last.f_clamp_min(1)?)?;
                turned.f_minimum(&last.f_sub(&turned)?)?
            }
        };
        let rows = of_clip.f_add(&clips.first)?.f_remainder_tensor(&length)?.f_add(&clips.row)?;
        let frames = self.frames.f_index_select(0, &rows.f_reshape([-1])?)?.f_to_kind(Kind::Float)?;
        let frames = frames.f_reshape([packed.n, packed.length, self.channels, self.bins])?;
        if !packed.is_padded {
            return Ok(frames);
        }
        let outside = match packed.padding {
            Padding::Zero => at.f_lt(0)?.f_logical_or(&at.f_ge_tensor(&clips.frames)?)?,
            Padding::Repeat | Padding::Reflect => at.f_zeros_like()?.f_ge_tensor(&clips.frames)?,
        };
        let outside = outside.f_reshape([packed.n, packed.length, 1, 1])?;
        Ok(clips.pads.f_where_self(&outside, &frames)?)
    }
}

/// One value, or one per channel, for each crop.
struct ClipFields {
    row: Tensor,
    frames: Tensor,
    first: Tensor,
    offset: Tensor,
    pads: Tensor,
}

/// The bands between which each band of a resized crop lies.
struct Bands {
    lower: Tensor,
    upper: Tensor,
    share: Tensor,
}

impl Bands {
    fn blend(&self, frames: &Tensor, gain: &Tensor) -> Result<Tensor, TrainingError> {
        let size = frames.size();
        let take = |index: &Tensor| frames.f_gather(3, &index.f_expand(&size, false)?, false);
        let (lower, upper) = (take(&self.lower)?, take(&self.upper)?);
        let blend = lower.f_add(&self.share.f_mul(&upper.f_sub(&lower)?)?)?;
        Ok(gain.f_mul(&blend)?)
    }
}

/// Plans crops of a table.
#[derive(Clone)]
pub(crate) struct Places {
    starts: Arc<HashMap<usize, usize>>,
    channels: usize,
    bins: usize,
}

/// A crop to cut from a table: of which clip, and with which padding values and scaling.
pub(crate) struct TableCrop<'a> {
    pub clip: FeatureView<'a>,
    pub plan: &'a CropPlan,
    /// As [`earmark_features::CropSpec::pad`].
    pub pads: &'a [f32],
    pub scaling: Option<&'a Scaling>,
}

/// Everything that is needed to cut a batch, as two tensors, so that it takes two copies.
pub(crate) struct PackedCrops {
    ints: Tensor,
    floats: Tensor,
    n: i64,
    length: i64,
    channels: i64,
    bins: i64,
    classes: i64,
    padding: Padding,
    /// Whether any frame is padding by value.
    is_padded: bool,
    is_resized: bool,
    has_band_masks: bool,
    has_frame_masks: bool,
    is_scaled: bool,
    is_mixed: bool,
}

impl Places {
    /// Packs crops of `length` frames, with their mixup and their targets, `[n, classes]`, for a
    /// device. Either all crops are scaled or resized, or none.
    pub fn pack(
        &self,
        crops: &[TableCrop<'_>],
        length: usize,
        padding: Padding,
        mixup: Option<&[(usize, f32)]>,
        targets: &[f32],
        device: Device,
    ) -> Result<PackedCrops, TrainingError> {
        let (mut ints, mut floats) = (Vec::<i64>::new(), Vec::<f32>::new());
        let number = |value: usize| value as i64;
        let row = |crop: &TableCrop| self.starts.get(&address(crop.clip)).copied().unwrap_or(0);
        ints.extend(crops.iter().map(|crop| number(row(crop))));
        ints.extend(crops.iter().map(|crop| number(crop.clip.frames())));
        ints.extend(crops.iter().map(|crop| number(crop.plan.position.first)));
        ints.extend(crops.iter().map(|crop| number(crop.plan.position.offset)));
        for crop in crops {
            let of_channel = |channel| crop.pads.get(channel * crop.pads.len() / self.channels).copied();
            floats.extend((0..self.channels).map(|channel| of_channel(channel).unwrap_or_default()));
        }
        let resized: Vec<&Resize> = crops.iter().filter_map(|crop| crop.plan.resize.as_ref()).collect();
        self.pack_resizes(&resized, length, &mut ints, &mut floats);
        let has_band_masks = crops.iter().any(|crop| !crop.plan.band_masks.is_empty());
        let has_frame_masks = crops.iter().any(|crop| !crop.plan.frame_masks.is_empty());
        if has_band_masks {
            crops.iter().for_each(|crop| push_masks(&crop.plan.band_masks, self.bins, &mut floats));
        }
        if has_frame_masks {
            crops.iter().for_each(|crop| push_masks(&crop.plan.frame_masks, length, &mut floats));
        }
        let scalings: Vec<&Scaling> = crops.iter().filter_map(|crop| crop.scaling).collect();
        floats.extend(scalings.iter().flat_map(|scaling| scaling.mean.iter().copied()));
        floats.extend(scalings.iter().flat_map(|scaling| scaling.deviation.iter().map(|deviation| 1.0 / deviation)));
        if let Some(mixup) = mixup {
            ints.extend(mixup.iter().map(|(partner, _)| number(*partner)));
            floats.extend(mixup.iter().map(|(_, weight)| weight));
            floats.extend(mixup.iter().map(|(_, weight)| 1.0 - weight));
        }
        floats.extend(targets);
        let cut = |crop: &TableCrop| crop.plan.resize.as_ref().map_or(length, |resize| resize.frames);
        let is_short = |crop: &TableCrop| match padding {
            Padding::Zero => crop.clip.frames() < cut(crop),
            Padding::Repeat | Padding::Reflect => crop.clip.frames() == 0,
        };
        Ok(PackedCrops {
            ints: pinned(Tensor::f_from_slice(&ints)?, device)?,
            floats: pinned(Tensor::f_from_slice(&floats)?, device)?,
            n: number(crops.len()),
            length: number(length),
            channels: number(self.channels),
            bins: number(self.bins),
            classes: number(targets.len() / crops.len().max(1)),
            padding,
            is_padded: crops.iter().any(is_short),
            is_resized: !resized.is_empty(),
            has_band_masks,
            has_frame_masks,
            is_scaled: !scalings.is_empty(),
            is_mixed: mixup.is_some(),
        })
    }

    /// As [`Table::cut`] reads it; nothing if no crop is resized.
    fn pack_resizes(&self, resizes: &[&Resize], length: usize, ints: &mut Vec<i64>, floats: &mut Vec<f32>) {
        let bands = || resizes.iter().flat_map(|resize| &resize.bands);
        ints.extend(resizes.iter().map(|resize| resize.frames as i64 - 1));
        ints.extend(bands().map(|band| *band as i64));
        ints.extend(bands().map(|band| (*band as i64 + 1).min(self.bins as i64 - 1)));
        floats.extend(bands().map(|band| band.fract()));
        let step = |resize: &&Resize| match length {
            0 | 1 => 0.0,
            _ => (resize.frames - 1) as f32 / (length - 1) as f32,
        };
        floats.extend(resizes.iter().map(step));
        for resize in resizes {
            let speed = resize.frames as f32 / length as f32;
            let gains = std::iter::successors(Some(1.0), |gain: &f32| Some(gain * speed));
            floats.extend(gains.take(self.channels));
        }
    }
}

/// Appends `length` values: 1 where masked, otherwise 0.
fn push_masks(masks: &[std::ops::Range<usize>], length: usize, floats: &mut Vec<f32>) {
    let start = floats.len();
    floats.resize(start + length, 0.0);
    masks.iter().for_each(|range| floats[start..][range.clone()].fill(1.0));
}

/// Reads the parts of a packed tensor in order.
struct Fields {
    all: Tensor,
    read: i64,
}

impl Fields {
    fn of(all: Tensor) -> Self {
        Self { all, read: 0 }
    }

    fn next<const D: usize>(&mut self, shape: [i64; D]) -> Result<Tensor, TrainingError> {
        let length = shape.iter().product();
        let part = self.all.f_narrow(0, self.read, length)?.f_view(&shape[..])?;
        self.read += length;
        Ok(part)
    }
}

#[cfg(test)]
mod tests;
