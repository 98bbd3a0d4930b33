//! Kernel ridge regression on features of whole clips: fitted in closed form, by solving a linear
//! system.

use earmark_datasets::Task;
use earmark_features::Scaling;
use earmark_loader::Example;
use earmark_nets::{Array, Weights, kernel};
use tch::{Device, Kind, Tensor};

use crate::error::TrainingError;
use crate::network::rbf_kernel;
use crate::platt::{Judged, Platt};
use crate::rows::{Fitted, Rows};
use crate::settings::Kernels;
use crate::tensors::{array, values};

/// The maximum number of training clips of a kernel machine: memory holds three copies of its
/// kernel matrix, in 64 bits.
pub const MOST_CLIPS: usize = 30_000;

/// Mean and deviation of each feature over the clips, with the deviations stretched so that the
/// kernel is `exp(-|x - y|^2)`.
pub(crate) fn scaling(clips: &[Example], settings: &Kernels) -> Scaling {
    let Scaling { mean, deviation } = Scaling::fit(clips.iter().map(|example| example.features));
    let stretch = (deviation.len() as f64 / settings.gamma).sqrt();
    let deviation = deviation.into_iter().map(|deviation| (f64::from(deviation) * stretch) as f32).collect();
    Scaling { mean, deviation }
}

/// Bytes that fitting a machine with this number of clips and features needs.
pub(crate) fn bytes(clips: usize, features: usize) -> u64 {
    let (clips, features) = (clips as u64, features as u64);
    8 * (3 * clips * clips + 2 * clips * features)
}

/// Fits on scaled rows, each class against all others, with the weights of [`Rows::weights`].
///
/// The outputs are the classes' shares plus those of the kernel. With one label per clip, the
/// logits are the outputs times a factor, the one with the smallest leave-one-out cross-entropy.
/// With several, each class has a factor and an offset ([`Platt`]) that are fitted on the
/// leave-one-out outputs. These follow from the inverse of the regularized kernel matrix, so the
/// machine is fitted only once.
///
/// `go_on` is called between the steps.
pub(crate) fn fit(
    rows: &Rows<'_>,
    settings: &Kernels,
    device: Device,
    go_on: &mut dyn FnMut() -> Result<(), TrainingError>,
) -> Result<Fitted, TrainingError> {
    let (clips, classes) = (rows.clips(), rows.classes);
    if clips > MOST_CLIPS {
        return Err(TrainingError::TooManyClips { clips, most: MOST_CLIPS });
    }
    let (n, features) = (clips as i64, rows.features() as i64);
    let _guard = tch::no_grad_guard();
    let x = Tensor::f_from_slice(rows.values)?.f_reshape([n, features])?;
    let x = x.f_to_device(device)?.f_to_kind(Kind::Double)?;
    let truth = rows.truth(device)?;
    let row_weights = rows.weights(&truth)?;
    let systems = systems(rows).into_iter().map(|System { first, count, column }| {
        let weights = row_weights.f_narrow(1, column, 1)?;
        solve(&x, &truth.f_narrow(1, first, count)?, &weights, settings.alpha, go_on)
    });
    let Solved { shares, coefficients, judged } = Solved::joined(&systems.collect::<Result<Vec<_>, _>>()?)?;

    let weights = shares_of(&row_weights)?;
    let scales = match rows.task {
        Task::SingleLabel => {
            let factor = best_factor(&judged, &truth, &weights)?;
            vec![Platt { slope: factor, offset: 0.0 }; classes]
        }
        Task::MultiLabel => platt_scales(&judged, &truth, &row_weights)?,
    };
    let scales = Scales::on(device, &scales)?;
    let logits = scales.logits(&judged)?;
    let loss = match rows.task {
        Task::SingleLabel => cross_entropy(&logits, &truth, &weights)?,
        Task::MultiLabel => binary_cross_entropy(&logits, &truth, &weights)?,
    };
    // The most probable class is the label, or one of the labels.
    let best = logits.f_argmax(1, true)?;
    let counts = shares_of(&rows.counts(device)?)?;
    let accuracy = truth.f_gather(1, &best, false)?.f_mul(&counts)?.f_sum(Kind::Double)?;
    let shape = |sides: [i64; 2]| sides.map(|side| side as usize).to_vec();
    let all = [
        (kernel::CENTRES, array(&x, &shape([n, features]))?),
        ("fc.weight", array(&coefficients.f_mul(&scales.slopes)?.f_tr()?, &shape([classes as i64, n]))?),
        ("fc.bias", Array { shape: vec![classes], data: values(&scales.logits(&shares)?)? }),
    ];
    let weights = Weights(all.into_iter().map(|(name, array)| (name.to_owned(), array)).collect());
    Ok(Fitted { weights, loss, accuracy: accuracy.f_double_value(&[])? })
}

