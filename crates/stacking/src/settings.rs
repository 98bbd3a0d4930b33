use serde::{Deserialize, Serialize};

use crate::{FeatureKind, Result, StackError};

/// The kind of level 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackKind {
    /// Boosted trees of XGBoost.
    #[default]
    Xgboost,
    /// Logistic regression: multinomial, or of each class against all others if clips may have
    /// several labels.
    Logistic,
    /// The mean of the learners' probabilities.
    Mean,
    /// Their geometric mean, normalized to sum to 1, or that of the odds of each class if clips may
    /// have several labels.
    GeometricMean,
    /// Their weighted mean, with weights of at least 0 that ensemble selection finds.
    WeightedMean,
    /// One of the learners or of the other kinds, chosen by cross-validation:
    /// [`Choice`](crate::Choice).
    Auto,
}

impl StackKind {
    /// Whether the kind is a mean of the learners' probabilities, with or without weights.
    pub fn is_mean(self) -> bool {
        matches!(self, StackKind::Mean | StackKind::GeometricMean | StackKind::WeightedMean)
    }
}

/// Which networks predict the test clips, and are used for tagging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestFrom {
    /// One network per learner, trained on all training clips.
    #[default]
    Full,
    /// The mean over the learner's fold networks; no other networks are trained.
    Folds,
}

/// How level 2 is fitted. Names and defaults are XGBoost's, except the default of `max_depth`,
/// which is the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StackSettings {
    /// The kind of level 2: `xgboost`, `logistic`, `mean`, `geometric_mean`, `weighted_mean` or
    /// `auto`. Settings of other kinds are ignored; those of all kinds apply to the candidates of
    /// `auto`.
    pub kind: StackKind,
    /// The features of a clip, one or several of `probabilities`, `log_probabilities`,
    /// `mfcc_statistics`. The means ignore this setting and always use the learners' probabilities.
    /// With `auto`, only trees use the statistics, and there is a candidate without them, too.
    pub features: Vec<FeatureKind>,
    /// Boosting rounds; each adds a tree for every class. From 1 to 100,000.
    pub rounds: u32,
    /// Depth of a tree, from 1 to 30.
    pub max_depth: u32,
    /// The factor for a tree's output (the learning rate), from 1e-6 to 1.
    pub eta: f64,
    /// Share of the rows that a tree is fitted on, from 0.001 to 1.
    pub subsample: f64,
    /// Share of the columns that a tree uses, from 0.001 to 1.
    pub colsample_bytree: f64,
    /// Minimum sum of second derivatives in a leaf, from 0 to 1e9.
    pub min_child_weight: f64,
    /// Weight of the L2 penalty on leaves, from 0 to 1e9.
    pub lambda: f64,
    /// Which networks predict the test clips: `full`, or the mean of those of the `folds`.
    pub test_from: TestFrom,
    /// Number of rounds without a smaller loss after which boosting stops; 0 turns early stopping
    /// off. Each of the training folds is held out in turn to compute the loss, and the final trees
    /// use the mean of the best numbers of rounds.
    pub early_stopping_rounds: u32,
    /// Inverse weight of the L2 penalty on the coefficients of logistic regression, from 1e-6 to
    /// 10,000; features are standardized. Beyond this range, the regression does not converge if
    /// the classes are separable. With `auto`, the largest value that is tried.
    pub c: f64,
    /// Whether to multiply the margins of logistic regression by a single factor that improves the
    /// probabilities on held-out clips: each of the training folds is held out in turn, and the
    /// factor minimizes their loss. The ranking of the classes does not change. `auto` always does
    /// it if there are at least four folds.
    pub temperature_scaling: bool,
    /// Weight of a clip whose label is not verified, from 0 (not used) to 1 (like a verified one).
    pub unverified_weight: f32,
    /// Seed of the draws of `subsample` and `colsample_bytree`, up to 2^63 - 1.
    pub seed: u64,
    /// Number of threads, up to 1024; 0 uses every core. The last bits of the trees can depend on
    /// it. For some hundred clips, one thread is faster than two that wait for each other.
    pub threads: usize,
    /// Where trees are fitted: `cpu`, or a GPU such as `cuda:0`, if the XGBoost library supports
    /// it. Not a key of recipes: it is that of the run.
    #[serde(skip, default = "cpu")]
    pub device: String,
}

/// The default device.
fn cpu() -> String {
    "cpu".to_owned()
}

impl Default for StackSettings {
    fn default() -> Self {
        StackSettings {
            kind: StackKind::Xgboost,
            features: vec![FeatureKind::Probabilities, FeatureKind::MfccStatistics],
            rounds: 100,
            max_depth: 3,
            eta: 0.3,
            subsample: 1.0,
            colsample_bytree: 1.0,
            min_child_weight: 1.0,
            lambda: 1.0,
            test_from: TestFrom::Full,
            early_stopping_rounds: 0,
            c: 1.0,
            temperature_scaling: false,
            unverified_weight: 1.0,
            seed: 0,
            threads: 1,
            device: cpu(),
        }
    }
}

