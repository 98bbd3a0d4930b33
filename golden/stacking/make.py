"""Boosters by Python's xgboost and logistic regression by scikit-learn, with the rows they were
fitted on and their predictions; temperature scaling of the latter by SciPy.

Run: python golden/stacking/make.py
Each case of a booster is a folder with booster.json as `save_model` writes it, and case.json with
the rest. Missing numbers are null. The other cases are in early_stopping.json, logistic.json and
calibrated.json.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
import xgboost as xgb
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent


def rows_of(array):
    return [[float(v) for v in row] for row in array]


def case(name, seed, rows, features, classes, settings, missing=0.0, weighted=False, base_score=None):
    """`settings` has Earmark's own keys; `base_score` is one that Earmark's fit does not have."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    x = rng.normal(size=(rows, features)) + 0.8 * np.arange(features) * (labels[:, None] % 3 - 1)
    # Rounding produces values equal to a threshold, where `<` and `<=` differ.
    x = x.round(1).astype(np.float32)
    x[rng.random(x.shape) < missing] = np.nan
    weights = rng.choice([0.5, 1.0], rows).astype(np.float32) if weighted else np.ones(rows, np.float32)
    parameters = {key: value for key, value in settings.items() if key != "rounds"}
    parameters |= {"objective": "multi:softprob", "num_class": classes, "nthread": 1}
    if base_score is not None:
        parameters["base_score"] = base_score
    matrix = xgb.DMatrix(x, labels, weight=weights)
    booster = xgb.train(parameters, matrix, settings["rounds"])
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    booster.save_model(folder / "booster.json")
    content = {
        "classes": classes,
        "features": features,
        "settings": settings,
        "fit": base_score is None,
        "x": [[None if np.isnan(v) else float(v) for v in row] for row in x],
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "probabilities": rows_of(booster.predict(xgb.DMatrix(x))),
        # Features without a split are missing here.
        "scores": {kind: booster.get_score(importance_type=kind) for kind in ("gain", "weight", "cover")},
    }
    (folder / "case.json").write_text(json.dumps(content) + "\n")


case("missing", 1, 150, 6, 4, {"rounds": 6, "max_depth": 3, "seed": 0}, missing=0.15)
# A high minimum child weight leaves some trees with only a root.
case(
    "two_classes",
    2,
    120,
    4,
    2,
    {
        "rounds": 8,
        "max_depth": 2,
        "eta": 0.2,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "min_child_weight": 13,
        "lambda": 2,
        "seed": 7,
    },
    weighted=True,
)
case("base_score", 3, 80, 3, 3, {"rounds": 3, "max_depth": 3, "seed": 0}, missing=0.1, base_score=0.3)


def clips(rng, rows, features, classes, noise):
    labels = np.arange(rows) % classes
    x = rng.normal(size=(rows, features)) * noise + np.arange(features) * (labels[:, None] % 3 - 1)
    x[:, 0] += (labels == classes - 1) * 2
    return labels, x.astype(np.float32)


def early_stopping(seed, rows, features, classes, stop, settings):
    """Level 2 as Earmark fits it: for each fold, trees of the other folds, with the mean of the
    best numbers of rounds when each of the other folds is held out in turn."""
    rng = np.random.default_rng(seed)
    labels, x = clips(rng, rows, features, classes, 1.5)
    folds = rng.integers(0, 4, rows)
    weights = rng.choice([0.4, 1.0], rows).astype(np.float32)
    parameters = {key: value for key, value in settings.items() if key != "rounds"}
    parameters |= {"objective": "multi:softprob", "num_class": classes, "eval_metric": "mlogloss", "nthread": 1}

    def matrix(wanted):
        return xgb.DMatrix(x[wanted], labels[wanted], weight=weights[wanted])

    def best(learned, held_out):
        evals = [(matrix(held_out), "held_out")]
        options = {"evals": evals, "early_stopping_rounds": stop, "verbose_eval": False}
        return xgb.train(parameters, matrix(learned), settings["rounds"], **options).best_iteration + 1

    predicted, rounds = np.zeros((rows, classes)), []
    for fold in range(4):
        rest = folds != fold
        inner = [best(rest & (folds != other), folds == other) for other in range(4) if other != fold]
        rounds.append(inner)
        booster = xgb.train(parameters, matrix(rest), int(np.mean(inner) + 0.5))
        predicted[~rest] = booster.predict(matrix(~rest))
    assert all(1 < r < settings["rounds"] for inner in rounds for r in inner), rounds
    return {
        "settings": settings | {"early_stopping_rounds": stop},
        "x": rows_of(x),
        "labels": labels.tolist(),
        "folds": folds.tolist(),
        "weights": weights.tolist(),
        "best_rounds": rounds,
        "out_of_fold": rows_of(predicted),
    }


