//! Processes many files in parallel.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::{EmbeddedFile, Embedder, TaggedFile, Tagger, TaggingError};

/// Limit of files that are started but not yet delivered: the results of this many short files may
/// wait for a long one.
const WINDOW: usize = 1_024;

impl Tagger {
    /// Tags files in parallel, as many at once as the tagger was opened for. Calls `each` with the
    /// index in `paths` and the result, in the order of `paths` and on the calling thread. At most
    /// 1,024 files are started before their turn. A file that cannot be tagged does not affect
    /// others.
    ///
    /// # Errors
    /// An error of `each` ends the work: files that are already started are finished and discarded.
    ///
    /// # Panics
    /// If tagging a file panics, which no input should cause.
    pub fn tag_files<E>(
        &self,
        paths: &[PathBuf],
        each: impl FnMut(usize, Result<TaggedFile, TaggingError>) -> Result<(), E>,
    ) -> Result<(), E> {
        in_order(paths, self.files_at_once(), |path| self.tag_file(path), each)
    }
}

impl Embedder {
    /// Embeds files in parallel, as [`Tagger::tag_files`] tags them; `windows` as in
    /// [`Embedder::embed_file`].
    ///
    /// # Errors
    /// An error of `each` ends the work.
    ///
    /// # Panics
    /// If embedding a file panics, which no input should cause.
    pub fn embed_files<E>(
        &self,
        paths: &[PathBuf],
        windows: bool,
        each: impl FnMut(usize, Result<EmbeddedFile, TaggingError>) -> Result<(), E>,
    ) -> Result<(), E> {
        in_order(paths, self.files_at_once(), |path| self.embed_file(path, windows), each)
    }
}

/// Processes files in parallel, `at_once` at a time, and delivers the results in order.
fn in_order<T: Send, E>(
    paths: &[PathBuf],
    at_once: usize,
    process: impl Fn(&Path) -> Result<T, TaggingError> + Sync,
    mut each: impl FnMut(usize, Result<T, TaggingError>) -> Result<(), E>,
) -> Result<(), E> {
    let (jobs, queue) = mpsc::channel::<usize>();
    let (results, processed) = mpsc::channel();
    let queue = Mutex::new(queue);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let work = |results: mpsc::Sender<_>| {
        while let Ok(index) = next() {
            let result = catch_unwind(AssertUnwindSafe(|| process(&paths[index])));
            if results.send((index, result)).is_err() {
                break;
            }
        }
    };
    thread::scope(|scope| {
        // Both channel ends are moved in here: if this returns early, they are dropped and the
        // workers stop.
        let (jobs, processed) = (jobs, processed);
        for _ in 0..at_once.min(paths.len()) {
            let results = results.clone();
            scope.spawn(|| work(results));
        }
        let begin = |index: usize| jobs.send(index).unwrap_or_default();
        (0..paths.len().min(WINDOW)).for_each(begin);
        let mut early = BTreeMap::new();
        for index in 0..paths.len() {
            let result = loop {
                if let Some(result) = early.remove(&index) {
                    break result;
                }
                let Ok((done, result)) = processed.recv() else { return Ok(()) };
                early.insert(done, result);
            };
            each(index, result.unwrap_or_else(|panic| resume_unwind(panic)))?;
            if index + WINDOW < paths.len() {
                begin(index + WINDOW);
            }
        }
        Ok(())
    })
}
