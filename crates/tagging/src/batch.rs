//! Processes many files in parallel.

use std::path::PathBuf;

use crate::parallel::in_order;
use crate::{EmbeddedFile, Embedder, TaggedFile, Tagger, TaggingError};

/// Files that are started but not yet delivered: the results of this many short files may wait for
/// a long one.
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
        mut each: impl FnMut(usize, Result<TaggedFile, TaggingError>) -> Result<(), E>,
    ) -> Result<(), E> {
        if paths.len() < self.at_once() {
            return paths.iter().enumerate().try_for_each(|(index, path)| each(index, self.tag_file_in_parallel(path)));
        }
        let tag = |path: &PathBuf, send: &mut dyn FnMut(_) -> bool| _ = send(self.tag_file(path));
        in_order(paths.iter(), (self.at_once(), WINDOW), tag, each)
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
        let embed = |path: &PathBuf, send: &mut dyn FnMut(_) -> bool| _ = send(self.embed_file(path, windows));
        in_order(paths.iter(), (self.files_at_once(), WINDOW), embed, each)
    }
}
