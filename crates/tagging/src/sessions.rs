//! A bundle's models, loaded once per file that is processed at the same time.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};

use earmark_features::Windowing;

use crate::bundle::Bundle;
use crate::{Model, Signature, TaggingError};

/// Every model of a bundle. ONNX Runtime's sessions are not shared between threads: a thread that
/// processes a file has exclusive use of a set.
pub(crate) struct Sessions {
    /// The networks of each learner.
    pub(crate) learners: Vec<Vec<Model>>,
    pub(crate) stack: Option<Model>,
}

/// The data that sessions are created from.
pub(crate) struct Source {
    /// The name and signature of each model, by learner.
    pub(crate) learners: Vec<Vec<(String, Signature)>>,
    pub(crate) stack: Option<(String, Signature)>,
    /// The models' bytes, by name.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// Threads that work on one input.
    pub(crate) threads: usize,
}

impl Source {
    /// The models of a bundle with this number of statistics.
    pub(crate) fn new(bundle: &Bundle, statistics: usize, files: BTreeMap<String, Vec<u8>>, threads: usize) -> Self {
        let classes = bundle.labels.len();
        let of_learner = |learner: &crate::Learner| {
            let (channels, bins) = learner.features.shape();
            let Windowing { frames, least_frames, .. } = learner.windows;
            let frames = least_frames.is_none().then_some(frames);
            let signature = Signature::network(channels, bins, frames, classes);
            learner.networks.iter().map(|network| (network.file.clone(), signature.clone())).collect()
        };
        let columns = bundle.learners.len() * classes + statistics;
        let stack = bundle.stack.clone().map(|file| (file, Signature::stack(columns, classes)));
        Self { learners: bundle.learners.iter().map(of_learner).collect(), stack, files, threads }
    }

    fn load(&self) -> Result<Sessions, TaggingError> {
        let load = |(file, signature): &(String, Signature)| {
            let bytes = self.files.get(file).map_or(&[][..], Vec::as_slice);
            Model::load(file, bytes, self.threads, signature.clone())
        };
        let learners = self.learners.iter().map(|models| models.iter().map(load).collect());
        Ok(Sessions {
            learners: learners.collect::<Result<_, TaggingError>>()?,
            stack: self.stack.as_ref().map(load).transpose()?,
        })
    }
}

/// Sets of sessions; each set is lent to one thread at a time.
pub(crate) struct Pool {
    source: Source,
    /// Maximum number of sets.
    pub(crate) most: usize,
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    free: Vec<Sessions>,
    /// Number of sets, free or lent.
    made: usize,
}

impl Pool {
    /// Loads the first set; threads that need further sets load them.
    pub(crate) fn new(mut source: Source, most: usize) -> Result<Self, TaggingError> {
        let first = source.load()?;
        if most == 1 {
            source.files.clear();
        }
        let state = Mutex::new(State { free: vec![first], made: 1 });
        Ok(Self { source, most, state, returned: Condvar::new() })
    }

    /// Calls `work` with a set of sessions; waits while all are lent.
    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Sessions) -> Result<T, TaggingError>,
    ) -> Result<T, TaggingError> {
        let mut lent = self.lend();
        let sessions = match lent.sessions.take() {
            Some(sessions) => sessions,
            None => self.source.load()?,
        };
        work(lent.sessions.insert(sessions))
    }

    fn lend(&self) -> Lent<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(sessions) = state.free.pop() {
                return Lent { pool: self, sessions: Some(sessions) };
            }
            if state.made < self.most {
                state.made += 1;
                return Lent { pool: self, sessions: None };
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A slot of the pool: a set of sessions, or the right to load one. Returned on drop, so that a
/// thread that fails or panics does not block others.
struct Lent<'a> {
    pool: &'a Pool,
    sessions: Option<Sessions>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.sessions.take() {
            Some(sessions) => state.free.push(sessions),
            None => state.made -= 1,
        }
        drop(state);
        self.pool.returned.notify_one();
    }
}
