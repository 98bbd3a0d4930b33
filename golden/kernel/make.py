"""Kernel ridge regression by scikit-learn, with leave-one-out predictions.

Run: python golden/kernel/make.py

The rows have mean 0 and standard deviation 1. The leave-one-out prediction of a row comes from a
`KernelRidge` that was fitted without it. The factor that turns outputs into logits minimizes the
cross-entropy of these predictions, and is found by scipy.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import scipy.optimize
import scipy.special
import sklearn
from sklearn.kernel_ridge import KernelRidge

HERE = Path(__file__).parent


def case(seed, clips, features, classes, settings, counted):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, clips - classes)])
    centres = rng.normal(size=(classes, features))
    rows = centres[labels] + rng.normal(size=(clips, features))
    rows = np.float32((rows - rows.mean(0)) / rows.std(0)).astype(np.float64)
    new = np.float32(centres[rng.integers(0, classes, 7)] + rng.normal(size=(7, features))).astype(np.float64)
    counts = rng.choice([1.0, 0.5], clips) if counted else np.ones(clips)
    truth = np.eye(classes)[labels]
    # The class shares are those of all rows, even when one is held out.
    shares = (truth * counts[:, None]).sum(0) / counts.sum()

    def outputs(of, to):
        model = KernelRidge(alpha=settings["alpha"], kernel="rbf", gamma=settings["gamma"] / features)
        model.fit(rows[of], (truth - shares)[of], sample_weight=counts[of])
        return shares + model.predict(to)

    others = ~np.eye(clips, dtype=bool)
    judged = np.concatenate([outputs(others[clip], rows[clip : clip + 1]) for clip in range(clips)])

    def loss(logarithm):
        logits = scipy.special.log_softmax(np.exp(logarithm) * judged, axis=1)
        return -(counts * logits[np.arange(clips), labels]).sum() / counts.sum()

    best = scipy.optimize.minimize_scalar(loss, bounds=np.log([0.1, 1000]), method="bounded", options={"xatol": 1e-9})
    accuracy = (counts * (judged.argmax(1) == labels)).sum() / counts.sum()
    logits = np.exp(best.x) * outputs(np.ones(clips, dtype=bool), new)
    return {
        "settings": settings,
        "classes": classes,
        "rows": rows.tolist(),
        "labels": labels.tolist(),
        "counts": counts.tolist(),
        "new": new.tolist(),
        "loss": best.fun,
        "accuracy": accuracy,
        "logits": logits.tolist(),
    }


def main():
    cases = [
        case(1, 40, 6, 3, {"alpha": 0.03, "gamma": 0.7}, False),
        case(2, 30, 12, 5, {"alpha": 0.5, "gamma": 2.0}, True),
        case(3, 50, 2, 2, {"alpha": 0.1, "gamma": 0.3}, True),
    ]
    (HERE / "cases.json").write_text(json.dumps(cases) + "\n")
    versions = {m.__name__: m.__version__ for m in (np, scipy, sklearn)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
