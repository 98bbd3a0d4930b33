//! The assignment of training clips to folds.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::DatasetError;
use crate::manifest::{ClipEntry, Manifest};
use crate::random::{epoch_order, key, stream};
use crate::stratify::{Clips, emptiest_first, iterative};
use crate::task::Task;
use crate::violation::{Severity, Violation};

/// The folds of a data set's training clips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// The number of folds.
    pub folds: usize,
    /// The fold of each training clip, in the manifest's order: `fold_of[i]` is in `0..folds`.
    pub fold_of: Vec<usize>,
}

impl Splits {
    /// The folds that the data set defines, or `folds` drawn ones if it defines none.
    ///
    /// # Errors
    /// Those of [`Splits::given`] or [`Splits::stratified`].
    pub fn of_data(manifest: &Manifest, folds: usize, seed: u64) -> Result<Self, DatasetError> {
        if manifest.gives_folds() { Self::given(manifest) } else { Self::stratified(manifest, folds, seed) }
    }

    /// The folds that the data set defines.
    ///
    /// # Errors
    /// A training clip has no fold, and those of [`Splits::check`]. A fold whose clips were all
    /// skipped is an error too: if the folds were renumbered, another fold would get its name.
    pub fn given(manifest: &Manifest) -> Result<Self, DatasetError> {
        let without: Vec<&ClipEntry> = manifest.train.iter().filter(|item| item.fold.is_none()).collect();
        if let Some(first) = without.first() {
            return Err(DatasetError::NoFold { name: first.name.clone(), clips: without.len() });
        }
        let splits = Self::in_manifest(manifest);
        splits.check(manifest)?;
        Ok(splits)
    }

    /// The folds of clips that all have one, without validation.
    pub(crate) fn in_manifest(manifest: &Manifest) -> Self {
        let of: Vec<usize> = manifest.train.iter().filter_map(|item| item.fold).collect();
        Self { folds: of.iter().max().map_or(0, |last| last + 1), fold_of: of }
    }

    /// Checks that cross-validation with these folds is possible: there are at least two, none is
    /// empty, each class is in at least two, and clips of one group share a fold (unless
    /// [`Manifest::groups_span_folds`]).
    ///
    /// # Errors
    /// The first violated rule.
    pub fn check(&self, manifest: &Manifest) -> Result<(), DatasetError> {
        labels(manifest)?;
        let first = self.violations(manifest).into_iter().find(|found| found.severity == Severity::Error);
        first.map_or(Ok(()), |found| Err(found.reason))
    }

    /// The rules that these folds violate.
    pub(crate) fn violations(&self, manifest: &Manifest) -> Vec<Violation> {
        if self.folds < 2 {
            return vec![Violation::error(DatasetError::TooFewFolds { folds: self.folds })];
        }
        let mut found = Vec::new();
        let used: BTreeSet<usize> = self.fold_of.iter().copied().collect();
        let folds: Vec<usize> = (0..self.folds).filter(|fold| !used.contains(fold)).collect();
        if !folds.is_empty() {
            found.push(Violation::error(DatasetError::EmptyFolds { folds }));
        }
        let labels: Vec<String> = self.classes_in_one_fold(manifest).into_iter().map(str::to_owned).collect();
        if !labels.is_empty() {
            found.push(Violation::error(DatasetError::ClassesInOneFold { labels }));
        }
        let severity = if manifest.groups_span_folds { Violation::warning } else { Violation::error };
        found.extend(self.torn_groups(manifest).into_iter().map(|(group, clips)| {
            let elsewhere = clips.iter().find(|clip| self.fold_of[**clip] != self.fold_of[clips[0]]);
            let name = elsewhere.map(|clip| manifest.train[*clip].name.clone()).unwrap_or_default();
            let reason = DatasetError::GroupInTwoFolds { group: group.to_owned(), name };
            severity(reason).of(clips.iter().map(|clip| &manifest.train[*clip]))
        }));
        found
    }

    /// The classes that occur in fewer than two folds.
    fn classes_in_one_fold<'a>(&self, manifest: &'a Manifest) -> Vec<&'a str> {
        let mut reached = vec![BTreeSet::new(); manifest.labels.len()];
        for (item, fold) in manifest.train.iter().zip(&self.fold_of) {
            for label in &item.labels {
                if let Some(reached) = reached.get_mut(*label) {
                    reached.insert(fold);
                }
            }
        }
        let few = manifest.labels.iter().zip(reached).filter(|(_, folds)| folds.len() < 2);
        few.map(|(label, _)| label.as_str()).collect()
    }

    /// The groups that span several folds, with their clips.
    fn torn_groups<'a>(&self, manifest: &'a Manifest) -> BTreeMap<&'a str, Vec<usize>> {
        let mut clips: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (clip, item) in manifest.train.iter().enumerate() {
            if let Some(group) = &item.group {
                clips.entry(group).or_default().push(clip);
            }
        }
        clips.retain(|_, clips| clips.iter().any(|clip| self.fold_of.get(*clip) != self.fold_of.get(clips[0])));
        clips
    }

    /// Draws stratified folds; clips of one group share a fold. The same seed gives the same folds
    /// on every machine.
    ///
    /// If clips have one label each, groups are assigned in order of size, largest first, each to
    /// the fold that has the least of its classes so far. If they may have several, the folds are
    /// those of iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011), which distributes
    /// rare classes first. Without groups, both distribute the clips of each class about evenly.
    ///
    /// # Errors
    /// Fewer than two folds, a class with fewer clips (or groups) than folds, and those of
    /// [`Splits::check`]: a class whose groups also contain clips of a larger class may end up in
    /// one fold.
    pub fn stratified(manifest: &Manifest, folds: usize, seed: u64) -> Result<Self, DatasetError> {
        if folds < 2 {
            return Err(DatasetError::TooFewFolds { folds });
        }
        let labels = labels(manifest)?;
        let groups = groups(&manifest.train);
        if let Some(fault) = small_classes(manifest, &labels, &groups, folds) {
            return Err(fault);
        }

        let mut rng = stream(seed, &[key("splits")]);
        let mut order = epoch_order(groups.len(), &mut rng);
        order.sort_by_key(|group| std::cmp::Reverse(groups[*group].len()));
        let clips = Clips { labels: &labels, classes: manifest.labels.len(), groups: &groups };
        let fold_of = match manifest.task {
            Task::SingleLabel => emptiest_first(&clips, &order, folds),
            Task::MultiLabel => iterative(&clips, &order, folds, &mut rng),
        };
        let splits = Self { folds, fold_of };
        splits.check(manifest)?;
        Ok(splits)
    }
}