impl StackSettings {
    /// Checks every value.
    ///
    /// # Errors
    /// The first setting out of range, with the range.
    pub fn validate(&self) -> Result<()> {
        // XGBoost uses 32-bit floats, and a share that is too small selects no rows at all.
        let (share, penalty) = ("from 0.001 to 1", "from 0 to 1e9");
        let is_share = |value: f64| (0.001..=1.0).contains(&value);
        let is_penalty = |value: f64| (0.0..=1e9).contains(&value);
        let checks: [(&'static str, bool, String, &'static str); 13] = [
            ("features", self.features_differ(), format!("{:?}", self.features), "one or several names, each once"),
            ("rounds", (1..=100_000).contains(&self.rounds), self.rounds.to_string(), "from 1 to 100000"),
            ("max_depth", (1..=30).contains(&self.max_depth), self.max_depth.to_string(), "from 1 to 30"),
            ("eta", (1e-6..=1.0).contains(&self.eta), self.eta.to_string(), "from 1e-6 to 1"),
            ("subsample", is_share(self.subsample), self.subsample.to_string(), share),
            ("colsample_bytree", is_share(self.colsample_bytree), self.colsample_bytree.to_string(), share),
            ("min_child_weight", is_penalty(self.min_child_weight), self.min_child_weight.to_string(), penalty),
            ("lambda", is_penalty(self.lambda), self.lambda.to_string(), penalty),
            (
                "early_stopping_rounds",
                self.early_stopping_rounds <= 100_000,
                self.early_stopping_rounds.to_string(),
                "at most 100000",
            ),
            ("c", (1e-6..=1e4).contains(&self.c), self.c.to_string(), "from 1e-6 to 10000"),
            (
                "unverified_weight",
                (0.0..=1.0).contains(&self.unverified_weight),
                self.unverified_weight.to_string(),
                "from 0 to 1",
            ),
            ("seed", self.seed <= i64::MAX as u64, self.seed.to_string(), "at most 9223372036854775807"),
            ("threads", self.threads <= 1024, self.threads.to_string(), "at most 1024"),
        ];
        match checks.into_iter().find(|(_, fine, ..)| !fine) {
            Some((key, _, value, allowed)) => Err(StackError::Setting { key, value, allowed }),
            None => Ok(()),
        }
    }

    /// Whether several stacks are fitted at once: a GPU fits one after the other, and so do fits
    /// that use several threads themselves.
    pub fn fits_in_parallel(&self) -> bool {
        self.threads == 1 && self.device == "cpu"
    }

    /// The setting that requires each training fold to be held out in turn, if there is one.
    pub(crate) fn inner(&self) -> Option<&'static str> {
        match self.kind {
            StackKind::Xgboost if self.early_stopping_rounds > 0 => Some("early_stopping_rounds"),
            StackKind::Logistic if self.temperature_scaling => Some("temperature_scaling"),
            _ => None,
        }
    }

    fn features_differ(&self) -> bool {
        let again = |i: usize| self.features[..i].contains(&self.features[i]);
        !self.features.is_empty() && !(0..self.features.len()).any(again)
    }

    /// The kinds of columns that level 2 uses: those of the setting, only the probabilities for a
    /// mean, or those of all candidates for `auto`.
    pub fn columns(&self) -> Vec<FeatureKind> {
        let mut columns = if self.kind.is_mean() { Vec::new() } else { self.features.clone() };
        if matches!(self.kind, StackKind::Auto) || self.kind.is_mean() {
            columns.extend(Some(FeatureKind::Probabilities).filter(|kind| !columns.contains(kind)));
        }
        columns
    }

    /// One weight per clip: 1 if the label is verified, otherwise `unverified_weight`.
    pub fn weights(&self, verified: &[bool]) -> Vec<f32> {
        verified.iter().map(|&verified| if verified { 1.0 } else { self.unverified_weight }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_setting_out_of_range() {
        StackSettings::default().validate().unwrap();
        let default = StackSettings::default;
        let cases = [
            ("rounds", StackSettings { rounds: 0, ..default() }),
            ("max_depth", StackSettings { max_depth: 31, ..default() }),
            ("eta", StackSettings { eta: 0.0, ..default() }),
            ("subsample", StackSettings { subsample: 1.5, ..default() }),
            ("colsample_bytree", StackSettings { colsample_bytree: f64::NAN, ..default() }),
            ("min_child_weight", StackSettings { min_child_weight: -1.0, ..default() }),
            ("lambda", StackSettings { lambda: f64::INFINITY, ..default() }),
            ("features", StackSettings { features: Vec::new(), ..default() }),
            ("features", StackSettings { features: vec![FeatureKind::Probabilities; 2], ..default() }),
            ("early_stopping_rounds", StackSettings { early_stopping_rounds: 100_001, ..default() }),
            ("c", StackSettings { c: 0.0, ..default() }),
            ("c", StackSettings { c: 1e30, ..default() }),
            ("eta", StackSettings { eta: 1e-300, ..default() }),
            ("lambda", StackSettings { lambda: 1e300, ..default() }),
            ("min_child_weight", StackSettings { min_child_weight: 1e300, ..default() }),
            ("unverified_weight", StackSettings { unverified_weight: f32::NAN, ..default() }),
            ("seed", StackSettings { seed: u64::MAX, ..default() }),
            ("threads", StackSettings { threads: 1025, ..default() }),
        ];
        for (key, settings) in cases {
            let error = settings.validate().expect_err(key);
            assert!(matches!(&error, StackError::Setting { key: found, .. } if *found == key), "{error}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_and_missing_ones_are_the_defaults() {
        let read = |json: &str| serde_json::from_str::<StackSettings>(json);
        assert_eq!(read("{}").unwrap(), StackSettings::default());
        let unknown = read(r#"{"features": ["mfcc"]}"#).unwrap_err().to_string();
        for word in ["`mfcc`", "`probabilities`", "`log_probabilities`", "`mfcc_statistics`"] {
            assert!(unknown.contains(word), "{unknown}");
        }
        assert!(read(r#"{"max_dept": 3}"#).unwrap_err().to_string().contains("max_dept"));
    }
}
