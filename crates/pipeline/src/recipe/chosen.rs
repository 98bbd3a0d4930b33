//! The recipe of a training for which none is named.

use earmark_datasets::{Manifest, Severity, Task, Violation, violations};
use earmark_features::FrontEnd;
use earmark_tables::counted;
use earmark_tagging::ModelStore;
use earmark_training::{LearnerSettings, Loss, MOST_CLIPS};

use super::Recipe;
use super::shipped::SHIPPED;
use crate::error::Result;
use crate::pretrained::is_at_hand;

/// The model that `pretrained.toml` needs.
const MODEL: &str = "mn04_as";
/// From this number of training clips on, a larger network learns more from them.
const MANY_CLIPS: usize = 1_000;

/// A recipe of Earmark's own, and why it was chosen.
#[derive(Debug, Clone)]
pub(crate) struct ChosenRecipe {
    /// The name of its file in `recipes/`, without the extension.
    pub name: &'static str,
    pub recipe: Recipe,
    /// For people: what the choice depended on.
    pub reason: String,
}

impl ChosenRecipe {
    /// Chooses by the number of training clips, by whether clips have several labels, and by the
    /// models that are installed.
    ///
    /// # Errors
    /// The recipe is invalid, which the tests exclude: it is part of the program.
    pub fn for_data(manifest: &Manifest) -> Result<Self> {
        let is_installed = ModelStore::open().and_then(|store| store.find(MODEL)).is_ok();
        let chosen = Self::new(manifest.train.len(), manifest.labels.len(), manifest.task, is_installed, is_at_hand)?;
        Ok(chosen.with_folds_of(manifest))
    }

    /// With fewer folds if a class has too few clips, or groups of clips, for those of the recipe.
    fn with_folds_of(mut self, manifest: &Manifest) -> Self {
        let is_error = |found: &Violation| found.severity == Severity::Error;
        let suffice = |folds: &usize| !violations(manifest, *folds).iter().any(is_error);
        let folds = &mut self.recipe.data.folds;
        if let Some(fewer) = (2..=*folds).rev().find(suffice).filter(|fewer| fewer < folds) {
            self.reason += &format!("; with {fewer} folds, because a class has too few clips for {folds}");
            *folds = fewer;
        }
        self
    }

    /// `is_at_hand`: whether a learner starts without a download.
    fn new(
        clips: usize,
        classes: usize,
        task: Task,
        is_installed: bool,
        is_at_hand: impl Fn(&LearnerSettings) -> bool,
    ) -> Result<Self> {
        let [pretrained, fast, medium, ..] = SHIPPED;
        let (name, text) = match (is_installed, clips) {
            (true, _) => pretrained,
            (false, ..MANY_CLIPS) => fast,
            (false, _) => medium,
        };
        let mut recipe = Recipe::parse(text)?;
        let model = match is_installed {
            true => format!("the model {MODEL} is installed"),
            false => format!(
                "the model {MODEL} is not installed; with `earmark model pull {MODEL}`, pretrained.toml would be \
                 chosen, which is better on most data"
            ),
        };
        let mut reason = format!("{} of {classes} classes, and {model}", counted(clips, "training clip"));
        if clips > MOST_CLIPS {
            recipe.learners.retain(|learner| !learner.is_kernel());
            reason += "; without its kernel machines, whose memory grows with the square of the clips";
        }
        let missing = |learner: &LearnerSettings| !is_at_hand(learner);
        if let Some(learner) = recipe.learners.iter().find(|learner| missing(learner)) {
            let (name, arch) = (&learner.name, &learner.arch);
            reason += &format!("; without the learner {name}, because the weights of {arch} are not in the cache");
            recipe.learners.retain(|learner| !missing(learner));
        }
        if task == Task::MultiLabel {
            recipe.learners.iter_mut().filter(|learner| !learner.is_of_whole_clips()).for_each(|network| {
                network.loss = Loss::Bce;
            });
            reason += "; with loss = \"bce\", because a clip may have several labels";
        }
        let used: Vec<String> = recipe.learners.iter().map(|learner| learner.features.clone()).collect();
        recipe.features.retain(|features, _: &mut FrontEnd| used.contains(features));
        recipe.validate()?;
        Ok(Self { name, recipe, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(clips: usize, is_installed: bool) -> &'static str {
        ChosenRecipe::new(clips, 10, Task::SingleLabel, is_installed, |_| true).unwrap().name
    }

    #[test]
    fn the_choice_depends_on_clips_and_models() {
        assert_eq!([40, 400, 999].map(|clips| name(clips, false)), ["fast"; 3]);
        assert_eq!([1_000, 100_000].map(|clips| name(clips, false)), ["medium"; 2]);
        assert_eq!([40, 400, 1_000, 100_000].map(|clips| name(clips, true)), ["pretrained"; 4]);
    }

    #[test]
    fn what_does_not_suit_the_data_is_changed() {
        for is_installed in [false, true] {
            let chosen = |clips, task| ChosenRecipe::new(clips, 10, task, is_installed, |_| true).unwrap().recipe;
            let few = chosen(400, Task::SingleLabel);
            assert!(few.learners.iter().any(|learner| learner.is_kernel()));
            assert!(few.learners.iter().all(|learner| learner.check_task(Task::SingleLabel).is_ok()));
            let many = chosen(MOST_CLIPS + 1, Task::SingleLabel);
            assert!(!many.learners.is_empty() && many.learners.iter().all(|learner| !learner.is_kernel()));
            assert!(many.features.keys().all(|key| many.learners.iter().any(|learner| learner.features == *key)));
            let at_hand =
                ChosenRecipe::new(400, 10, Task::SingleLabel, is_installed, |learner| learner.pretrained.is_none());
            assert!(at_hand.unwrap().recipe.learners.iter().all(|learner| learner.pretrained.is_none()));
            let several = chosen(2_000, Task::MultiLabel);
            assert!(several.learners.iter().all(|learner| learner.check_task(Task::MultiLabel).is_ok()));
        }
    }
}
