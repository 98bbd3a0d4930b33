//! The candidates of [`Choice`](crate::Choice), fitted for all folds and pairs of folds.

use rayon::prelude::*;

use crate::candidates::Candidate;
use crate::criterion::ScaledLosses;
use crate::parallel::in_order;
use crate::record::{CandidateScores, Excluded, Merits};
use crate::verdict::{PairedDifference, Verdict};
use crate::{Label, Result, StackError, StackFeatures, StackSettings, Table, TrainingRows};

/// A candidate that is fitted for all folds and pairs of folds.
pub(crate) struct Judged {
    pub candidate: Candidate,
    /// The predictions of each row by a fit on the other folds, not scaled.
    pub table: Table,
    /// On these predictions.
    pub whole: ScaledLosses,
    /// For each fold, on the predictions for the rows of all others, by fits without this fold and
    /// their own.
    pub inner: Vec<ScaledLosses>,
}

/// Fits and judges all candidates. Those that cannot be fitted are returned separately.
pub(crate) fn judge<T: Label>(
    features: &StackFeatures,
    rows: &TrainingRows<'_, T>,
    folds: &[usize],
    settings: &StackSettings,
) -> Result<(Vec<Judged>, Vec<Excluded>)> {
    let candidates = Candidate::all(settings, features);
    let mut of_candidates: Vec<Vec<Predicted>> = candidates.iter().map(|_| Vec::new()).collect();
    for (of, predicted) in fit_all(features, rows, folds, &candidates, settings)? {
        of_candidates[of].push(predicted);
    }
    let (mut fitted, mut excluded) = (Vec::new(), Vec::new());
    for (candidate, predicted) in candidates.into_iter().zip(of_candidates) {
        let tables = predicted.into_iter().map(|of| of.table.map(|table| (of.without, table)));
        match tables.collect::<Result<Vec<_>>>() {
            Ok(tables) => fitted.push((candidate, tables)),
            Err(error) if has_too_few_clips(&error) => {
                excluded.push(Excluded { name: candidate.name, reason: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    let judged = fitted.into_par_iter().map(|(candidate, tables)| Judged::new(candidate, rows, folds, &tables));
    Ok((in_order(judged)?, excluded))
}

/// The predictions for the rows of some folds, by a fit without them.
struct Predicted {
    without: Vec<usize>,
    table: Result<Table>,
}

/// Fits each candidate, given by its index, without each fold and without each pair of folds.
fn fit_all<T: Label>(
    features: &StackFeatures,
    rows: &TrainingRows<'_, T>,
    folds: &[usize],
    candidates: &[Candidate],
    settings: &StackSettings,
) -> Result<Vec<(usize, Predicted)>> {
    let mut kinds: Vec<_> = candidates.iter().map(Candidate::columns).collect();
    kinds.dedup();
    let tables = kinds.iter().map(|kinds| features.selected(kinds)).collect::<Result<Vec<_>>>()?;
    let singles = folds.iter().map(|&fold| vec![fold]);
    let pairs = folds.iter().enumerate().flat_map(|(place, &a)| folds[place + 1..].iter().map(move |&b| vec![a, b]));
    let held_out: Vec<Vec<usize>> = singles.chain(pairs).collect();
    let work = |(of, without): (usize, &Vec<usize>)| {
        let columns = candidates[of].columns();
        let place = kinds.iter().position(|kinds| *kinds == columns).unwrap_or(0);
        let table = candidates[of].held_out(&TrainingRows { features: &tables[place].table, ..*rows }, without);
        (of, Predicted { without: without.clone(), table })
    };
    // The slow ones first, so that no processor waits for the last of them.
    let slow_first = (0..candidates.len()).rev();
    let fits = slow_first.flat_map(|of| held_out.iter().map(move |without| (of, without)));
    // Trees are fitted one after the other if they use a GPU, or several threads each.
    let is_parallel = |(of, _): &(usize, &Vec<usize>)| settings.fits_in_parallel() || !candidates[*of].is_trees();
    let (parallel, others): (Vec<_>, Vec<_>) = fits.partition(is_parallel);
    let mut done: Vec<(usize, Predicted)> = others.into_iter().map(work).collect();
    done.par_extend(parallel.into_par_iter().map(work));
    Ok(done)
}

/// Whether other candidates may still be fitted on the same clips.
fn has_too_few_clips(error: &StackError) -> bool {
    matches!(error, StackError::ClassWithoutRows { .. } | StackError::TooFew(_) | StackError::NoEnd { .. })
}

impl Judged {
    /// `tables` are the predictions for the rows of each fold, and of each pair of folds, by a fit
    /// without them.
    fn new<T: Label>(
        candidate: Candidate,
        rows: &TrainingRows<'_, T>,
        folds: &[usize],
        tables: &[(Vec<usize>, Table)],
    ) -> Result<Judged> {
        let classes = rows.classes.len();
        let held_out = |without: Option<usize>| {
            let mut probabilities = vec![0.0; rows.folds.len() * classes];
            let wanted = |set: &[usize]| without.map_or(set.len() == 1, |fold| set.len() == 2 && set.contains(&fold));
            for (set, table) in tables.iter().filter(|(set, _)| wanted(set)) {
                for (&row, values) in rows.pick(|fold| set.contains(&fold)).places.iter().zip(table.rows()) {
                    probabilities[row * classes..(row + 1) * classes].copy_from_slice(values);
                }
            }
            ScaledLosses::new(&probabilities, rows.truth, &rows.weights_without(without), classes)
        };
        let singles: Vec<&Table> = tables.iter().filter(|(set, _)| set.len() == 1).map(|(_, table)| table).collect();
        Ok(Judged {
            candidate,
            table: Table::vstack(&singles)?.reordered(rows.features.names())?,
            whole: held_out(None),
            inner: folds.iter().map(|&fold| held_out(Some(fold))).collect(),
        })
    }

    /// The weighted mean of the losses.
    fn loss(&self, weights: &[f32]) -> f64 {
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let sum: f64 = self.whole.losses.iter().zip(weights).map(|(loss, &weight)| loss * f64::from(weight)).sum();
        if total > 0.0 { sum / total } else { 0.0 }
    }
}

/// The scores of all candidates; `stack` has the predictions of those that were chosen without each
/// fold.
pub(crate) fn scores<T: Label>(
    judged: &[Judged],
    rows: &TrainingRows<'_, T>,
    verdict: &Verdict,
    stack: &Table,
) -> Vec<CandidateScores> {
    let of = |(it, difference): (&Judged, &PairedDifference)| CandidateScores {
        name: it.candidate.name.clone(),
        loss: it.loss(rows.weights),
        difference: *difference,
        merits: Merits::new(rows.truth, &it.table, stack),
    };
    judged.par_iter().zip(&verdict.differences).map(of).collect()
}