/// The classes that are fitted by one linear system, because their weights of the rows are the
/// same: a range, and the column of these weights.
struct System {
    first: i64,
    count: i64,
    column: i64,
}

/// The weights of the rows differ between classes only if rows may have several and the class has a
/// weight other than 1.
fn systems(rows: &Rows<'_>) -> Vec<System> {
    let class_weights = match (rows.task, rows.class_weights) {
        (Task::MultiLabel, Some(class_weights)) => class_weights,
        _ => return vec![System { first: 0, count: rows.classes as i64, column: 0 }],
    };
    let mut first = 0;
    let of_alike = |alike: &[f32]| {
        let (column, count) = (first, alike.len() as i64);
        first += count;
        System { first: column, count, column }
    };
    class_weights.chunk_by(|one, next| *one == 1.0 && *next == 1.0).map(of_alike).collect()
}

/// What linear systems give, a column per class.
struct Solved {
    /// `[1, classes]`.
    shares: Tensor,
    /// `[clips, classes]`.
    coefficients: Tensor,
    /// The output of each clip by a machine that is fitted without it, `[clips, classes]`.
    judged: Tensor,
}

impl Solved {
    fn joined(all: &[Self]) -> Result<Self, TrainingError> {
        let join = |part: fn(&Self) -> &Tensor| Tensor::f_cat(&all.iter().map(part).collect::<Vec<_>>(), 1);
        Ok(Self {
            shares: join(|one| &one.shares)?,
            coefficients: join(|one| &one.coefficients)?,
            judged: join(|one| &one.judged)?,
        })
    }
}

/// Fits classes of the same weights, `[clips, 1]`. The kernel matrix is computed anew for each
/// system, because memory holds only one more.
fn solve(
    x: &Tensor,
    truth: &Tensor,
    weights: &Tensor,
    alpha: f64,
    go_on: &mut dyn FnMut() -> Result<(), TrainingError>,
) -> Result<Solved, TrainingError> {
    let shares = truth.f_mul(weights)?.f_sum_dim_intlist([0i64].as_slice(), true, Kind::Double)?;
    let shares = shares.f_div(&weights.f_sum(Kind::Double)?)?;
    let ridge = weights.f_reciprocal()?.f_mul_scalar(alpha)?.f_squeeze_dim(1)?;
    let regularised = rbf_kernel(x, x)?;
    let _ = regularised.f_diagonal(0, 0, 1)?.f_add_(&ridge)?;
    go_on()?;
    let triangle = regularised.f_linalg_cholesky(false)?;
    drop(regularised);
    go_on()?;
    let inverse = triangle.f_cholesky_inverse(false)?;
    drop(triangle);
    go_on()?;
    let coefficients = inverse.f_matmul(&truth.f_sub(&shares)?)?;
    let off = coefficients.f_div(&inverse.f_diagonal(0, 0, 1)?.f_unsqueeze(1)?)?;
    Ok(Solved { shares, judged: truth.f_sub(&off)?, coefficients })
}

/// Weights divided by the sum of their column.
fn shares_of(weights: &Tensor) -> Result<Tensor, TrainingError> {
    let total = match weights.size()[1] {
        1 => weights.f_sum(Kind::Double)?,
        _ => weights.f_sum_dim_intlist([0i64].as_slice(), true, Kind::Double)?,
    };
    Ok(weights.f_div(&total)?)
}

/// What makes logits of the outputs of each class, `[1, classes]`.
struct Scales {
    slopes: Tensor,
    offsets: Tensor,
}

impl Scales {
    fn on(device: Device, scales: &[Platt]) -> Result<Self, TrainingError> {
        let row = |value: fn(&Platt) -> f64| -> Result<Tensor, TrainingError> {
            let values: Vec<f64> = scales.iter().map(value).collect();
            Ok(Tensor::f_from_slice(&values)?.f_unsqueeze(0)?.f_to_device(device)?)
        };
        Ok(Self { slopes: row(|scale| scale.slope)?, offsets: row(|scale| scale.offset)? })
    }

    fn logits(&self, outputs: &Tensor) -> Result<Tensor, TrainingError> {
        Ok(outputs.f_mul(&self.slopes)?.f_add(&self.offsets)?)
    }
}

