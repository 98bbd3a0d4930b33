//! The recipe: one TOML file that says what to train and how.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use earmark_audio::Limits;
use earmark_datasets::OnDecodeError;
use earmark_features::{FrontEnd, MfccStatistics};
use earmark_stacking::{STATISTICS, StackSettings, TestFrom};
use earmark_training::LearnerSettings;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::contributions::ALL_LEARNERS;
use crate::run::FULL;
use crate::systems::STACK;
use crate::{pretrained, settings};

/// Names that tables and options give to something else than a learner.
const TAKEN: [(&str, &str); 3] = [
    (STATISTICS, "the statistics"),
    (STACK, "level 2"),
    (ALL_LEARNERS, "the stack of all learners in level2/without.csv"),
];

/// `fmax` where a recipe has none, as a share of the sample rate: below the transition band of
/// every good resampler, where two of them differ by several decibels.
const FMAX: f32 = 0.45;

/// A recipe, all settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Every random number of the run comes from it.
    #[serde(default)]
    pub seed: u64,
    /// Folds and damaged clips.
    #[serde(default)]
    pub data: DataSettings,
    /// Front ends by name; the learners refer to them.
    pub features: BTreeMap<String, FrontEnd>,
    /// Level 1.
    pub learners: Vec<LearnerSettings>,
    /// The statistics that level 2 sees beside the learners.
    #[serde(default)]
    pub statistics: MfccStatistics,
    /// Level 2.
    #[serde(default)]
    pub stack: StackSettings,
}

/// How the data are split, and what becomes of clips that cannot be heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// Number of folds to draw, stratified, where the data bring none of their own.
    pub folds: usize,
    /// A regular expression whose first group is the fold in a file's name.
    pub folds_from: Option<String>,
    /// A regular expression whose first group is the recording, or whatever else must stay in one fold, in a file's name.
    pub groups_from: Option<String>,
    /// Empty and damaged clips: `error`, `skip`, or `zeros` (silence in their place). A file that cannot be read at all
    /// ends the run.
    pub damaged: OnDecodeError,
    /// Precision of the features in the cache: `f16` takes half the room.
    pub cache_precision: CachePrecision,
    /// What a sound file may at most be.
    pub limits: Limits,
}

/// Precision of the features in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CachePrecision {
    /// 32 bits: as they were computed.
    #[default]
    F32,
    /// 16 bits, 11 of them significant: some hundredths of a decibel in log-mel, up to 0.25 in an MFCC near 900.
    F16,
}

