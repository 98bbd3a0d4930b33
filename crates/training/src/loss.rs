//! The losses of networks.

use tch::Tensor;

use crate::error::TrainingError;

/// Mean over the batch of the cross-entropy of logits and soft targets, both `[batch, classes]`.
pub(crate) fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor, TrainingError> {
    let log_probabilities = logits.f_log_softmax(1, logits.kind())?;
    let sum = log_probabilities.f_mul(targets)?.f_sum(logits.kind())?;
    Ok(sum.f_neg()?.f_div_scalar(logits.size()[0] as f64)?)
}

/// Mean over the batch and the classes of the binary cross-entropy of logits, `[batch, classes]`.
/// The targets are those of [`earmark_loader::BatchPlan`], `[batch, classes + 1]`: for each class
/// the weight of its presence, then the weight of the clip.
pub(crate) fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor, TrainingError> {
    let classes = logits.size()[1];
    let (present, weight) = (targets.f_narrow(1, 0, classes)?, targets.f_narrow(1, classes, 1)?);
    // -present log p - (weight - present) log (1 - p), where log (1 - p) = log p - logit.
    let absent = logits.f_neg()?.f_log_sigmoid()?.f_mul(&weight)?;
    let sum = absent.f_add(&logits.f_mul(&present)?)?.f_sum(logits.kind())?;
    Ok(sum.f_neg()?.f_div_scalar((logits.size()[0] * classes) as f64)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn binary_cross_entropy_is_libtorchs() {
        let (clips, classes) = (5, 3);
        let count = |n: i64, factor: f64| Tensor::arange(n, (Kind::Double, Device::Cpu)) * factor;
        let logits = count(clips * classes, 1.7).sin().reshape([clips, classes]) * 40.0;
        let share = count(clips * classes, 0.9).cos().abs().reshape([clips, classes]);
        let weight = count(clips, 0.6).cos().abs().reshape([clips, 1]);
        let ours = binary_cross_entropy(&logits, &Tensor::cat(&[&share * &weight, weight.shallow_clone()], 1)).unwrap();
        let none: Option<&Tensor> = None;
        let theirs = logits.binary_cross_entropy_with_logits(&share, Some(&weight), none, tch::Reduction::Mean);
        let (ours, theirs) = (ours.double_value(&[]), theirs.double_value(&[]));
        assert!((ours - theirs).abs() < 1e-12, "{ours}, not {theirs}");
        // A logit that is certain and wrong costs what it says; one that is right costs nothing.
        let extreme = Tensor::from_slice(&[1e4, -1e4]).reshape([1, 2]);
        let loss = |targets: [f64; 3]| {
            binary_cross_entropy(&extreme, &Tensor::from_slice(&targets).reshape([1, 3])).unwrap().double_value(&[])
        };
        assert_eq!([loss([1.0, 0.0, 1.0]), loss([0.0, 0.0, 1.0])], [0.0, 5e3]);
    }
}
