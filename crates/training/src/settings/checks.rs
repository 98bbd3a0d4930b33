//! Checks that a learner's settings are in range and apply to its architecture and features.

use earmark_datasets::Task;
use earmark_features::{FrontEnd, Scaling};
use earmark_loader::{Augmentation, SpecAugmentMasks};

use super::{ClassWeight, Freeze, LearnerSettings, Loss, Normalization};
use crate::error::TrainingError;
use crate::settings::{Kernels, Linear};

impl LearnerSettings {
    /// Checks every value's range.
    ///
    /// # Errors
    /// The first value out of range, with its key and the allowed range.
    pub fn validate(&self) -> Result<(), TrainingError> {
        if self.is_of_whole_clips() {
            return self.validate_of_whole_clips();
        }
        self.variant()?;
        let is_length = |seconds: f64| seconds > 0.0 && seconds <= 60.0;
        let is_part = |value: f64| (0.0..1.0).contains(&value);
        let (crop, hop) = (self.crop_seconds, self.prediction.hop_seconds);
        let is_rate = |rate: f64| rate > 0.0 && rate <= 100.0;
        let (rate, body_rate) = (self.learning_rate, self.body_learning_rate);
        let checks = [
            self.name_check(),
            check(is_length(crop), "crop_seconds", crop, "above 0, at most 60"),
            check(self.pad_value.is_finite(), "pad_value", self.pad_value, "a finite number"),
            check((0.0..=1000.0).contains(&self.mixup), "mixup", self.mixup, "0 (no mixup) to 1000"),
            check(is_part(self.label_smoothing.into()), "label_smoothing", self.label_smoothing, "0 to below 1"),
            check(is_share(self.unverified_weight), "unverified_weight", self.unverified_weight, "0 to 1"),
            self.class_weight_check(),
            check((1..=100_000).contains(&self.epochs), "epochs", self.epochs, "1 to 100000; networks need it"),
            check(
                (2..=65_536).contains(&self.batch_size),
                "batch_size",
                self.batch_size,
                "2 to 65536; networks need it",
            ),
            check(is_rate(rate), "learning_rate", rate, "above 0, at most 100; networks need it"),
            check(self.warmup_epochs < self.epochs, "warmup_epochs", self.warmup_epochs, "below `epochs`"),
            check(is_part(self.momentum), "momentum", self.momentum, "0 to below 1"),
            check(is_part(self.weight_decay), "weight_decay", self.weight_decay, "0 to below 1"),
            check(is_part(self.dropout.into()), "dropout", self.dropout, "0 (none) to below 1"),
            check(
                body_rate.is_none_or(is_rate),
                "body_learning_rate",
                body_rate.unwrap_or(0.0),
                "above 0, at most 100",
            ),
            check(is_part(self.ema_decay), "ema_decay", self.ema_decay, "0 (none) to below 1"),
            check(is_length(hop), "prediction.hop_seconds", hop, "above 0, at most 60"),
        ];
        self.first_fault(checks.into_iter().chain(of_augmentation(&self.augmentation)))?;
        const NEEDS_WEIGHTS: &str = "it applies only to a network that starts from `pretrained` weights";
        let is_pretrained = self.pretrained.is_some();
        self.applies(is_pretrained || self.freeze == Freeze::None, "freeze", NEEDS_WEIGHTS)?;
        self.applies(is_pretrained || body_rate.is_none(), "body_learning_rate", NEEDS_WEIGHTS)?;
        const FROZEN: &str = "with freeze = \"body\", the body is not trained";
        self.applies(body_rate.is_none() || self.freeze != Freeze::Body, "body_learning_rate", FROZEN)?;
        self.check_sections()
    }

    fn check_sections(&self) -> Result<(), TrainingError> {
        let (kernel, linear) = (self.kernel.is_some(), self.linear.is_some());
        self.applies(!kernel || self.has_key("kernel"), "kernel", "it applies only to arch = \"kernel\"")?;
        self.applies(!linear || self.has_key("linear"), "linear", "it applies only to arch = \"linear\"")
    }

    /// Checks the settings that must fit the front end.
    ///
    /// # Errors
    /// The errors of [`LearnerSettings::graph`], also for the shortest crops; a given mean or
    /// deviation that is not one usable number per channel; augmentation that does not apply to
    /// these features.
    pub fn check_input(&self, front_end: &FrontEnd) -> Result<(), TrainingError> {
        let of_whole_clips = front_end.is_of_whole_clips();
        if self.is_of_whole_clips() != of_whole_clips {
            let (learner, arch) = (self.name.clone(), self.arch.clone());
            return Err(TrainingError::WholeClips { learner, arch, of_whole_clips });
        }
        if of_whole_clips {
            return Ok(());
        }
        self.graph(front_end, 2, 0)?;
        let (channels, bins) = front_end.shape();
        let Augmentation { crop_length_jitter, freq_warp, freq_masks, .. } = self.augmentation;
        let crop_seconds = self.crop_seconds / (1.0 + f64::from(crop_length_jitter));
        Self { crop_seconds, ..self.clone() }.graph(front_end, 2, 0)?;
        let is_logmel = matches!(front_end, FrontEnd::LogMel { .. });
        let fixed = match &self.normalization {
            Normalization::Fixed(scaling) => Some(scaling),
            _ => None,
        };
        let written =
            |Scaling { mean, deviation }: &Scaling| format!("{{ mean = {mean:?}, deviation = {deviation:?} }}");
        let normalization = check(
            fixed.is_none_or(|scaling| scaling.fits(channels)),
            "normalization",
            fixed.map_or(String::new(), written),
            "a mean and a deviation above 0 for each channel of the features",
        );
        self.first_fault(std::iter::once(normalization))?;
        self.applies(freq_warp == 0.0 || is_logmel, "augmentation.freq_warp", "it applies only to log-mel features")?;
        let has_bands = freq_masks.count == 0 || bins > 1;
        self.applies(has_bands, "augmentation.freq_masks", "a wave has no frequency bands")
    }