impl CachePrecision {
    /// Whether values take 16 bits.
    pub fn is_half(self) -> bool {
        self == Self::F16
    }
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            folds: 5,
            folds_from: None,
            groups_from: None,
            damaged: OnDecodeError::Fail,
            cache_precision: CachePrecision::F32,
            limits: Limits::default(),
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = earmark_files::read_to_string(path)?;
        Self::parse(&text).with_context(|| format!("recipe {}", path.display()))
    }

    /// The recipe as a run of this format understands it: what a recipe does not say keeps the
    /// meaning that it had when the run began.
    pub fn with_defaults_of(mut self, format: u32) -> Self {
        // Format 0 had bands up to half the sample rate.
        if format > 0 {
            let of_features = self.features.values_mut().filter_map(FrontEnd::mel_mut);
            for mel in of_features.chain([&mut self.statistics.mel]) {
                mel.fmax.get_or_insert(FMAX * mel.sr as f32);
            }
        }
        self
    }

    /// The front end of a learner.
    pub fn front_end(&self, learner: &str) -> anyhow::Result<&FrontEnd> {
        let learner = self.learners.iter().find(|known| known.name == learner);
        learner.and_then(|learner| self.features.get(&learner.features)).context("the recipe has no such learner")
    }

    /// The splits that each learner is trained on: the folds, and `full` where it predicts the test clips.
    pub fn splits(&self, folds: usize) -> Vec<String> {
        let full = (self.stack.test_from == TestFrom::Full).then(|| FULL.to_owned());
        (0..folds).map(|fold| format!("fold{fold}")).chain(full).collect()
    }

    /// Those of them whose networks predict the test clips.
    pub fn test_splits(&self, folds: usize) -> Vec<String> {
        let mut splits = self.splits(folds);
        splits.retain(|split| self.predicts_test(split));
        splits
    }

    /// Whether the networks of a split predict the test clips.
    pub fn predicts_test(&self, split: &str) -> bool {
        (split == FULL) == (self.stack.test_from == TestFrom::Full)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let recipe: Self = toml::from_str(text).map_err(|error| front_end_fault(text).unwrap_or(error.into()))?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// Checks every value's range, and that the learners fit their features.
    pub fn validate(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (2..=100).contains(&self.data.folds),
            "data.folds = {} is out of range: 2 to 100",
            self.data.folds
        );
        self.data.limits.validate().context("data.limits")?;
        for (key, pattern) in [("folds_from", &self.data.folds_from), ("groups_from", &self.data.groups_from)] {
            pattern.as_deref().map(Regex::new).transpose().with_context(|| format!("data.{key}"))?;
        }
        for (name, front_end) in &self.features {
            front_end.validate().with_context(|| format!("features.{name}"))?;
        }
        anyhow::ensure!(!self.learners.is_empty(), "there is no [[learners]]");
        let mut names = BTreeSet::new();
        for learner in &self.learners {
            learner.validate()?;
            if let Some((name, what)) = TAKEN.iter().find(|(name, _)| *name == learner.name) {
                anyhow::bail!("no learner can be named {name}, which names {what}");
            }
            anyhow::ensure!(names.insert(&learner.name), "two learners are named {:?}", learner.name);
            let known = || self.features.keys().cloned().collect::<Vec<_>>().join(", ");
            anyhow::ensure!(
                self.features.contains_key(&learner.features),
                "learner {}: features = {:?} is not one of [features]: {}",
                learner.name,
                learner.features,
                known()
            );
            let front_end = &self.features[&learner.features];
            learner.check_input(front_end)?;
            pretrained::validate(learner, front_end)?;
        }
        self.statistics.validate().context("statistics")?;
        self.stack.validate().context("stack")
    }
}

