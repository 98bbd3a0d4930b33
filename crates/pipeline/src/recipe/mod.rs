//! The recipe: one TOML file that says what to train and how.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use earmark_audio::Limits;
use earmark_datasets::OnDecodeError;
use earmark_features::{FrontEnd, MfccStatistics};
use earmark_files::with_suggestion;
use earmark_stacking::{StackSettings, TestFrom};
use earmark_training::{GpuSettings, LearnerSettings, Split};
use regex::Regex;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

mod chosen;
mod pretrained;
mod renamed;
mod settings;
mod shipped;

pub(crate) use chosen::ChosenRecipe;
pub(crate) use pretrained::PUBLISHED;
pub(crate) use shipped::{names as shipped_names, shipped};

use crate::error::{Context, PipelineError, Result, ensure};
use crate::events::Warning;
use crate::names::RESERVED;

/// The default of `fmax` as a fraction of the sample rate: below the transition band of every good
/// resampler, where two resamplers differ by several decibels.
const FMAX: f32 = 0.45;

/// A recipe: all settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The seed of every random number of the run.
    #[serde(default)]
    pub seed: u64,
    /// Folds and damaged clips.
    #[serde(default)]
    pub data: DataSettings,
    /// Front ends by name; the learners refer to them.
    pub features: BTreeMap<String, FrontEnd>,
    /// Level 1.
    pub learners: Vec<LearnerSettings>,
    /// The MFCC statistics, an optional input of level 2.
    #[serde(default)]
    pub statistics: MfccStatistics,
    /// Level 2.
    #[serde(default)]
    pub stack: StackSettings,
    /// How GPUs compute.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gpu: GpuSettings,
}

fn is_default(settings: &GpuSettings) -> bool {
    *settings == GpuSettings::default()
}

/// How the data are split, and how clips that cannot be decoded are handled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// Number of stratified folds to draw if the data set does not provide folds.
    pub folds: usize,
    /// A regular expression whose first group matches the fold in a file's name.
    pub folds_from: Option<String>,
    /// A regular expression whose first group matches the recording, or whatever else must stay in
    /// one fold, in a file's name.
    pub groups_from: Option<String>,
    /// How to handle empty and damaged clips: `fail`, `skip`, or `silence` (replace them by
    /// silence). A file that cannot be read at all ends the run.
    pub on_decode_error: OnDecodeError,
    /// Precision of the features in the cache: `f16` takes half the space.
    pub cache_precision: CachePrecision,
    /// Limits of the sound files.
    pub limits: Limits,
}

/// Precision of the features in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CachePrecision {
    /// 32 bits, as computed.
    #[default]
    F32,
    /// 16 bits, 11 of them significant: an error of some hundredths of a decibel in log-mel, and of
    /// up to 0.25 in an MFCC near 900.
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
            on_decode_error: OnDecodeError::Fail,
            cache_precision: CachePrecision::F32,
            limits: Limits::default(),
        }
    }
}