def logistic(seed, rows, features, classes, c, weighted):
    rng = np.random.default_rng(seed)
    labels, x = clips(rng, rows, features, classes, 2.0)
    x[:, -1] = 7.25  # never varies
    x[:, -2] = x[:, -2] * 0.01 + 400  # varies little, far from zero
    weights = rng.choice([0.0, 0.3, 1.0], rows).astype(np.float32) if weighted else np.ones(rows, np.float32)
    scaler = StandardScaler().fit(x.astype(np.float64), sample_weight=weights)
    # For two classes scikit-learn has one coefficient vector, with twice the penalty of two.
    inverse = c if classes > 2 else 2 * c
    model = LogisticRegression(C=inverse, tol=1e-12, max_iter=100_000)
    scaled = scaler.transform(x.astype(np.float64))
    model.fit(scaled, labels, sample_weight=weights)
    coefficients = model.coef_ if classes > 2 else np.concatenate([-model.coef_, model.coef_]) / 2
    return {
        "c": c,
        "x": rows_of(x),
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "coefficients": rows_of(coefficients),
        "probabilities": rows_of(model.predict_proba(scaled)),
    }


def calibrated(seed, rows, features, classes, c):
    """Level 2 as Earmark fits it with `temperature_scaling`: for each fold, a model of the other
    folds, with its margins multiplied by the factor that minimizes the loss when each of these is
    held out in turn. Labels are smoothed by 1 / (n + 1)."""
    rng = np.random.default_rng(seed)
    labels, x = clips(rng, rows, features, classes, 1.0)
    folds = rng.integers(0, 4, rows)
    weights = rng.choice([0.0, 0.4, 1.0], rows).astype(np.float32)

    def margins(learned, asked):
        scaler = StandardScaler().fit(x[learned].astype(np.float64), sample_weight=weights[learned])
        model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000)
        model.fit(scaler.transform(x[learned].astype(np.float64)), labels[learned], sample_weight=weights[learned])
        return model.decision_function(scaler.transform(x[asked].astype(np.float64)))

    predicted, factors = np.zeros((rows, classes)), []
    for fold in range(4):
        rest = folds != fold
        held_out = np.zeros((rows, classes))
        for other in set(range(4)) - {fold}:
            held_out[folds == other] = margins(rest & (folds != other), folds == other)

        doubt = 1 / (weights[rest].sum() + 1)
        target = (1 - doubt) * np.eye(classes)[labels[rest]] + doubt / classes

        def loss(logarithm):
            at = log_softmax(np.exp(logarithm) * held_out[rest], axis=1)
            return -(weights[rest] * (target * at).sum(axis=1)).sum()

        found = minimize_scalar(loss, bounds=np.log([0.01, 100]), method="bounded", options={"xatol": 1e-9})
        factors.append(float(np.exp(found.x)))
        predicted[~rest] = softmax(factors[-1] * margins(rest, ~rest), axis=1)
    return {
        "settings": {"kind": "logistic", "c": c, "temperature_scaling": True},
        "x": rows_of(x),
        "labels": labels.tolist(),
        "folds": folds.tolist(),
        "weights": weights.tolist(),
        "factors": factors,
        "out_of_fold": rows_of(predicted),
    }


settings = {"rounds": 200, "max_depth": 2, "eta": 0.3, "subsample": 0.8, "min_child_weight": 2, "lambda": 1, "seed": 5}
stopped = early_stopping(4, 120, 5, 3, 6, settings)
(HERE / "early_stopping.json").write_text(json.dumps(stopped) + "\n")
models = [logistic(5, 150, 6, 4, 1.0, False), logistic(6, 120, 5, 3, 20.0, True), logistic(7, 80, 4, 2, 0.3, True)]
(HERE / "logistic.json").write_text(json.dumps(models) + "\n")
(HERE / "calibrated.json").write_text(json.dumps(calibrated(8, 120, 5, 3, 0.01)) + "\n")
versions = {"xgboost": xgb.__version__, "scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
