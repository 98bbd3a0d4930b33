"""Logistic regression by scikit-learn: multinomial, and of each class against all others.

A weight of a class is scikit-learn's `class_weight`: of the class, or of those that have it. In the
case of several classes, `"balanced"` is scikit-learn's, divided by the weight of those that do not
have the class.

Run: python golden/linear/make.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.special
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

HERE = Path(__file__).parent


def fitted(rows, truth, counts, c, class_weight):
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000, class_weight=class_weight)
    return model.fit(rows, truth, sample_weight=counts)


def of_answers(class_weight, truth, counts, k):
    """The weights of 0 and 1, the two answers for class k."""
    if class_weight == "balanced":
        answers = compute_class_weight("balanced", classes=np.arange(2), y=truth[:, k], sample_weight=counts)
        return {0: 1.0, 1: answers[1] / answers[0]}
    return {0: 1.0, 1: (class_weight or {}).get(k, 1.0)}


def case(seed, clips, features, classes, c, counted, multi_label, class_weight=None):
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=int)[np.concatenate([np.arange(classes), rng.integers(0, classes, clips - classes)])]
    if multi_label:
        truth |= (rng.random(truth.shape) < 0.2).astype(int)
        truth[rng.integers(classes, clips, 3)] = 0
    rows = truth @ rng.normal(size=(classes, features)) + rng.normal(size=(clips, features))
    rows = np.float32((rows - rows.mean(0)) / rows.std(0)).astype(np.float64)
    counts = rng.choice([1.0, 0.5], clips) if counted else np.ones(clips)
    if multi_label:
        answers = [of_answers(class_weight, truth, counts, k) for k in range(classes)]
        models = [fitted(rows, truth[:, k], counts, c, answers[k]) for k in range(classes)]
        weights = np.stack([np.where(truth[:, k] == 1, answers[k][1], 1.0) for k in range(classes)], axis=1)
        coefficients = np.concatenate([model.coef_ for model in models])
        intercepts = np.concatenate([model.intercept_ for model in models])
    else:
        labels = truth.argmax(1)
        of_class = class_weight
        if class_weight == "balanced":
            # What LogisticRegression does with it.
            of_class = compute_class_weight(class_weight, classes=np.arange(classes), y=labels, sample_weight=counts)
            of_class = dict(enumerate(of_class))
        weights = np.array([(of_class or {}).get(label, 1.0) for label in labels])[:, None]
        model = fitted(rows, labels, counts, c, class_weight)
        coefficients, intercepts = model.coef_, model.intercept_
    logits = rows @ coefficients.T + intercepts
    if multi_label:
        losses = -scipy.special.log_expit(np.where(truth == 1, logits, -logits))
    else:
        losses = -(scipy.special.log_softmax(logits, axis=1) * truth).sum(1, keepdims=True)
    weights = weights * counts[:, None]
    right = truth[np.arange(clips), logits.argmax(1)]
    setting = {} if class_weight is None else {"class_weight": class_weight}
    return setting | {
        "task": "multi_label" if multi_label else "single_label",
        "c": c,
        "classes": classes,
        "rows": rows.tolist(),
        "labels": [np.flatnonzero(row).tolist() for row in truth],
        "counts": counts.tolist(),
        "coefficients": coefficients.tolist(),
        "intercepts": intercepts.tolist(),
        "loss": (weights * losses).sum() / weights.sum(),
        "accuracy": (counts * right).sum() / counts.sum(),
    }


def main():
    cases = [
        case(1, 30, 5, 3, 1.0, False, False),
        case(2, 40, 8, 4, 0.01, True, False),
        case(3, 25, 30, 3, 100.0, False, False),
        case(4, 40, 6, 3, 1.0, True, True),
        case(5, 30, 12, 4, 0.05, False, True),
        case(6, 40, 6, 4, 0.5, True, False, "balanced"),
        case(7, 40, 6, 4, 0.5, True, False, {0: 3.0, 2: 0.25}),
        case(8, 40, 6, 3, 0.5, True, True, "balanced"),
        case(9, 40, 6, 4, 0.5, True, True, {1: 3.0, 2: 0.25}),
    ]
    (HERE / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    versions = {module.__name__: module.__version__ for module in (np, scipy, sklearn)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
