//! `kind = "auto"`: which candidate combines the learners, chosen by cross-validation, and how good
//! the chosen ones are, by nested cross-validation (Varma and Simon 2006, "Bias in error estimation
//! when using cross-validation for model selection").

use crate::candidates::Candidate;
use crate::criterion::ScaledLosses;
use crate::judged::{Judged, judge, scores};
use crate::record::{ChoiceRecord, FoldChoice};
use crate::rows::{check_clips, enough_folds};
use crate::temperature::scaled;
use crate::verdict::{PairedDifference, Verdict};
use crate::{Label, Result, Stack, StackFeatures, StackKind, StackSettings, Table, TrainingRows, out_of_fold};

/// How the learners are combined, and the predictions by which that is scored.
pub struct Choice {
    /// The candidate that was chosen on all clips, or the only one.
    pub candidate: Candidate,
    /// The factor for the margins of its probabilities, if they are scaled.
    factor: Option<f64>,
    /// For each clip, the probabilities of the candidate that was chosen and fitted on the other
    /// folds: neither saw the clip, so their scores include the cost of choosing.
    pub out_of_fold: Table,
    /// The same for `candidate` on all folds, not scaled: its fits did not see the clip, but the
    /// choice did.
    pub of_candidate: Table,
    /// How it was chosen; `None` if there was no choice.
    pub record: Option<ChoiceRecord>,
}

impl Choice {
    /// Chooses on all rows for the final stack, and without each fold for the predictions of its
    /// rows. Each choice takes the simplest candidate whose log loss after temperature scaling, by
    /// cross-validation on the rows that it may see, is within one standard error of the best.
    ///
    /// A fit without the folds `a` and `b` predicts both: `a` for the choice without `b`, and `b`
    /// for the choice without `a`. So K folds need K (K - 1) / 2 fits of each candidate, and K more
    /// for the predictions themselves.
    ///
    /// # Shape
    /// The columns of `features` are those of [`StackSettings::columns`] for [`StackKind::Auto`],
    /// and `rows.features` is its table.
    ///
    /// # Errors
    /// Lengths that differ, fewer than two folds, a setting out of range, a label or weight that no
    /// clip can have, or XGBoost is missing or fails. A candidate for which too few clips are left
    /// is excluded instead; a learner alone and the means need none.
    pub fn new<T: Label>(
        features: &StackFeatures,
        rows: &TrainingRows<'_, T>,
        settings: &StackSettings,
    ) -> Result<Choice> {
        settings.validate()?;
        rows.check()?;
        check_clips(rows.truth.len(), rows.truth, rows.weights, rows.classes)?;
        let folds = rows.folds(&[]);
        enough_folds(folds.len())?;
        let (judged, excluded) = judge(features, rows, &folds, settings)?;
        let complexities: Vec<usize> = judged.iter().map(|it| it.candidate.complexity()).collect();
        let verdict = |held_out: &dyn Fn(&Judged) -> &ScaledLosses, without: Option<usize>| {
            let losses: Vec<&[f64]> = judged.iter().map(|it| held_out(it).losses.as_slice()).collect();
            Verdict::new(&losses, &complexities, &rows.weights_without(without), T::LINK.chance(rows.classes.len()))
        };
        let (mut of_folds, mut parts) = (Vec::new(), Vec::new());
        for (place, &fold) in folds.iter().enumerate() {
            let verdict = verdict(&|it| &it.inner[place], Some(fold));
            let [chosen, best] = [verdict.chosen, verdict.best].map(|one| judged[one].candidate.name.clone());
            of_folds.push(FoldChoice { fold, chosen, best });
            let chosen = &judged[verdict.chosen];
            let part = chosen.table.reordered(&rows.names_of(&[fold]))?;
            let scaled = scaled(part.data(), rows.classes.len(), chosen.inner[place].factor, T::LINK);
            parts.push(Table::new(part.names().to_vec(), rows.classes.to_vec(), scaled)?);
        }
        let out_of_fold = Table::vstack(&parts.iter().collect::<Vec<_>>())?.reordered(rows.features.names())?;
        let verdict = verdict(&|it| &it.whole, None);
        let chosen = &judged[verdict.chosen];
        let record = ChoiceRecord {
            chosen: chosen.candidate.name.clone(),
            kind: chosen.candidate.settings().map_or(StackKind::WeightedMean, |settings| settings.kind),
            reason: reason(&judged, &verdict),
            temperature: 1.0 / chosen.whole.factor,
            candidates: scores(&judged, rows, &verdict, &out_of_fold),
            folds: of_folds,
            excluded,
        };
        Ok(Choice {
            candidate: chosen.candidate.clone(),
            factor: Some(chosen.whole.factor),
            out_of_fold,
            of_candidate: chosen.table.clone(),
            record: Some(record),
        })
    }

    /// The kind of the settings, which is not [`StackKind::Auto`], without
    /// a choice. The columns of `rows` are those of the settings.
    ///
    /// # Errors
    /// Those of [`out_of_fold`].
    pub fn only<T: Label>(rows: &TrainingRows<'_, T>, settings: &StackSettings) -> Result<Choice> {
        let out_of_fold = out_of_fold(rows, settings)?;
        let of_candidate = out_of_fold.clone();
        Ok(Choice { candidate: Candidate::of(settings), factor: None, out_of_fold, of_candidate, record: None })
    }

    /// The stack for the bundle and the test clips: the chosen candidate, fitted on all rows, and
    /// scaled by the factor that suits its held-out predictions if there was a choice. The columns
    /// of `rows` are those of [`Candidate::columns`].
    ///
    /// # Errors
    /// Those of [`Stack::fit`].
    pub fn fit<T: Label>(&self, rows: &TrainingRows<'_, T>) -> Result<Stack> {
        rows.check()?;
        let stack = self.candidate.fit_without(rows, &[])?;
        Ok(if let Some(factor) = self.factor { stack.times(factor, T::LINK) } else { stack })
    }
}

/// Why the rule chose as it did.
fn reason(judged: &[Judged], verdict: &Verdict) -> String {
    let [chosen, best] = [verdict.chosen, verdict.best].map(|one| &judged[one].candidate.name);
    if verdict.chosen == verdict.best {
        return format!("{chosen} has the smallest loss, and no simpler candidate is within one standard error of it");
    }
    let PairedDifference { mean, standard_error } = verdict.differences[verdict.chosen];
    let tolerance = verdict.tolerances[verdict.chosen];
    let what = match tolerance > standard_error {
        false => "its standard error is",
        true => "one more clip, predicted by chance, would add",
    };
    format!(
        "{chosen} is the simplest candidate whose loss may be as small as that of {best}, the smallest (the \
         difference is {mean:.4}, {what} {tolerance:.4})"
    )
}
