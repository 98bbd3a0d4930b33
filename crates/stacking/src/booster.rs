use crate::link::Link;
use crate::rows::{Subset, check_labels};
use crate::trees::{Trees, objective};
use crate::xgboost::{DMatrix, Learner, has_cuda};
use crate::{Label, Matrix, Result, StackError, StackSettings, Table};

/// Boosted trees that predict the probability of each class. A round adds a tree for each class. If
/// clips may have several labels, the trees of a class depend on this class alone.
pub struct Booster {
    learner: Learner,
    json: Vec<u8>,
    features: usize,
    classes: usize,
    threads: usize,
}

impl Booster {
    /// Fits trees (`tree_method` hist) with the objective `multi:softprob`, also for two classes,
    /// or `binary:logistic` for each class if clips may have several labels. The same input,
    /// settings and thread count result in the same trees on the CPU. A GPU sums gradients in
    /// another order, so its trees may differ in the last bits, and it draws other rows for
    /// `subsample`.
    ///
    /// # Shape
    /// `labels` (the indices of each row's classes in `classes`) and `weights`: one per row.
    ///
    /// # Errors
    /// A setting out of range, lengths that differ, too few classes, a weight that is negative or
    /// not finite, a class without a row of positive weight (or with all of them, if clips may have
    /// several labels), or XGBoost is missing or fails.
    pub fn fit<T: Label>(
        x: Matrix<'_>,
        labels: &[T],
        weights: &[f32],
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<Booster> {
        settings.validate()?;
        check_labels(x.rows(), labels, weights, classes)?;
        let threads = threads(settings.threads);
        let matrix = matrix(x, labels, weights, classes.len(), threads)?;
        let mut learner = learner(&[&matrix], T::LINK, classes.len(), settings)?;
        for round in 0..settings.rounds {
            learner.update(round, &matrix)?;
        }
        // Predict with the stored model, and free the copy of the training rows.
        let json = learner.save_json()?;
        Self::load(json, threads)
    }

    /// The number of rounds, up to that of the settings, with the smallest loss on held-out rows;
    /// fitting stops after `early_stopping_rounds` without improvement. As with XGBoost's
    /// `early_stopping_rounds` in Python.
    pub(crate) fn best_rounds<T: Label>(
        rows: &Subset<T>,
        held_out: &Subset<T>,
        classes: &[String],
        settings: &StackSettings,
    ) -> Result<u32> {
        check_labels(rows.labels.len(), &rows.labels, &rows.weights, classes)?;
        let threads = threads(settings.threads);
        let of = |rows: &Subset<T>| matrix(rows.x()?, &rows.labels, &rows.weights, classes.len(), threads);
        let (learned, judged) = (of(rows)?, of(held_out)?);
        let mut learner = learner(&[&learned, &judged], T::LINK, classes.len(), settings)?;
        let (mut smallest, mut best) = (f64::INFINITY, 1);
        for round in 0..settings.rounds {
            learner.update(round, &learned)?;
            let loss = learner.loss(round, &judged)?;
            if loss < smallest {
                (smallest, best) = (loss, round + 1);
            } else if round + 1 - best >= settings.early_stopping_rounds {
                break;
            }
        }
        Ok(best)
    }

    /// Reads a booster from XGBoost's JSON, written by us or by XGBoost's `save_model` in Python.
    ///
    /// # Errors
    /// The JSON is damaged, its objective is neither `multi:softprob` nor `binary:logistic`, its
    /// trees have categories or several values per leaf, or XGBoost is missing or rejects it.
    pub fn from_json(json: &[u8]) -> Result<Booster> {
        Self::load(json.to_vec(), 1)
    }

    fn load(json: Vec<u8>, threads: usize) -> Result<Booster> {
        let trees = Trees::read(&json)?;
        let rewritten = trees.to_json().map_err(|error| StackError::Booster(error.to_string()))?;
        let Trees { features, classes, .. } = trees;
        let mut learner = Learner::new(&[])?;
        learner.load_json(&rewritten)?;
        learner.set(c"nthread", threads.to_string())?;
        Ok(Booster { learner, json, features, classes, threads })
    }

    /// XGBoost's JSON, which Python can load with `xgboost.Booster(model_file=...)`.
    pub fn to_json(&self) -> &[u8] {
        &self.json
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The probability of each class.
    ///
    /// # Shape
    /// `x`: `[rows, features]`; the result: `[rows, classes]`, row-major.
    ///
    /// # Errors
    /// The number of columns differs from that of the training, or XGBoost fails.
    pub fn probabilities(&self, x: Matrix<'_>) -> Result<Vec<f32>> {
        if x.columns() != self.features {
            let reason = format!("{} features for trees fitted on {}", x.columns(), self.features);
            return Err(StackError::Shape(reason));
        }
        if x.rows() == 0 {
            return Ok(Vec::new());
        }
        let (shape, values) = self.learner.predict(&DMatrix::new(x, self.threads)?)?;
        if shape != [x.rows() as u64, self.classes as u64] {
            let message = format!("it answered in the shape {shape:?} for {} rows", x.rows());
            return Err(StackError::Xgboost { action: "predict", message });
        }
        Ok(values)
    }

    /// The probability of each class as a table with the columns `classes`.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities), and a number of classes that differs from the
    /// trees'.
    pub fn predict(&self, features: &Table, classes: &[String]) -> Result<Table> {
        if classes.len() != self.classes {
            let reason = format!("{} class names for trees of {} classes", classes.len(), self.classes);
            return Err(StackError::Shape(reason));
        }
        Table::new(features.names().to_vec(), classes.to_vec(), self.probabilities(features.into())?)
    }
}

fn matrix<T: Label>(x: Matrix<'_>, labels: &[T], weights: &[f32], classes: usize, threads: usize) -> Result<DMatrix> {
    let mut matrix = DMatrix::new(x, threads)?;
    let (targets, width): (Vec<f32>, usize) = match T::LINK {
        // Exact: a class index is far below 2^24.
        Link::Softmax => (labels.iter().flat_map(T::classes).map(|&class| class as f32).collect(), 1),
        Link::Sigmoid => {
            let mut targets = vec![0.0; labels.len() * classes];
            for (row, labels) in targets.chunks_exact_mut(classes).zip(labels) {
                labels.classes().iter().for_each(|&class| row[class] = 1.0);
            }
            (targets, classes)
        }
    };
    matrix.set(c"label", &targets, width)?;
    matrix.set(c"weight", weights, 1)?;
    Ok(matrix)
}

/// A learner that has not been fitted yet.
fn learner(matrices: &[&DMatrix], link: Link, classes: usize, settings: &StackSettings) -> Result<Learner> {
    let mut learner = Learner::new(matrices)?;
    // The number of classes that exclude each other; others are targets of the matrix.
    let (metric, exclusive) = match link {
        Link::Softmax => ("mlogloss", classes),
        Link::Sigmoid => ("logloss", 0),
    };
    let parameters = [
        (c"objective", objective(link).to_owned()),
        (c"num_class", exclusive.to_string()),
        (c"eval_metric", metric.to_owned()),
        (c"tree_method", "hist".to_owned()),
        (c"max_depth", settings.max_depth.to_string()),
        (c"eta", settings.eta.to_string()),
        (c"subsample", settings.subsample.to_string()),
        (c"colsample_bytree", settings.colsample_bytree.to_string()),
        (c"min_child_weight", settings.min_child_weight.to_string()),
        (c"lambda", settings.lambda.to_string()),
        (c"seed", settings.seed.to_string()),
        (c"nthread", threads(settings.threads).to_string()),
        (c"device", if has_cuda()? { settings.device.clone() } else { "cpu".to_owned() }),
    ];
    for (name, value) in parameters {
        learner.set(name, value)?;
    }
    Ok(learner)
}

/// A fixed number: otherwise XGBoost would choose one, and the last bits of the trees depend on it.
fn threads(setting: usize) -> usize {
    match setting {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    }
}
