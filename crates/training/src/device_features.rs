//! The features of clips in the memory of GPUs, shared by the jobs of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use earmark_features::FeatureView;
use tch::Device;

use crate::device::parse_device;
use crate::engine::{empty_cache, memory, settings, synchronize};
use crate::error::TrainingError;
use crate::table::{Table, distinct, table_bytes};

/// The features of a run's clips by one front end. Each GPU gets one copy, which all jobs on it
/// share, if it fits.
pub struct DeviceFeatures<'a> {
    clips: Vec<FeatureView<'a>>,
    /// Bytes that jobs need beside the features.
    reserve: u64,
    /// By the number of the GPU.
    tables: Mutex<BTreeMap<usize, Table>>,
}

impl<'a> DeviceFeatures<'a> {
    /// The features of these clips, all of one front end. Nothing is copied yet, and only to GPUs
    /// on which `reserve` bytes then remain for the jobs.
    pub fn new(clips: impl IntoIterator<Item = FeatureView<'a>>, reserve: u64) -> Self {
        Self { clips: distinct(clips), reserve, tables: Mutex::default() }
    }

    /// Copies the features to a GPU, if they fit.
    ///
    /// # Errors
    /// The GPU is not available or fails.
    pub fn load(&self, device: &str) -> Result<(), TrainingError> {
        self.table(parse_device(device)?).map(|_| ())
    }

    /// The table in a GPU's memory, copied on the first request; `None` on the CPU, if the settings
    /// turn it off, or if the table does not fit.
    pub(crate) fn table(&self, device: Device) -> Result<Option<Table>, TrainingError> {
        let Device::Cuda(gpu) = device else { return Ok(None) };
        if !settings().resident_features || self.clips.is_empty() {
            return Ok(None);
        }
        // Other jobs wait for the copy.
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(&gpu) {
            return Ok(Some(table.share()));
        }
        if table_bytes(&self.clips).saturating_add(self.reserve) > memory(gpu)?.free {
            return Ok(None);
        }
        let table = Table::new(&self.clips, device)?;
        // Jobs have streams of their own, and do not wait for this one's.
        synchronize(gpu)?;
        Ok(Some(tables.entry(gpu).or_insert(table).share()))
    }
}

impl Drop for DeviceFeatures<'_> {
    /// Returns the memory to the system: other programs, or XGBoost, may need it.
    fn drop(&mut self) {
        let tables = self.tables.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !tables.is_empty() {
            tables.clear();
            // A failure only means that the memory is still reserved.
            let _ = empty_cache();
        }
    }
}

impl fmt::Debug for DeviceFeatures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceFeatures").field("clips", &self.clips.len()).finish_non_exhaustive()
    }
}