/// The setting of a front end that cannot be read, where the recipe's fault is one.
fn front_end_fault(text: &str) -> Option<anyhow::Error> {
    let recipe: serde_json::Value = toml::from_str(text).ok()?;
    let of_features = recipe["features"].as_object().into_iter().flatten().find_map(|(name, front_end)| {
        let fault = settings::read::<FrontEnd>(front_end.as_object()?).err()?;
        Some(fault.context(format!("features.{name}")))
    });
    let of_statistics = || settings::read::<MfccStatistics>(recipe["statistics"].as_object()?).err();
    of_features.or_else(|| Some(of_statistics()?.context("statistics")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [features.logmel]
        kind = "logmel"
        [[learners]]
        name = "a"
        arch = "resnet_nano"
        features = "logmel"
        epochs = 1
        batch_size = 8
        learning_rate = 0.1
    "#;

    #[test]
    fn faults_name_the_key() {
        let cases = [
            (GOOD.replace("epochs", "epoch"), "unknown field `epoch`"),
            (format!("sede = 1\n{GOOD}"), "unknown field `sede`"),
            (GOOD.replace("epochs = 1", "epochs = 0"), "`epochs` = 0 is out of range"),
            (GOOD.replace("kind = \"logmel\"", "kind = \"logmel\"\nn_fft = 0"), "n_fft"),
            (
                GOOD.replace("kind = \"logmel\"", "kind = \"logmel\"\nn_mels = \"64\""),
                "features.logmel: n_mels = \"64\"",
            ),
            (
                GOOD.replace("kind = \"logmel\"", "kind = \"logmel\"\nnorm = \"l2\""),
                "norm = \"l2\": expected \"slaney\"",
            ),
            (format!("{GOOD}\n[statistics]\nset = \"media\""), "statistics: set = \"media\": expected \"paper\""),
            (GOOD.replace("features = \"logmel\"", "features = \"mfcc\""), "features = \"mfcc\""),
            (format!("{GOOD}\nnormalization = \"channels\""), "\"clip\""),
            (format!("{GOOD}\nnormalization = {{ mean = [1.0], deviation = [2.0] }}"), "for each channel"),
            (GOOD.replace("resnet_nano", "resnet_nana"), "resnet_nano"),
            (
                GOOD.replace("resnet_nano", "wave_resnet_nano"),
                "learner a: wave_resnet_nano takes the wave of one channel, not features of 64 bins",
            ),
            (
                format!("{}\ncrop_seconds = 0.2", GOOD.replace("resnet_nano", "cnn14")),
                "learner a: the input is too small",
            ),
            (
                format!("{GOOD}\npretrained = \"imagenet\""),
                "learner a: pretrained = \"imagenet\": there are no published weights of resnet_nano",
            ),
            (
                format!("{}\npretrained = \"imagenet\"", GOOD.replace("resnet_nano", "cnn14")),
                "the published weights of cnn14 are pretrained = \"audioset\"",
            ),
            (format!("{GOOD}\n[stack]\neta = 7.0"), "eta"),
            (
                format!("{GOOD}\n[stack]\nkind = \"svm\""),
                "expected one of `xgboost`, `logistic`, `mean`, `geometric_mean`",
            ),
            (
                format!("{GOOD}\n[stack]\nfeatures = [\"mfcc\"]"),
                "`mfcc`, expected one of `probabilities`, `log_probabilities`, `mfcc_statistics`",
            ),
            (format!("{GOOD}\n[stack]\nfeatures = []"), "setting `features` is []"),
            (format!("{GOOD}\n[stack]\ntest_from = \"fold0\""), "expected `full` or `folds`"),
            (GOOD.replace("name = \"a\"", "name = \"mfcc_statistics\""), "names the statistics"),
            (GOOD.replace("name = \"a\"", "name = \"stack\""), "no learner can be named stack, which names level 2"),
            (GOOD.replace("name = \"a\"", "name = \"-\""), "which names the stack of all learners"),
            (format!("{GOOD}\n[data]\nfolds = 1"), "data.folds = 1"),
            (format!("{GOOD}{}", &GOOD[GOOD.find("[[").unwrap()..]), "two learners are named \"a\""),
            ("[features]".to_owned(), "learners"),
        ];
        Recipe::parse(GOOD).unwrap();
        for (text, expected) in cases {
            let message = format!("{:#}", Recipe::parse(&text).unwrap_err());
            assert!(message.contains(expected), "{expected}: {message}");
        }
    }

    #[test]
    fn the_project_s_recipes_are_good_and_survive_writing() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes");
        let recipes: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(recipes.len() >= 2, "{recipes:?}");
        for path in recipes {
            let recipe = Recipe::read(&path).unwrap();
            assert_eq!(Recipe::parse(&toml::to_string(&recipe).unwrap()).unwrap(), recipe, "{}", path.display());
        }
    }

    #[test]
    fn every_key_is_in_the_documents() {
        fn keys(value: &serde_json::Value, found: &mut BTreeSet<String>) {
            for (key, value) in value.as_object().into_iter().flatten() {
                found.insert(key.clone());
                keys(value, found);
            }
            value.as_array().into_iter().flatten().for_each(|value| keys(value, found));
        }
        let docs = concat!(
            include_str!("../../../docs/recipes.md"),
            include_str!("../../../docs/features.md"),
            include_str!("../../../docs/level2.md")
        );
        let full = GOOD.replace("epochs = 1", "pretrained = \"w.safetensors\"\nepochs = 1");
        let full = format!("{full}\n[data]\nfolds_from = 'f'\ngroups_from = 'g'");
        let mut recipe = serde_json::to_value(toml::from_str::<Recipe>(&full).unwrap()).unwrap();
        recipe["features"] = recipe["features"]["logmel"].take();
        let mut found = BTreeSet::new();
        for section in ["data", "features", "learners", "statistics", "stack"] {
            keys(&recipe[section], &mut found);
        }
        assert!(found.len() > 60, "{found:?}");
        let unsaid: Vec<_> = found.iter().filter(|key| !docs.contains(&format!("`{key}`"))).collect();
        // `count` and `width` stand in the example of a mask, `hop_seconds` and `average` in that of a prediction.
        assert_eq!(unsaid, ["average", "count", "hop_seconds", "width"]);
    }
}
