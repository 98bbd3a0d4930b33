//! Which recording of the reference a path of the estimated events names.

use std::collections::{BTreeMap, HashMap};

use crate::error::{PipelineError, Result};
use crate::text::none_or_first;

use super::read::EventTable;

/// The recordings of the reference.
pub(super) struct Recordings<'a> {
    /// Their paths, in the order of their first rows.
    pub paths: Vec<&'a str>,
    pub index: HashMap<&'a str, usize>,
    /// Recordings by the parts of their path.
    whole: HashMap<Vec<&'a str>, usize>,
    /// Recordings by the last parts of their path.
    ends: HashMap<Vec<&'a str>, Vec<usize>>,
}

/// The recording of each estimated path; None if the reference lacks it.
pub(super) type Pairs<'a> = BTreeMap<&'a str, Option<usize>>;

impl<'a> Recordings<'a> {
    pub fn of(reference: &'a EventTable) -> Self {
        let mut recordings =
            Self { paths: Vec::new(), index: HashMap::new(), whole: HashMap::new(), ends: HashMap::new() };
        for row in &reference.rows {
            let (path, parts) = (row.path.as_str(), parts(&row.path));
            // Paths with the same parts, such as `a.wav` and `./a.wav`, are one recording.
            let known = recordings.whole.get(&parts).copied();
            let place = known.unwrap_or(recordings.paths.len());
            recordings.index.insert(path, place);
            if known.is_none() {
                recordings.paths.push(path);
                for start in 0..parts.len() {
                    recordings.ends.entry(parts[start..].to_vec()).or_default().push(place);
                }
                recordings.whole.insert(parts, place);
            }
        }
        recordings
    }

    /// Pairs every path of the estimated events.
    pub fn pair<'b>(&self, estimated: &'b EventTable, ignore_unlisted: bool) -> Result<Pairs<'b>> {
        let (mut pairs, mut faults) = (Pairs::new(), Vec::new());
        let mut named: HashMap<usize, (Vec<&str>, &str)> = HashMap::new();
        for row in &estimated.rows {
            if pairs.contains_key(row.path.as_str()) {
                continue;
            }
            let found = match self.find(&row.path)[..] {
                [] if ignore_unlisted => None,
                [] => {
                    let reason =
                        format!("{} is not in the reference; list it there, or give --ignore-unlisted", row.path);
                    faults.push(estimated.at(row.line, &reason));
                    None
                }
                [recording] => Some(recording),
                [first, second, ..] => {
                    let (first, second) = (self.paths[first], self.paths[second]);
                    let reason = format!("{} may be {first} or {second} of the reference; name folders", row.path);
                    faults.push(estimated.at(row.line, &reason));
                    None
                }
            };
            if let Some(recording) = found {
                let (before, path) = named.entry(recording).or_insert_with(|| (parts(&row.path), &row.path));
                if *before != parts(&row.path) {
                    let place = self.paths[recording];
                    let reason = format!("{} and {path} both are {place} of the reference", row.path);
                    faults.push(estimated.at(row.line, &reason));
                }
            }
            pairs.insert(row.path.as_str(), found);
        }
        none_or_first(faults).map_err(PipelineError::Detection)?;
        Ok(pairs)
    }

    /// The recordings that a path may name: the one whose path is the longest end of it, or those
    /// whose paths end with it.
    fn find(&self, path: &str) -> Vec<usize> {
        let parts = parts(path);
        let longest = (0..parts.len()).find_map(|start| self.whole.get(&parts[start..]));
        longest.map_or_else(|| self.ends.get(&parts).cloned().unwrap_or_default(), |recording| vec![*recording])
    }
}

/// The parts of a path, of any system.
fn parts(path: &str) -> Vec<&str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect()
}