    /// Checks that the loss fits the labels.
    ///
    /// # Errors
    /// [`TrainingError::Loss`].
    pub fn check_task(&self, task: Task) -> Result<(), TrainingError> {
        let wanted = match task {
            Task::SingleLabel => Loss::CrossEntropy,
            Task::MultiLabel => Loss::Bce,
        };
        match self.is_of_whole_clips() || self.loss == wanted {
            true => Ok(()),
            false => Err(TrainingError::Loss { learner: self.name.clone(), task }),
        }
    }

    fn validate_of_whole_clips(&self) -> Result<(), TrainingError> {
        self.check_sections()?;
        let Kernels { alpha, gamma } = self.kernels();
        let Linear { c } = self.linear();
        let is_weight = |value: f64| (1e-6..=1e6).contains(&value);
        let weight = self.unverified_weight;
        let checks = [
            self.name_check(),
            check(is_share(weight), "unverified_weight", weight, "0 to 1"),
            self.class_weight_check(),
            check(is_weight(alpha), "kernel.alpha", alpha, "1e-6 to 1e6"),
            check(is_weight(gamma), "kernel.gamma", gamma, "1e-6 to 1e6"),
            check((1e-6..=1e4).contains(&c), "linear.c", c, "1e-6 to 10000"),
        ];
        self.first_fault(checks.into_iter())?;
        match self.beyond_whole_clips().unwrap_or_default() {
            keys if keys.is_empty() => Ok(()),
            keys => Err(TrainingError::OfNetworks { learner: self.name.clone(), arch: self.arch.clone(), keys }),
        }
    }

    /// The settings that are not at their default and do not apply to a learner of whole clips.
    fn beyond_whole_clips(&self) -> Option<Vec<String>> {
        let plain = serde_json::json!({ "name": self.name, "arch": self.arch, "features": self.features });
        let plain: Self = serde_json::from_value(plain).ok()?;
        let written = |settings: &Self| serde_json::to_value(settings).ok()?.as_object().cloned();
        let plain = written(&plain)?;
        let is_set = |key: &str, value: &serde_json::Value| plain.get(key) != Some(value);
        let others = written(self)?.into_iter().filter(|(key, value)| !self.has_key(key) && is_set(key, value));
        Some(others.map(|(key, _)| key).collect())
    }

    fn name_check(&self) -> Check {
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = !self.name.is_empty() && self.name.chars().all(fine) && !self.name.starts_with('.');
        check(
            name,
            "name",
            format!("{:?}", self.name),
            "letters, digits, `_`, `-` and `.`, not first a `.`: it is used in file names",
        )
    }

    fn class_weight_check(&self) -> Check {
        let fault = self.class_weight.as_ref().and_then(ClassWeight::out_of_range);
        check(fault.is_none(), "class_weight", fault.unwrap_or_default(), "above 0, at most 1000")
    }

    fn applies(&self, applies: bool, key: &str, reason: &'static str) -> Result<(), TrainingError> {
        if applies {
            return Ok(());
        }
        Err(TrainingError::NotApplicable { learner: self.name.clone(), key: key.to_owned(), reason })
    }

    fn first_fault(&self, mut checks: impl Iterator<Item = Check>) -> Result<(), TrainingError> {
        match checks.find(|(fine, ..)| !fine) {
            None => Ok(()),
            Some((_, key, value, range)) => {
                Err(TrainingError::Setting { learner: self.name.clone(), key, value, range })
            }
        }
    }
}

/// Whether a value is valid; its key; the value; the allowed range.
type Check = (bool, &'static str, String, &'static str);

fn check(fine: bool, key: &'static str, value: impl ToString, range: &'static str) -> Check {
    (fine, key, value.to_string(), range)
}

fn is_share(value: f32) -> bool {
    (0.0..=1.0).contains(&value)
}

fn masks(SpecAugmentMasks { count, width }: SpecAugmentMasks) -> String {
    format!("count {count}, width {width}")
}

fn of_augmentation(augmentation: &Augmentation) -> [Check; 5] {
    let Augmentation { crop_length_jitter, time_stretch, freq_warp, freq_masks, time_masks, .. } = *augmentation;
    let is_spread = |value: f32| (0.0..=4.0).contains(&value);
    let of_masks = |key, given: SpecAugmentMasks| {
        let fine = given.count <= 100 && is_share(given.width);
        check(fine, key, masks(given), "a count up to 100 and a width from 0 to 1")
    };
    [
        check(is_spread(crop_length_jitter), "augmentation.crop_length_jitter", crop_length_jitter, "0 to 4"),
        check(is_spread(time_stretch), "augmentation.time_stretch", time_stretch, "0 to 4"),
        check(is_share(freq_warp), "augmentation.freq_warp", freq_warp, "0 to 1"),
        of_masks("augmentation.freq_masks", freq_masks),
        of_masks("augmentation.time_masks", time_masks),
    ]
}
