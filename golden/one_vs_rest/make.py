"""Level 2 of clips that may have several labels: a logistic regression of each class against all
others, by scikit-learn, out of fold and fitted on all rows.

Run: python golden/one_vs_rest/make.py
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent


def case(seed, rows, classes, learners, c, weighted):
    rng = np.random.default_rng(seed)
    truth = rng.random((rows, classes)) < 0.3
    truth[np.arange(rows), rng.integers(0, classes, rows)] = True
    # The learners' probabilities: the truth with noise.
    logits = rng.normal(size=(rows, learners, classes)) * 1.5 + 2.0 * truth[:, None] - 1.0
    x = (1 / (1 + np.exp(-logits))).reshape(rows, -1).astype(np.float32)
    folds = rng.integers(0, 4, rows)
    weights = rng.choice([0.0, 0.4, 1.0], rows).astype(np.float32) if weighted else np.ones(rows, np.float32)

    def fitted(learned, asked):
        scaler = StandardScaler().fit(x[learned].astype(np.float64), sample_weight=weights[learned])
        scaled = scaler.transform(x[learned].astype(np.float64))
        predicted = []
        for label in truth.T:
            model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000)
            model.fit(scaled, label[learned], sample_weight=weights[learned])
            predicted.append(model.predict_proba(scaler.transform(x[asked].astype(np.float64)))[:, 1])
        return np.array(predicted).T

    everyone = np.ones(rows, dtype=bool)
    out_of_fold = np.zeros((rows, classes))
    for fold in range(4):
        out_of_fold[folds == fold] = fitted(folds != fold, folds == fold)
    return {
        "classes": classes,
        "c": c,
        "x": [[float(value) for value in row] for row in x],
        "truth": [np.flatnonzero(row).tolist() for row in truth],
        "folds": folds.tolist(),
        "weights": [float(weight) for weight in weights],
        "out_of_fold": out_of_fold.tolist(),
        "all": fitted(everyone, everyone).tolist(),
    }


cases = [case(1, 120, 4, 2, 1.0, False), case(2, 100, 6, 1, 5.0, True)]
(HERE / "cases.json").write_text(json.dumps(cases) + "\n")
versions = {name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn")}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