/// The scale of each class; `weights` are `[clips, classes]` or `[clips, 1]`.
fn platt_scales(judged: &Tensor, truth: &Tensor, weights: &Tensor) -> Result<Vec<Platt>, TrainingError> {
    let rows = |tensor: &Tensor| -> Result<Vec<f64>, TrainingError> {
        let tensor = tensor.f_tr()?.f_contiguous()?.f_to_device(Device::Cpu)?;
        Ok(Vec::try_from(tensor.f_view(-1)?)?)
    };
    let clips = truth.size()[0] as usize;
    let weights = rows(&weights.f_expand(truth.size(), false)?)?;
    let (judged, truth) = (rows(judged)?, rows(truth)?);
    let of_class = |((outputs, has), weights): ((&[f64], &[f64]), &[f64])| {
        let judged = outputs.iter().zip(has).zip(weights);
        let judged = judged.map(|((output, has), weight)| Judged { output: *output, weight: *weight, has: *has > 0.5 });
        Platt::fit(&judged.collect::<Vec<_>>())
    };
    let of_classes = judged.chunks_exact(clips).zip(truth.chunks_exact(clips)).zip(weights.chunks_exact(clips));
    Ok(of_classes.map(of_class).collect())
}

/// Weighted mean over the rows, and mean over the classes, of the binary cross-entropy of logits.
fn binary_cross_entropy(logits: &Tensor, truth: &Tensor, weights: &Tensor) -> Result<f64, TrainingError> {
    let of_all = logits.f_neg()?.f_log_sigmoid()?.f_neg()?.f_sub(&logits.f_mul(truth)?)?;
    let sum = of_all.f_mul(weights)?.f_sum(Kind::Double)?.f_double_value(&[])?;
    Ok(sum / truth.size()[1] as f64)
}

/// Weighted mean of the rows' cross-entropy.
fn cross_entropy(logits: &Tensor, truth: &Tensor, weights: &Tensor) -> Result<f64, TrainingError> {
    let logarithms = logits.f_log_softmax(1, Kind::Double)?;
    let likelihood = logarithms.f_mul(truth)?.f_mul(weights)?.f_sum(Kind::Double)?.f_double_value(&[])?;
    // If all predictions are certain and correct, return 0 and not -0.
    Ok((-likelihood).max(0.0))
}

/// The factor from 0.1 to 1000 with the smallest cross-entropy, which has a single minimum, found
/// by golden-section search of its logarithm.
fn best_factor(outputs: &Tensor, truth: &Tensor, weights: &Tensor) -> Result<f64, TrainingError> {
    let section = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.1_f64.ln(), 1000.0_f64.ln());
    while high - low > 1e-6 {
        let (left, right) = (high - section * (high - low), low + section * (high - low));
        let at = |logarithm: f64| cross_entropy(&outputs.f_mul_scalar(logarithm.exp())?, truth, weights);
        if at(left)? < at(right)? {
            high = right;
        } else {
            low = left;
        }
    }
    Ok(f64::midpoint(low, high).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::Arithmetic;
    use crate::golden;
    use crate::network::evaluate;

    /// `golden/kernel/make.py`: scikit-learn's `KernelRidge`, refitted without each row in turn.
    #[test]
    fn equals_scikit_learns() {
        let cases = golden::cases("kernel");
        assert!(cases.len() >= 9);
        for case in cases {
            let single = |key: &str| golden::singles(&case[key]);
            let labels: Vec<Vec<usize>> = serde_json::from_value(case["labels"].clone()).unwrap();
            let task: Task = serde_json::from_value(case["task"].clone()).unwrap();
            let settings: Kernels = serde_json::from_value(case["settings"].clone()).unwrap();
            let classes = case["classes"].as_u64().unwrap() as usize;
            let [rows, new] = ["rows", "new"].map(|key| {
                // The rows have mean 0 and deviation 1, so only the stretch remains.
                let features = single(key).len() / case[key].as_array().unwrap().len();
                let stretch = (features as f64 / settings.gamma).sqrt();
                golden::numbers(&case[key]).into_iter().map(|value| (value / stretch) as f32).collect::<Vec<f32>>()
            });
            let of_clip: Vec<&[usize]> = labels.iter().map(Vec::as_slice).collect();
            let counts = single("counts");
            let class_weights = golden::class_weights(&case, &of_clip, &counts, task);
            let class_weights = class_weights.as_deref();
            let of = Rows { values: &rows, labels: &of_clip, counts: &counts, class_weights, classes, task };
            let fitted = fit(&of, &settings, Device::Cpu, &mut || Ok(())).unwrap();
            let [loss, accuracy] = ["loss", "accuracy"].map(|key| case[key].as_f64().unwrap());
            assert!((fitted.loss - loss).abs() < 1e-6 && (fitted.accuracy - accuracy).abs() < 1e-9, "{fitted:?}");
            let features = rows.len() / labels.len();
            let graph = kernel::graph(features, labels.len(), classes);
            let shape = [new.len() / features, features, 1, 1];
            let logits = evaluate(&graph, &fitted.weights, &new, shape, Arithmetic::F32, "cpu").unwrap();
            for (ours, expected) in logits.iter().zip(golden::numbers(&case["logits"])) {
                assert!((f64::from(*ours) - expected).abs() < 2e-4, "{ours}, not {expected}");
            }
        }
    }
}
