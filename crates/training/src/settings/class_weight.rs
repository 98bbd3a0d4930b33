//! The weights of classes in the loss.

use std::collections::BTreeMap;

use earmark_datasets::Task;
use earmark_files::similar;
use serde::{Deserialize, Serialize};

use super::LearnerSettings;
use crate::error::TrainingError;

/// How much each class counts in the loss, as scikit-learn's `class_weight`. In a recipe:
/// `"balanced"`, or a table such as `{ Dog = 2.0, Rain = 0.5 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"balanced\" or a table such as { Dog = 2.0, Rain = 0.5 }")]
pub enum ClassWeight {
    /// All classes count the same, however many training clips they have.
    Named(Balanced),
    /// By name; other classes have weight 1.
    Table(BTreeMap<String, f32>),
}

/// The only named weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balanced {
    /// With one label per clip, scikit-learn's: `n / (classes * n_c)`, where `n_c` is the weight of
    /// the clips of a class, `n` that of all clips, and `classes` the number of classes that occur.
    /// If clips may have several labels, `(n - n_c) / n_c`, so that in each class the clips that
    /// have it count as much as those that do not.
    Balanced,
}

impl ClassWeight {
    /// The weight of each class of `names`, from the training clips: the labels and the weight of
    /// each. A class that no clip or every clip has gets weight 1.
    pub(crate) fn of_classes<'a>(
        &self,
        names: &[String],
        clips: impl Iterator<Item = (&'a [usize], f32)>,
        task: Task,
    ) -> Vec<f32> {
        if let Self::Table(weights) = self {
            return names.iter().map(|name| weights.get(name).copied().unwrap_or(1.0)).collect();
        }
        let (mut of_class, mut all) = (vec![0.0; names.len()], 0.0);
        for (labels, weight) in clips {
            all += f64::from(weight);
            labels.iter().for_each(|label| of_class[*label] += f64::from(weight));
        }
        let occurring = of_class.iter().filter(|weight| **weight > 0.0).count() as f64;
        let weight = |of_class: f64| match task {
            _ if of_class == 0.0 => 1.0,
            Task::SingleLabel => all / (occurring * of_class),
            Task::MultiLabel if of_class < all => (all - of_class) / of_class,
            Task::MultiLabel => 1.0,
        };
        of_class.into_iter().map(|of_class| weight(of_class) as f32).collect()
    }

    /// The first weight out of range, as `{ "CLASS" = WEIGHT }`.
    pub(super) fn out_of_range(&self) -> Option<String> {
        let Self::Table(weights) = self else { return None };
        let fault = weights.iter().find(|(_, weight)| !(**weight > 0.0 && **weight <= 1000.0));
        fault.map(|(class, weight)| format!("{{ {class:?} = {weight} }}"))
    }
}

impl LearnerSettings {
    /// Checks that every class with a weight is one of the data set's.
    ///
    /// # Errors
    /// [`TrainingError::UnknownClasses`], with all others.
    pub fn check_classes(&self, classes: &[String]) -> Result<(), TrainingError> {
        let Some(ClassWeight::Table(weights)) = &self.class_weight else { return Ok(()) };
        let nearest =
            |class: &String| (class.clone(), similar(class, classes).into_iter().map(str::to_owned).collect());
        let unknown: Vec<_> = weights.keys().filter(|class| !classes.contains(class)).map(nearest).collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(TrainingError::UnknownClasses { learner: self.name.clone(), classes: unknown }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced(clips: &[(&[usize], f32)], task: Task) -> Vec<f32> {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        ClassWeight::Named(Balanced::Balanced).of_classes(&names, clips.iter().copied(), task)
    }

    #[test]
    fn balanced_weights_follow_from_the_weights_of_the_clips() {
        let clips: [(&[usize], f32); 5] = [(&[0], 1.0), (&[0], 1.0), (&[0], 0.5), (&[1], 1.0), (&[3], 0.5)];
        assert_eq!(balanced(&clips, Task::SingleLabel), [4.0 / 7.5, 4.0 / 3.0, 1.0, 4.0 / 1.5]);
        let clips: [(&[usize], f32); 3] = [(&[0, 3], 1.0), (&[1, 3], 0.5), (&[1, 3], 1.0)];
        assert_eq!(balanced(&clips, Task::MultiLabel), [1.5, 1.0 / 1.5, 1.0, 1.0]);
    }

    #[test]
    fn a_table_is_by_name_and_other_classes_have_weight_1() {
        let names = ["Rain", "Dog", "Cat"].map(str::to_owned);
        let weights: ClassWeight = serde_json::from_str(r#"{"Dog": 2.5, "Rain": 0.5}"#).unwrap();
        assert_eq!(weights.of_classes(&names, std::iter::empty(), Task::SingleLabel), [0.5, 2.5, 1.0]);
        let named: ClassWeight = serde_json::from_str(r#""balanced""#).unwrap();
        assert_eq!(named, ClassWeight::Named(Balanced::Balanced));
        let error = serde_json::from_str::<ClassWeight>(r#""balance""#).unwrap_err().to_string();
        assert!(error.contains("expected \"balanced\" or a table"), "{error}");
    }
}