impl Manifest {
    /// Merges training clips with the same sound, and the groups they were in, into one group, so
    /// that folds drawn later keep copies together. `sounds` contains the identifiers of the
    /// sounds, starting with those of the training clips, such as a
    /// [`SoundId`](earmark_audio::SoundId), which does not depend on the container; silent clips
    /// have none. Returns whether any group has changed.
    pub fn group_copies<T: Ord>(&mut self, sounds: &[Option<T>]) -> bool {
        let mut copies: BTreeMap<&T, Vec<usize>> = BTreeMap::new();
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (clip, (item, sound)) in self.train.iter().zip(sounds).enumerate() {
            if let Some(sound) = sound {
                copies.entry(sound).or_default().push(clip);
            }
            if let Some(group) = &item.group {
                groups.entry(group).or_default().push(clip);
            }
        }
        // A union-find structure: each clip points to one with a smaller index in its set, or to
        // itself.
        let mut first: Vec<usize> = (0..self.train.len()).collect();
        for clips in copies.into_values().chain(groups.into_values()) {
            for pair in clips.windows(2) {
                let (a, b) = (root(&first, pair[0]), root(&first, pair[1]));
                first[a.max(b)] = a.min(b);
            }
        }
        let mut changed = false;
        for clip in 0..self.train.len() {
            let root = root(&first, clip);
            if root != clip && (self.train[clip].group.is_none() || self.train[clip].group != self.train[root].group) {
                let group = self.train[root].group.clone();
                let group = group.unwrap_or_else(|| format!("copies of {}", self.train[root].name));
                self.train[root].group = Some(group.clone());
                self.train[clip].group = Some(group);
                changed = true;
            }
        }
        changed
    }
}

fn root(first: &[usize], mut clip: usize) -> usize {
    while first[clip] != clip {
        clip = first[clip];
    }
    clip
}

/// The labels of each training clip.
fn labels(manifest: &Manifest) -> Result<Vec<&[usize]>, DatasetError> {
    let labels = |item: &'_ ClipEntry| -> Result<(), DatasetError> {
        let known = item.labels.iter().all(|label| *label < manifest.labels.len());
        match known && !item.labels.is_empty() {
            true => Ok(()),
            false => Err(DatasetError::NoLabel { name: item.name.clone() }),
        }
    };
    manifest.train.iter().try_for_each(labels)?;
    Ok(manifest.train.iter().map(|item| item.labels.as_slice()).collect())
}

/// The clips of each group, in order of their first clip; a clip without a group forms a separate
/// one.
fn groups(items: &[ClipEntry]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for (clip, item) in items.iter().enumerate() {
        let place = match &item.group {
            Some(name) => *named.entry(name).or_insert(groups.len()),
            None => groups.len(),
        };
        match groups.get_mut(place) {
            Some(group) => group.push(clip),
            None => groups.push(vec![clip]),
        }
    }
    groups
}

/// The error if classes have fewer clips, or groups of clips, than folds.
fn small_classes(
    manifest: &Manifest,
    labels: &[&[usize]],
    groups: &[Vec<usize>],
    folds: usize,
) -> Option<DatasetError> {
    let mut count = vec![0; manifest.labels.len()];
    for group in groups {
        let classes: BTreeSet<usize> = group.iter().flat_map(|clip| labels[*clip]).copied().collect();
        for class in classes {
            count[class] += 1;
        }
    }
    let counts = manifest.labels.iter().cloned().zip(count);
    let classes: Vec<(String, usize)> = counts.filter(|(_, count)| *count < folds).collect();
    if classes.is_empty() {
        return None;
    }
    let fewest = classes.iter().map(|(_, count)| *count).filter(|count| *count >= 2).min().unwrap_or(0);
    let all_have_two = classes.iter().all(|(_, count)| *count >= 2);
    let suffice = |folds: &usize| !all_have_two || Splits::stratified(manifest, *folds, 0).is_ok();
    let fewer = (2..=fewest).rev().find(suffice);
    Some(DatasetError::ClassesTooSmall { classes, grouped: groups.len() < labels.len(), folds, fewer })
}
