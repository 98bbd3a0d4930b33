//! How good a table of probabilities is.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Result, StackError, Table};

/// Scores of one table of probabilities. Not-a-number stands for "no clip to judge by", and is `null` in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scores {
    /// Mean average precision at 3, the challenge's measure: 1/rank of the true label if it is among the first
    /// three, else 0; mean over the clips.
    #[serde(rename = "map_at_3", deserialize_with = "null_is_nan")]
    pub map3: f64,
    /// Share of the clips whose most probable label is the true one.
    #[serde(deserialize_with = "null_is_nan")]
    pub accuracy: f64,
    /// One entry a class, in the labels' order.
    pub per_class: Vec<ClassScore>,
    /// Mean of the classes' average precision, over the classes that have clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub macro_average_precision: f64,
}

/// The score of one class against all others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class.
    pub label: String,
    /// How many clips are truly of the class.
    pub clips: usize,
    /// Area under the steps of precision over recall, as scikit-learn's `average_precision_score` counts it.
    /// Not-a-number for a class without clips.
    #[serde(deserialize_with = "null_is_nan")]
    pub average_precision: f64,
}

/// Judges `probabilities` by the true labels.
///
/// Of equal probabilities the label of lower index ranks first.
///
/// # Shape
/// `truth`: one index into `labels` a row of `probabilities`; its columns are `labels`, in this order.
///
/// # Errors
/// Another number of true labels than rows, an index beyond the labels, or other columns than the labels.
pub fn score(labels: &[String], truth: &[usize], probabilities: &Table) -> Result<Scores> {
    if probabilities.columns() != labels {
        let reason = format!("the columns {:?} are not the labels {labels:?}", probabilities.columns());
        return Err(StackError::Table(reason));
    }
    if truth.len() != probabilities.names().len() {
        let reason = format!("{} true labels for {} clips", truth.len(), probabilities.names().len());
        return Err(StackError::Table(reason));
    }
    if let Some(class) = truth.iter().find(|&&class| class >= labels.len()) {
        return Err(StackError::Table(format!("true label {class} where there are {} labels", labels.len())));
    }
    let ranks: Vec<usize> = truth.iter().zip(probabilities.rows()).map(|(&class, row)| rank(class, row)).collect();
    let precision_at_3 = ranks.iter().map(|&rank| if rank <= 3 { 1.0 / rank as f64 } else { 0.0 });
    let hits = ranks.iter().map(|&rank| if rank == 1 { 1.0 } else { 0.0 });
    let class_score = |(class, label): (usize, &String)| {
        let judged = truth.iter().zip(probabilities.rows()).map(|(&truth, row)| (row[class], truth == class)).collect();
        let clips = truth.iter().filter(|&&truth| truth == class).count();
        ClassScore { label: label.clone(), clips, average_precision: average_precision(judged) }
    };
    let per_class: Vec<ClassScore> = labels.iter().enumerate().map(class_score).collect();
    let judged = per_class.iter().filter(|class| class.clips > 0).map(|class| class.average_precision);
    Ok(Scores { map3: mean(precision_at_3), accuracy: mean(hits), macro_average_precision: mean(judged), per_class })
}

/// The place of `class` among a row's probabilities, from 1.
fn rank(class: usize, row: &[f32]) -> usize {
    let before = |&(other, value): &(usize, &f32)| *value > row[class] || (*value == row[class] && other < class);
    1 + row.iter().enumerate().filter(before).count()
}

/// Sum over the distinct probabilities, from high to low, of precision there times the recall it adds.
fn average_precision(mut judged: Vec<(f32, bool)>) -> f64 {
    judged.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut found, mut area) = (0_usize, 0_usize, 0.0);
    // Clips of equal probability cross the threshold together.
    for equal in judged.chunk_by(|a, b| a.0 == b.0) {
        let new = equal.iter().filter(|(_, is_class)| *is_class).count();
        seen += equal.len();
        found += new;
        area += new as f64 * found as f64 / seen as f64;
    }
    area / found as f64
}

/// Not-a-number for no values.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}
