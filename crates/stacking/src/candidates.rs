//! The candidates of [`Choice`](crate::Choice).

use crate::rows::with_held_out;
use crate::stack::{fit, held_out};
use crate::{
    FeatureKind, Label, Layout, Result, Stack, StackFeatures, StackKind, StackSettings, Table, TrainingRows,
    WeightedMean,
};

/// The values of `c` that are tried are the setting divided by these.
const DIVISORS_OF_C: [f64; 4] = [1000.0, 100.0, 10.0, 1.0];
/// The smallest `c`, see [`StackSettings::validate`].
const SMALLEST_C: f64 = 1e-6;

/// A way to combine the learners: one learner alone, or a kind of level 2 with its settings.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// For people: the learner, or the kind with the settings that distinguish it.
    pub name: String,
    method: Method,
}

#[derive(Clone, Debug)]
enum Method {
    /// A learner's probabilities, and the number of learners.
    Learner(usize, usize),
    /// The mean of this number of learners, those with the smallest losses.
    Best(usize),
    /// Not [`StackKind::Auto`].
    Kind(StackSettings),
}

impl Candidate {
    /// The kind of the settings, which is not [`StackKind::Auto`].
    pub fn of(settings: &StackSettings) -> Candidate {
        let mut name = match settings.kind {
            StackKind::Mean => "arithmetic mean".to_owned(),
            StackKind::GeometricMean => "geometric mean".to_owned(),
            StackKind::WeightedMean => "weighted mean".to_owned(),
            StackKind::Logistic => format!("logistic regression, c = {}", settings.c),
            StackKind::Xgboost => "XGBoost".to_owned(),
            StackKind::Auto => "auto".to_owned(),
        };
        if !settings.kind.is_mean() && settings.features.contains(&FeatureKind::MfccStatistics) {
            name += " with MFCC statistics";
        }
        Candidate { name, method: Method::Kind(settings.clone()) }
    }

    /// All candidates.
    pub(crate) fn all(settings: &StackSettings, features: &StackFeatures) -> Vec<Candidate> {
        let kind = |kind| StackSettings { kind, ..settings.clone() };
        let learners = features.learners();
        let count = learners.len();
        let mut all = Vec::new();
        if count > 1 {
            all.extend([StackKind::Mean, StackKind::GeometricMean].map(kind).iter().map(Self::of));
        }
        let alone = |(learner, name)| Candidate { name, method: Method::Learner(learner, count) };
        all.extend(learners.into_iter().enumerate().map(alone));
        let best = |count| Candidate { name: format!("mean of the best {count}"), method: Method::Best(count) };
        all.extend((2..count).map(best));
        if count > 1 {
            all.push(Self::of(&kind(StackKind::WeightedMean)));
        }
        let is_statistics = |kind: &FeatureKind| *kind == FeatureKind::MfccStatistics;
        let (statistics, others): (Vec<_>, Vec<_>) = settings.features.iter().partition(|kind| is_statistics(kind));
        if !others.is_empty() {
            let of_c = |c| StackSettings {
                c,
                features: others.clone(),
                // Every candidate is scaled.
                temperature_scaling: false,
                ..kind(StackKind::Logistic)
            };
            let values = DIVISORS_OF_C.iter().map(|divisor| settings.c / divisor).filter(|&c| c >= SMALLEST_C);
            all.extend(values.map(|c| Self::of(&of_c(c))));
            all.push(Self::of(&StackSettings { features: others.clone(), ..kind(StackKind::Xgboost) }));
        }
        if !statistics.is_empty() {
            all.push(Self::of(&kind(StackKind::Xgboost)));
        }
        all
    }

    /// The place in the order from simple to complex: how much is decided on the training clips.
    /// Nothing for a plain mean; which learner, or which learners; a weight per learner; a weight
    /// per feature and class; trees.
    pub(crate) fn complexity(&self) -> usize {
        match &self.method {
            Method::Learner(..) | Method::Best(_) => 1,
            Method::Kind(settings) => match settings.kind {
                StackKind::Mean | StackKind::GeometricMean => 0,
                StackKind::WeightedMean => 2,
                StackKind::Logistic => 3,
                StackKind::Xgboost | StackKind::Auto if settings.features.contains(&FeatureKind::MfccStatistics) => 5,
                StackKind::Xgboost | StackKind::Auto => 4,
            },
        }
    }

    /// Whether it is XGBoost.
    pub(crate) fn is_trees(&self) -> bool {
        self.settings().is_some_and(|settings| settings.kind == StackKind::Xgboost)
    }

    /// The settings of the kind; `None` for a learner alone and the mean of the best.
    pub fn settings(&self) -> Option<&StackSettings> {
        match &self.method {
            Method::Learner(..) | Method::Best(_) => None,
            Method::Kind(settings) => Some(settings),
        }
    }

    /// The kinds of columns that it uses.
    pub fn columns(&self) -> Vec<FeatureKind> {
        self.settings().map_or(vec![FeatureKind::Probabilities], StackSettings::columns)
    }

    /// The predictions for the rows of the folds `without`, by a fit on the others.
    pub(crate) fn held_out<T: Label>(&self, rows: &TrainingRows<'_, T>, without: &[usize]) -> Result<Table> {
        held_out(rows, without, &self.fit_without(rows, without)?)
    }

    /// Fits on the rows of all folds except `without`.
    pub(crate) fn fit_without<T: Label>(&self, rows: &TrainingRows<'_, T>, without: &[usize]) -> Result<Stack> {
        match &self.method {
            Method::Learner(learner, learners) => Ok(Stack::WeightedMean(WeightedMean::of_one(*learner, *learners))),
            Method::Best(count) => {
                let rest = rows.pick(|of| !without.contains(&of));
                let best = WeightedMean::of_best(&rest, rows.classes, *count);
                best.map(Stack::WeightedMean).map_err(|error| with_held_out(error, without))
            }
            Method::Kind(settings) => fit(rows, without, settings),
        }
    }
}

impl StackFeatures {
    /// The learners' names, if their probabilities are among the columns.
    fn learners(&self) -> Vec<String> {
        let Layout { learners, classes, .. } = self.layout;
        let first = self.layout.first_column(FeatureKind::Probabilities).unwrap_or(0);
        (0..learners).filter_map(|learner| self.sources.get(first + learner * classes).cloned()).collect()
    }
}
