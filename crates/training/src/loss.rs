//! The losses of networks.

use tch::Tensor;

use crate::error::TrainingError;

/// Mean over the batch of the cross-entropy of logits and soft targets, both `[batch, classes]`.
/// Class weights, `[classes]`, are PyTorch's `weight` for such targets: the mean is not divided by
/// them.
pub(crate) fn cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    class_weights: Option<&Tensor>,
) -> Result<Tensor, TrainingError> {
    let log_probabilities = logits.f_log_softmax(1, logits.kind())?;
    let mut likelihood = log_probabilities.f_mul(targets)?;
    if let Some(weights) = class_weights {
        likelihood = likelihood.f_mul(weights)?;
    }
    let sum = likelihood.f_sum(logits.kind())?;
    Ok(sum.f_neg()?.f_div_scalar(logits.size()[0] as f64)?)
}

/// Mean over the batch and the classes of the binary cross-entropy of logits, `[batch, classes]`.
/// The targets are those of [`earmark_loader::BatchPlan`], `[batch, classes + 1]`: for each class
/// the weight of its presence, then the weight of the clip. Class weights, `[classes]`, are
/// PyTorch's `pos_weight`: the factors of the presence.
pub(crate) fn binary_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    class_weights: Option<&Tensor>,
) -> Result<Tensor, TrainingError> {
    let classes = logits.size()[1];
    let (mut present, mut weight) = (targets.f_narrow(1, 0, classes)?, targets.f_narrow(1, classes, 1)?);
    if let Some(weights) = class_weights {
        weight = weight.f_add(&present.f_mul(&weights.f_sub_scalar(1.0)?)?)?;
        present = present.f_mul(weights)?;
    }
    // -present log p - (weight - present) log (1 - p), where log (1 - p) = log p - logit.
    let absent = logits.f_neg()?.f_log_sigmoid()?.f_mul(&weight)?;
    let sum = absent.f_add(&logits.f_mul(&present)?)?.f_sum(logits.kind())?;
    Ok(sum.f_neg()?.f_div_scalar((logits.size()[0] * classes) as f64)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn count(n: i64, factor: f64) -> Tensor {
        Tensor::arange(n, (Kind::Double, Device::Cpu)) * factor
    }

    #[test]
    fn weighted_cross_entropy_is_libtorchs() {
        let (clips, classes) = (5, 3);
        let logits = count(clips * classes, 1.7).sin().reshape([clips, classes]) * 40.0;
        let weights = Tensor::from_slice(&[0.5, 2.0, 1.3]);
        let theirs = |targets: &Tensor, reduction, smoothing: f64| {
            logits.cross_entropy_loss(targets, Some(&weights), reduction, -100, smoothing).double_value(&[])
        };
        let ours = |targets: &Tensor| cross_entropy(&logits, targets, Some(&weights)).unwrap().double_value(&[]);
        // Blended targets, as mixup makes them, and smoothed ones.
        let mixed = count(clips * classes, 0.9).cos().abs().reshape([clips, classes]);
        let mixed = &mixed / mixed.sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        for smoothing in [0.0, 0.2] {
            let smoothed = &mixed * (1.0 - smoothing) + smoothing / classes as f64;
            let [ours, theirs] = [ours(&smoothed), theirs(&mixed, tch::Reduction::Mean, smoothing)];
            assert!((ours - theirs).abs() < 1e-12, "{ours}, not {theirs}");
        }
        // For classes instead of probabilities, PyTorch's mean divides by the sum of the weights.
        let labels = Tensor::from_slice(&[0i64, 2, 1, 1, 0]);
        let [ours, sum] = [ours(&labels.one_hot(classes)), theirs(&labels, tch::Reduction::Sum, 0.0)];
        assert!((ours - sum / clips as f64).abs() < 1e-12, "{ours}, not {sum} / {clips}");
    }

    #[test]
    fn binary_cross_entropy_is_libtorchs() {
        let (clips, classes) = (5, 3);
        let logits = count(clips * classes, 1.7).sin().reshape([clips, classes]) * 40.0;
        let share = count(clips * classes, 0.9).cos().abs().reshape([clips, classes]);
        let weight = count(clips, 0.6).cos().abs().reshape([clips, 1]);
        let targets = Tensor::cat(&[&share * &weight, weight.shallow_clone()], 1);
        let positive = Tensor::from_slice(&[0.5, 2.0, 1.3]);
        for positive in [None, Some(&positive)] {
            let ours = binary_cross_entropy(&logits, &targets, positive).unwrap();
            let theirs = logits.binary_cross_entropy_with_logits(&share, Some(&weight), positive, tch::Reduction::Mean);
            let (ours, theirs) = (ours.double_value(&[]), theirs.double_value(&[]));
            assert!((ours - theirs).abs() < 1e-12, "{positive:?}: {ours}, not {theirs}");
        }
        // A logit that is certain and wrong costs what it says; one that is right costs nothing.
        let extreme = Tensor::from_slice(&[1e4, -1e4]).reshape([1, 2]);
        let loss = |targets: [f64; 3]| {
            let targets = Tensor::from_slice(&targets).reshape([1, 3]);
            binary_cross_entropy(&extreme, &targets, None).unwrap().double_value(&[])
        };
        assert_eq!([loss([1.0, 0.0, 1.0]), loss([0.0, 0.0, 1.0])], [0.0, 5e3]);
    }
}
