//! From the clips of a job to the tensors of a batch, cut on the CPU or from a table on the device.

use earmark_features::{CropPosition, FeatureView, InputScaling, Windowing};
use earmark_loader::{Batch, BatchPlan, Batches, CropPlan, Example};
use tch::{Device, Tensor};

use crate::dropout::Dropout;
use crate::engine::{pinned, uploaded};
use crate::error::TrainingError;
use crate::table::{PackedCrops, Places, Table, TableCrop};

/// A batch that is ready for the device.
pub(crate) enum Prepared {
    /// Crops, `[n, channels, bins, frames]`, and targets, `[n, classes]`.
    Cut { crops: Tensor, targets: Tensor },
    /// What the device needs to cut them from its table.
    Packed(PackedCrops),
}

impl Prepared {
    /// The crops and the targets on the device.
    pub fn load(&self, table: Option<&Table>, device: Device) -> Result<(Tensor, Tensor), TrainingError> {
        match (self, table) {
            (Self::Cut { crops, targets }, _) => Ok((uploaded(crops, device)?, uploaded(targets, device)?)),
            (Self::Packed(packed), Some(table)) => table.cut(packed),
            (Self::Packed(_), None) => Err(TrainingError::Torch("a batch of no table".to_owned())),
        }
    }

    fn of(
        crops: &[f32],
        clip: Option<FeatureView<'_>>,
        frames: usize,
        n: usize,
        targets: &[f32],
        device: Device,
    ) -> Result<Self, TrainingError> {
        let (channels, bins) = clip.map_or((0, 0), |clip| (clip.channels(), clip.bins()));
        let crops = Tensor::f_from_slice(crops)?.f_reshape([n, channels, bins, frames].map(|side| side as i64))?;
        let targets = Tensor::f_from_slice(targets)?.f_reshape([n as i64, (targets.len() / n.max(1)) as i64])?;
        Ok(Self::Cut { crops: pinned(crops, device)?, targets: pinned(targets, device)? })
    }
}

/// A training batch that is ready for the device.
pub(crate) struct PreparedBatch {
    pub input: Prepared,
    /// As in [`LoadedBatch`].
    dropout: Option<Tensor>,
}

impl PreparedBatch {
    /// The batch on the device.
    pub fn load(&self, table: Option<&Table>, device: Device) -> Result<LoadedBatch, TrainingError> {
        let (crops, targets) = self.input.load(table, device)?;
        let dropout = self.dropout.as_ref().map(|factors| uploaded(factors, device)).transpose()?;
        Ok(LoadedBatch { crops, targets, dropout })
    }
}

/// A training batch on the device.
pub(crate) struct LoadedBatch {
    /// `[n, channels, bins, frames]`.
    pub crops: Tensor,
    /// `[n, classes]`, and what [`earmark_loader::BatchPlan`] adds to them.
    pub targets: Tensor,
    /// The factors of the last layer's inputs, `[n, features]`.
    pub dropout: Option<Tensor>,
}

/// Prepares the training batches of a job.
pub(crate) struct TrainingInputs<'a> {
    pub examples: &'a [Example<'a>],
    pub batches: &'a Batches<'a>,
    pub windowing: &'a Windowing,
    /// Where the clips are in the device's table, if it has one.
    pub places: Option<Places>,
    pub dropout: Option<Dropout>,
    pub device: Device,
}

impl TrainingInputs<'_> {
    /// Batch `index` of an epoch; `batch` is memory that is reused.
    pub fn prepare(
        &self,
        epoch: usize,
        index: usize,
        members: &[usize],
        batch: &mut Batch,
    ) -> Result<PreparedBatch, TrainingError> {
        let input = self.input(epoch, index, members, batch)?;
        let factors = self.dropout.map(|dropout| {
            let factors = dropout.factors(members.len(), &mut self.batches.stream("dropout", epoch, index as u64))?;
            pinned(factors, self.device)
        });
        Ok(PreparedBatch { input, dropout: factors.transpose()? })
    }

    fn input(
        &self,
        epoch: usize,
        index: usize,
        members: &[usize],
        batch: &mut Batch,
    ) -> Result<Prepared, TrainingError> {
        let Some(places) = &self.places else {
            self.batches.fill(epoch, index, members, batch);
            let Batch { members, frames, crops, targets, .. } = batch;
            let clip = self.examples.first().map(|example| example.features);
            return Prepared::of(crops, clip, *frames, members.len(), targets, self.device);
        };
        let BatchPlan { members, frames, crops, mixup, targets } = self.batches.plan(epoch, index, members);
        let crops: Vec<TableCrop> = members
            .iter()
            .zip(&crops)
            .map(|(&member, plan)| {
                let (scaling, pads) = self.batches.input(member);
                TableCrop { clip: self.examples[member].features, plan, pads, scaling }
            })
            .collect();
        let padding = self.windowing.padding;
        places.pack(&crops, frames, padding, mixup.as_deref(), &targets, self.device).map(Prepared::Packed)
    }
}

/// A window of a clip: the clip, and the window's first frame.
pub(crate) type Window<'a> = (&'a Example<'a>, usize);

/// Prepares windows for prediction.
pub(crate) struct WindowInputs<'a> {
    pub windowing: &'a Windowing,
    pub scaling: &'a InputScaling,
    /// Where the clips are in the device's table, if it has one.
    pub places: Option<Places>,
    pub device: Device,
    /// Smaller batches are filled up to this size by their first window.
    pub at_least: usize,
}

impl WindowInputs<'_> {
    /// A batch of these windows, without targets.
    pub fn prepare(&self, windows: &[Window<'_>]) -> Result<Prepared, TrainingError> {
        let Windowing { frames, padding, .. } = *self.windowing;
        let missing = self.at_least.saturating_sub(windows.len());
        let added = windows.first().into_iter().flat_map(|first| std::iter::repeat_n(*first, missing));
        let windows: Vec<Window> = windows.iter().copied().chain(added).collect();
        let of_clips = windows.chunk_by(|one, next| std::ptr::eq(one.0, next.0)).map(|windows| {
            let clip = windows[0].0.features;
            (clip, self.scaling.of_clip(clip), windows.iter().map(|&(_, start)| start))
        });
        let Some(places) = &self.places else {
            let cut = of_clips.map(|(clip, scaling, starts)| {
                self.windowing.cut(clip, scaling.as_deref(), &starts.collect::<Vec<_>>())
            });
            let cut: Vec<Vec<f32>> = cut.collect();
            let clip = windows.first().map(|(clip, _)| clip.features);
            return Prepared::of(&cut.concat(), clip, frames, windows.len(), &[], self.device);
        };
        let planned = of_clips.map(|(clip, scaling, starts)| {
            let position = |start| CropPosition::window(start, clip.frames(), frames);
            let plan = |start| CropPlan { position: position(start), ..CropPlan::default() };
            (clip, self.windowing.pads(scaling.as_deref()), scaling, starts.map(plan).collect::<Vec<_>>())
        });
        let planned: Vec<_> = planned.collect();
        let crops = planned.iter().flat_map(|(clip, pads, scaling, plans)| {
            plans.iter().map(|plan| TableCrop { clip: *clip, plan, pads, scaling: scaling.as_deref() })
        });
        let crops: Vec<TableCrop> = crops.collect();
        places.pack(&crops, frames, padding, None, &[], self.device).map(Prepared::Packed)
    }
}
