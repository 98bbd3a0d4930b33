"""Logistic regression by scikit-learn: multinomial, and of each class against all others.

Run: python golden/linear/make.py
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.special
import sklearn
from sklearn.linear_model import LogisticRegression

HERE = Path(__file__).parent


def fitted(rows, truth, counts, c):
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000)
    return model.fit(rows, truth, sample_weight=counts)


def case(seed, clips, features, classes, c, counted, multi_label):
    rng = np.random.default_rng(seed)
    truth = np.eye(classes, dtype=int)[np.concatenate([np.arange(classes), rng.integers(0, classes, clips - classes)])]
    if multi_label:
        truth |= (rng.random(truth.shape) < 0.2).astype(int)
        truth[rng.integers(classes, clips, 3)] = 0
    rows = truth @ rng.normal(size=(classes, features)) + rng.normal(size=(clips, features))
    rows = np.float32((rows - rows.mean(0)) / rows.std(0)).astype(np.float64)
    counts = rng.choice([1.0, 0.5], clips) if counted else np.ones(clips)
    if multi_label:
        models = [fitted(rows, truth[:, k], counts, c) for k in range(classes)]
        coefficients = np.concatenate([model.coef_ for model in models])
        intercepts = np.concatenate([model.intercept_ for model in models])
    else:
        model = fitted(rows, truth.argmax(1), counts, c)
        coefficients, intercepts = model.coef_, model.intercept_
    logits = rows @ coefficients.T + intercepts
    if multi_label:
        losses = -scipy.special.log_expit(np.where(truth == 1, logits, -logits)).mean(1)
    else:
        losses = -(scipy.special.log_softmax(logits, axis=1) * truth).sum(1)
    right = truth[np.arange(clips), logits.argmax(1)]
    return {
        "task": "multi_label" if multi_label else "single_label",
        "c": c,
        "classes": classes,
        "rows": rows.tolist(),
        "labels": [np.flatnonzero(row).tolist() for row in truth],
        "counts": counts.tolist(),
        "coefficients": coefficients.tolist(),
        "intercepts": intercepts.tolist(),
        "loss": (counts * losses).sum() / counts.sum(),
        "accuracy": (counts * right).sum() / counts.sum(),
    }


def main():
    cases = [
        case(1, 30, 5, 3, 1.0, False, False),
        case(2, 40, 8, 4, 0.01, True, False),
        case(3, 25, 30, 3, 100.0, False, False),
        case(4, 40, 6, 3, 1.0, True, True),
        case(5, 30, 12, 4, 0.05, False, True),
    ]
    (HERE / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    versions = {module.__name__: module.__version__ for module in (np, scipy, sklearn)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