impl Recipe {
    /// Reads and checks a recipe. The former names of keys are accepted, too.
    ///
    /// # Errors
    /// The file cannot be read; a key or line is invalid.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::read_with_warnings(path)?.0)
    }

    /// [`Recipe::read`], with a warning for each key that has its former name.
    ///
    /// # Errors
    /// As [`Recipe::read`].
    pub fn read_with_warnings(path: &Path) -> Result<(Self, Vec<Warning>)> {
        let text = earmark_files::read_to_string(path)?;
        Self::parse_with_warnings(&text).with_context(|| format!("recipe {}", path.display()))
    }

    /// The recipe as a run of this format interprets it: a key that is not set has the default of
    /// the format in which the run began.
    pub fn with_defaults_of(mut self, format: u32) -> Self {
        // In format 0, bands extended up to half the sample rate.
        if format > 0 {
            let of_features = self.features.values_mut().filter_map(FrontEnd::mel_mut);
            for mel in of_features.chain([&mut self.statistics.mel]) {
                mel.fmax.get_or_insert(FMAX * mel.sr as f32);
            }
        }
        self
    }

    /// The recipe as a run stores it: with every default, and for each learner the settings that
    /// apply to its architecture.
    ///
    /// # Errors
    /// It cannot be written as TOML.
    pub(crate) fn complete(&self) -> Result<Table> {
        let mut table: Table = toml::from_str(&toml::to_string(self)?)?;
        table.entry("gpu").or_insert(Value::try_from(self.gpu)?);
        let learners = table.get_mut("learners").and_then(Value::as_array_mut).into_iter().flatten();
        for (learner, settings) in learners.filter_map(Value::as_table_mut).zip(&self.learners) {
            learner.retain(|key, _| settings.has_key(key));
            for (key, default) in settings.omitted_defaults() {
                learner.entry(key).or_insert(Value::try_from(default)?);
            }
        }
        Ok(table)
    }

    /// How GPUs compute for these learners: cuDNN would time its algorithms again for each batch of
    /// another shape.
    pub(crate) fn gpu_settings(&self) -> GpuSettings {
        let has_one_shape = self.learners.iter().all(|learner| learner.augmentation.crop_length_jitter == 0.0);
        GpuSettings { cudnn_benchmark: self.gpu.cudnn_benchmark && has_one_shape, ..self.gpu }
    }

    /// The front end of a learner.
    ///
    /// # Errors
    /// The recipe does not have this learner.
    pub fn front_end(&self, learner: &str) -> Result<&FrontEnd> {
        let settings = self.learners.iter().find(|known| known.name == learner);
        let front_end = settings.and_then(|learner| self.features.get(&learner.features));
        front_end.ok_or_else(|| PipelineError::Recipe(format!("the recipe has no learner {learner}")))
    }

    /// The splits that each learner is trained on: the folds, and `full` if its networks predict
    /// the test clips.
    pub fn splits(&self, folds: usize) -> Vec<Split> {
        let full = (self.stack.test_from == TestFrom::Full).then_some(Split::Full);
        (0..folds).map(Split::Fold).chain(full).collect()
    }

    /// The splits whose networks predict the test clips.
    pub fn test_splits(&self, folds: usize) -> Vec<Split> {
        let mut splits = self.splits(folds);
        splits.retain(|&split| self.predicts_test(split));
        splits
    }

    /// Whether the networks of a split predict the test clips.
    pub fn predicts_test(&self, split: Split) -> bool {
        (split == Split::Full) == (self.stack.test_from == TestFrom::Full)
    }

    /// Parses and checks a recipe.
    ///
    /// # Errors
    /// A key or line is invalid.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self::parse_with_warnings(text)?.0)
    }

    /// [`Recipe::parse`], with a warning for each key that has its former name.
    ///
    /// # Errors
    /// As [`Recipe::parse`].
    pub(crate) fn parse_with_warnings(text: &str) -> Result<(Self, Vec<Warning>)> {
        let (text, warnings) = renamed::with_new_names(text)?;
        let recipe: Self = toml::from_str(&text).map_err(|error| {
            // Lines of the rewritten text would be wrong.
            let fault = if warnings.is_empty() { error.to_string() } else { error.message().to_owned() };
            settings::front_end_fault(&text).unwrap_or_else(|| PipelineError::Recipe(with_suggestion(&fault)))
        })?;
        recipe.validate()?;
        Ok((recipe, warnings))
    }

    /// Checks every value's range, and that the learners fit their features.
    ///
    /// # Errors
    /// The first key that is out of range or does not fit another one.
    pub fn validate(&self) -> Result<()> {
        let folds = self.data.folds;
        ensure!((2..=100).contains(&folds), Recipe, "data.folds = {folds} is out of range (2 to 100)");
        self.data.limits.validate().context("data.limits")?;
        for (key, pattern) in [("folds_from", &self.data.folds_from), ("groups_from", &self.data.groups_from)] {
            pattern.as_deref().map(Regex::new).transpose().with_context(|| format!("data.{key}"))?;
        }
        for (name, front_end) in &self.features {
            front_end.validate().with_context(|| format!("features.{name}"))?;
        }
        ensure!(!self.learners.is_empty(), Recipe, "the recipe has no [[learners]]");
        let mut names = BTreeSet::new();
        for learner in &self.learners {
            learner.validate()?;
            let name = &learner.name;
            if let Some((_, what)) = RESERVED.iter().find(|(reserved, _)| reserved == name) {
                return Err(PipelineError::Recipe(format!("no learner can be named {name}, which names {what}")));
            }
            ensure!(names.insert(name), Recipe, "two learners are named {name:?}");
            let Some(front_end) = self.features.get(&learner.features) else {
                let known = self.features.keys().cloned().collect::<Vec<_>>().join(", ");
                let asked = &learner.features;
                let reason = format!("learner {name}: features = {asked:?} is not one of [features]: {known}");
                return Err(PipelineError::Recipe(reason));
            };
            learner.check_input(front_end)?;
            pretrained::validate(learner, front_end)?;
        }
        self.statistics.validate().context("statistics")?;
        self.stack.validate().context("stack")
    }
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
    fn cudnn_times_its_algorithms_if_all_batches_have_one_shape() {
        let benchmark =
            |extra: &str| Recipe::parse(&format!("{GOOD}\n{extra}")).unwrap().gpu_settings().cudnn_benchmark;
        assert!(benchmark("") && benchmark("[gpu]\ntf32 = false"));
        assert!(!benchmark("[gpu]\ncudnn_benchmark = false"));
        assert!(!benchmark("augmentation = { crop_length_jitter = 0.5 }"));
        let plain = Recipe::parse(GOOD).unwrap();
        assert!(!toml::to_string(&plain).unwrap().contains("gpu"), "the text of a run has the key if it is set");
    }

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
            (GOOD.replace("kind = \"logmel\"", "kind = \"mel\"\nhop_length = 220"), "features.logmel: kind = \"mel\""),
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
                "learner a: pretrained = \"imagenet\": no weights of resnet_nano are published",
            ),
            (
                format!("{}\npretrained = \"imagenet\"", GOOD.replace("resnet_nano", "cnn14")),
                "the published weights of cnn14 are pretrained = \"audioset\"",
            ),
            (format!("{GOOD}\n[stack]\neta = 7.0"), "eta"),
            (format!("{GOOD}\n[gpu]\ntf_32 = true"), "unknown field `tf_32`"),
            (format!("gpu = true\n{GOOD}"), "expected a table such as [gpu]"),
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
            (GOOD.replace("name = \"a\"", "name = \"mfcc_statistics\""), "names the MFCC statistics"),
            (GOOD.replace("name = \"a\"", "name = \"stack\""), "no learner can be named stack, which names level 2"),
            (GOOD.replace("name = \"a\"", "name = \"-\""), "which names the stack of all learners"),
            (format!("{GOOD}\n[data]\nfolds = 1"), "data.folds = 1"),
            (format!("{GOOD}{}", &GOOD[GOOD.find("[[").unwrap()..]), "two learners are named \"a\""),
            ("[features]".to_owned(), "learners"),
        ];
        Recipe::parse(GOOD).unwrap();
        for (text, expected) in cases {
            let message = Recipe::parse(&text).unwrap_err().line();
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
            include_str!("../../../../docs/recipes.md"),
            include_str!("../../../../docs/features.md"),
            include_str!("../../../../docs/level2.md")
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
        // The documentation only has `count` and `width` in the example of a mask, `hop_seconds`
        // and `average` in that of a prediction.
        assert_eq!(unsaid, ["average", "count", "hop_seconds", "width"]);
    }
}
