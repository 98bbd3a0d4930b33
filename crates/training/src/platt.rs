//! Calibration of one class: the logistic function of its outputs.

/// A weighted output, and whether the clip has the class.
pub(crate) struct Judged {
    pub output: f64,
    pub weight: f64,
    pub has: bool,
}

/// A logit as a linear function of an output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Platt {
    pub slope: f64,
    pub offset: f64,
}

/// Newton steps at most; some ten are enough.
const STEPS: usize = 100;

impl Platt {
    /// Platt's scaling (J. Platt 1999, "Probabilistic Outputs for Support Vector Machines"), by the
    /// method of H.-T. Lin, C.-J. Lin and R. Weng 2007, as scikit-learn's `CalibratedClassifierCV`
    /// with `method="sigmoid"`. The targets are not quite 0 and 1, so a few clips that are all
    /// judged correctly do not give infinite logits.
    pub fn fit(judged: &[Judged]) -> Self {
        let total = |has: bool| judged.iter().filter(|one| one.has == has).map(|one| one.weight).sum::<f64>();
        let (with, without) = (total(true), total(false));
        let targets = [1.0 / (without + 2.0), (with + 1.0) / (with + 2.0)];
        let target = |one: &Judged| targets[usize::from(one.has)];
        let mut platt = Self { slope: 0.0, offset: ((with + 1.0) / (without + 1.0)).ln() };
        for _ in 0..STEPS {
            let (mut gradient, mut hessian) = ([0.0; 2], [1e-12, 0.0, 1e-12]);
            for one in judged {
                let share = sigmoid(platt.logit(one.output));
                let (error, curve) = (one.weight * (share - target(one)), one.weight * share * (1.0 - share));
                gradient[0] += error * one.output;
                gradient[1] += error;
                hessian[0] += curve * one.output * one.output;
                hessian[1] += curve * one.output;
                hessian[2] += curve;
            }
            let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
            let slope = (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant;
            let offset = (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant;
            let along = |step: f64| Self { slope: platt.slope - step * slope, offset: platt.offset - step * offset };
            // Halved until the loss falls; if it never does, rounding is all that is left.
            let now = platt.loss(judged, targets);
            let steps = (0..40).map(|halvings| along(0.5_f64.powi(halvings)));
            match steps.into_iter().find(|next| next.loss(judged, targets) < now) {
                Some(next) => platt = next,
                None => break,
            }
        }
        platt
    }

    pub fn logit(self, output: f64) -> f64 {
        self.slope * output + self.offset
    }

    /// The sum of the weighted binary cross-entropies.
    fn loss(self, judged: &[Judged], targets: [f64; 2]) -> f64 {
        let of = |one: &Judged| one.weight * cross_entropy(self.logit(one.output), targets[usize::from(one.has)]);
        judged.iter().map(of).sum()
    }
}

/// Binary cross-entropy of a logit.
pub(crate) fn cross_entropy(logit: f64, target: f64) -> f64 {
    logit.max(0.0) + (-logit.abs()).exp().ln_1p() - target * logit
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}
