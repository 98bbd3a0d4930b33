//! Many files side by side.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::{TaggedFile, Tagger, TaggingError};

/// Files begun and not yet given out: behind a long file, the tags of so many short ones wait for
/// their turn.
const WINDOW: usize = 1_024;

impl Tagger {
    /// Tags files side by side, as many at once as the tagger was opened for, and gives each to
    /// `each`, with its place in `paths`, in the order of `paths` and on the thread that calls
    /// this. At most 1,024 files are begun whose turn has not come. A file that cannot be tagged
    /// costs only itself.
    ///
    /// # Errors
    /// That of `each`, which ends the work: files begun are brought to their end and forgotten.
    ///
    /// # Panics
    /// Where tagging a file panics, which no input should bring about.
    pub fn tag_files<E>(
        &self,
        paths: &[PathBuf],
        mut each: impl FnMut(usize, Result<TaggedFile, TaggingError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (jobs, queue) = mpsc::channel::<usize>();
        let (results, tagged) = mpsc::channel();
        let queue = Mutex::new(queue);
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let work = |results: mpsc::Sender<_>| {
            while let Ok(index) = next() {
                let result = catch_unwind(AssertUnwindSafe(|| self.tag_file(&paths[index])));
                if results.send((index, result)).is_err() {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            // Both ends live in here: where this returns early, the workers find them gone and
            // stop.
            let (jobs, tagged) = (jobs, tagged);
            for _ in 0..self.files_at_once().min(paths.len()) {
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
                    let Ok((done, result)) = tagged.recv() else { return Ok(()) };
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
}
