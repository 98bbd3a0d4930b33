"""Kernel ridge regression by scikit-learn, with leave-one-out predictions.

Run: python golden/kernel/make.py

The rows have mean 0 and standard deviation 1. The leave-one-out prediction of a row comes from a
`KernelRidge` that was fitted without it. The factor that turns outputs into logits minimizes the
cross-entropy of these predictions, and is found by scipy. If rows may have several classes, each
class has the factor and the offset of scikit-learn's `CalibratedClassifierCV(method="sigmoid")`.

A weight of a class is a factor of the `sample_weight` of the rows that have it. If rows may have
several, each class has a machine with its own sample weights.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.optimize
import scipy.special
import sklearn
from sklearn.calibration import _sigmoid_calibration
from sklearn.kernel_ridge import KernelRidge
from sklearn.utils.class_weight import compute_class_weight

HERE = Path(__file__).parent


def data(rng, labels, features, classes, counted):
    clips = len(labels)
    centres = rng.normal(size=(classes, features))
    rows = labels @ centres + rng.normal(size=(clips, features))
    rows = np.float32((rows - rows.mean(0)) / rows.std(0)).astype(np.float64)
    new = np.float32(centres[rng.integers(0, classes, 7)] + rng.normal(size=(7, features))).astype(np.float64)
    return rows, new, rng.choice([1.0, 0.5], clips) if counted else np.ones(clips)


def machine(rows, new, truth, counts, settings):
    """The outputs of each row by a machine fitted without it, and those of new rows."""
    # The class shares are those of all rows, even when one is held out.
    shares = (truth * counts[:, None]).sum(0) / counts.sum()

    def outputs(of, to):
        model = KernelRidge(alpha=settings["alpha"], kernel="rbf", gamma=settings["gamma"] / rows.shape[1])
        model.fit(rows[of], (truth - shares)[of], sample_weight=counts[of])
        return shares + model.predict(to)

    clips = len(rows)
    others = ~np.eye(clips, dtype=bool)
    judged = np.concatenate([outputs(others[clip], rows[clip : clip + 1]) for clip in range(clips)])
    return judged, outputs(np.ones(clips, dtype=bool), new)


def weights_of(class_weight, labels, counts):
    """The weight of each row: that of its class, with scikit-learn's meaning, times its own."""
    classes = np.unique(labels)
    if class_weight == "balanced":
        weights = compute_class_weight("balanced", classes=classes, y=labels, sample_weight=counts)
        class_weight = dict(zip(classes, weights))
    return counts * np.array([(class_weight or {}).get(label, 1.0) for label in labels])


def weights_of_answers(class_weight, has, label, counts):
    """The same for the rows that have a class, relative to those that do not."""
    if class_weight == "balanced":
        weights = compute_class_weight("balanced", classes=np.arange(2), y=has, sample_weight=counts)
        class_weight = {label: weights[1] / weights[0]}
    return counts * np.where(has == 1, (class_weight or {}).get(label, 1.0), 1.0)


def written(settings, task, rows, truth, counts, new, loss, accuracy, logits, class_weight):
    setting = {} if class_weight is None else {"class_weight": class_weight}
    return setting | {
        "settings": settings,
        "task": task,
        "classes": truth.shape[1],
        "rows": rows.tolist(),
        "labels": [np.flatnonzero(row).tolist() for row in truth],
        "counts": counts.tolist(),
        "new": new.tolist(),
        "loss": loss,
        "accuracy": accuracy,
        "logits": logits.tolist(),
    }


def single_label(seed, clips, features, classes, settings, counted, class_weight=None):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, clips - classes)])
    truth = np.eye(classes)[labels]
    rows, new, counts = data(rng, truth, features, classes, counted)
    weights = weights_of(class_weight, labels, counts)
    judged, outputs = machine(rows, new, truth, weights, settings)

    def loss(logarithm):
        logits = scipy.special.log_softmax(np.exp(logarithm) * judged, axis=1)
        return -(weights * logits[np.arange(clips), labels]).sum() / weights.sum()

    best = scipy.optimize.minimize_scalar(loss, bounds=np.log([0.1, 1000]), method="bounded", options={"xatol": 1e-9})
    accuracy = (counts * (judged.argmax(1) == labels)).sum() / counts.sum()
    logits = np.exp(best.x) * outputs
    return written(settings, "single_label", rows, truth, counts, new, best.fun, accuracy, logits, class_weight)


def multi_label(seed, clips, features, classes, settings, counted, class_weight=None):
    rng = np.random.default_rng(seed)
    truth = (rng.random((clips, classes)) < 0.35).astype(float)
    truth[np.arange(clips), rng.integers(0, classes, clips)] = 1
    rows, new, counts = data(rng, truth, features, classes, counted)
    weights = [weights_of_answers(class_weight, truth[:, c], c, counts) for c in range(classes)]
    machines = [machine(rows, new, truth[:, [c]], weights[c], settings) for c in range(classes)]
    judged, outputs = (np.concatenate(columns, axis=1) for columns in zip(*machines))
    scales = np.array([_sigmoid_calibration(judged[:, c], truth[:, c], weights[c]) for c in range(classes)])
    # scikit-learn's probability is 1 / (1 + exp(a * output + b)).
    logits = -(scales[:, 0] * judged + scales[:, 1])
    each = np.logaddexp(0, logits) - truth * logits
    loss = np.mean([(weights[c] * each[:, c]).sum() / weights[c].sum() for c in range(classes)])
    accuracy = (counts * truth[np.arange(clips), logits.argmax(1)]).sum() / counts.sum()
    of_new = -(scales[:, 0] * outputs + scales[:, 1])
    return written(settings, "multi_label", rows, truth, counts, new, loss, accuracy, of_new, class_weight)


def main():
    cases = [
        single_label(1, 40, 6, 3, {"alpha": 0.03, "gamma": 0.7}, False),
        single_label(2, 30, 12, 5, {"alpha": 0.5, "gamma": 2.0}, True),
        single_label(3, 50, 2, 2, {"alpha": 0.1, "gamma": 0.3}, True),
        multi_label(4, 60, 5, 4, {"alpha": 0.3, "gamma": 0.7}, False),
        multi_label(5, 80, 8, 6, {"alpha": 0.1, "gamma": 0.5}, True),
        single_label(6, 40, 6, 3, {"alpha": 0.1, "gamma": 0.7}, True, "balanced"),
        single_label(7, 40, 6, 4, {"alpha": 0.1, "gamma": 0.7}, False, {0: 3.0, 2: 0.25}),
        multi_label(8, 50, 5, 4, {"alpha": 0.3, "gamma": 0.7}, True, "balanced"),
        multi_label(9, 50, 5, 5, {"alpha": 0.3, "gamma": 0.7}, True, {1: 3.0, 4: 0.25}),
    ]
    (HERE / "cases.json").write_text(json.dumps(cases) + "\n")
    versions = {m.__name__: m.__version__ for m in (np, scipy, sklearn)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
