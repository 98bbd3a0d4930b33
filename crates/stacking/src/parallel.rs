//! Results of parallel work.

use rayon::prelude::*;

use crate::Result;

/// Collects parallel results. Rayon's own `collect` returns the error that occurred first, so which
/// one it is would depend on the threads; this returns the first in the order of the items.
pub(crate) fn in_order<T: Send>(results: impl IndexedParallelIterator<Item = Result<T>>) -> Result<Vec<T>> {
    results.collect::<Vec<_>>().into_iter().collect()
}
