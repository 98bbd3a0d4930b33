"""Level 2 of clips that may have several labels: a logistic regression of each class against all
others by scikit-learn, with temperature scaling by SciPy, and a booster of each class by xgboost,
with early stopping.

Run: python golden/one_vs_rest/make.py
The logistic regressions are in cases.json and calibrated.json. Each booster is a folder with
booster.json as `save_model` writes it, and case.json with the rest; early_stopping.json has boosters
out of fold.
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import xgboost as xgb
from scipy.optimize import minimize_scalar
from scipy.special import expit
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


def drawn(rng, rows, features, classes):
    """Labels, and features that depend on them. Rounding produces values equal to a threshold."""
    truth = rng.random((rows, classes)) < 0.3
    truth[np.arange(rows), np.arange(rows) % classes] |= classes > 1
    x = rng.normal(size=(rows, features)) + 1.5 * truth[:, np.arange(features) % classes]
    return truth, x.round(1).astype(np.float32)


def sets(truth):
    return [np.flatnonzero(row).tolist() for row in truth]


def rows_of(array):
    return [[float(value) for value in row] for row in array]


def parameters_of(settings):
    own = {key: value for key, value in settings.items() if key != "rounds"}
    return own | {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1}


def booster(name, seed, rows, features, classes, settings, missing=0.0):
    """A booster with a target for each class. Unless rows or columns are drawn, it is the same as one
    booster for each class."""
    rng = np.random.default_rng(seed)
    truth, x = drawn(rng, rows, features, classes)
    x[rng.random(x.shape) < missing] = np.nan
    weights = rng.choice([0.0, 0.5, 1.0], rows).astype(np.float32)
    parameters = parameters_of(settings)
    model = xgb.train(parameters, xgb.DMatrix(x, truth.astype(np.float32), weight=weights), settings["rounds"])
    probabilities = model.predict(xgb.DMatrix(x)).reshape(rows, classes)
    if "subsample" not in settings:
        for label, predicted in zip(truth.T, probabilities.T):
            alone = xgb.train(parameters, xgb.DMatrix(x, label, weight=weights), settings["rounds"])
            assert (alone.predict(xgb.DMatrix(x)) == predicted).all()
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    model.save_model(folder / "booster.json")
    content = {
        "classes": classes,
        "features": features,
        "settings": settings,
        "x": [[None if np.isnan(v) else float(v) for v in row] for row in x],
        "labels": sets(truth),
        "weights": weights.tolist(),
        "probabilities": rows_of(probabilities),
        # Features without a split are missing here.
        "scores": {kind: model.get_score(importance_type=kind) for kind in ("gain", "weight", "cover")},
    }
    (folder / "case.json").write_text(json.dumps(content) + "\n")


def early_stopping(seed, rows, features, classes, stop, settings):
    """For each fold, trees of the other folds, with the mean of the best numbers of rounds when each
    of the other folds is held out in turn; the loss is the mean over classes."""
    rng = np.random.default_rng(seed)
    truth, x = drawn(rng, rows, features, classes)
    folds = rng.integers(0, 4, rows)
    weights = rng.choice([0.4, 1.0], rows).astype(np.float32)
    parameters = parameters_of(settings)

    def matrix(wanted):
        return xgb.DMatrix(x[wanted], truth[wanted].astype(np.float32), weight=weights[wanted])

    def best(learned, held_out):
        evals, result = [(matrix(held_out), "held_out")], {}
        options = {"evals": evals, "early_stopping_rounds": stop, "verbose_eval": False, "evals_result": result}
        model = xgb.train(parameters, matrix(learned), settings["rounds"], **options)
        p, own = model.predict(matrix(held_out)).astype(np.float64), truth[held_out]
        mean = -np.average(np.log(np.where(own, p, 1 - p)).mean(axis=1), weights=weights[held_out])
        assert np.isclose(mean, result["held_out"]["logloss"][-1], rtol=1e-5)
        return model.best_iteration + 1

    predicted, rounds = np.zeros((rows, classes)), []
    for fold in range(4):
        rest = folds != fold
        inner = [best(rest & (folds != other), folds == other) for other in range(4) if other != fold]
        rounds.append(inner)
        predicted[~rest] = xgb.train(parameters, matrix(rest), int(np.mean(inner) + 0.5)).predict(matrix(~rest))
    assert all(1 < r < settings["rounds"] for inner in rounds for r in inner), rounds
    return {
        "settings": settings | {"early_stopping_rounds": stop},
        "x": rows_of(x),
        "labels": sets(truth),
        "folds": folds.tolist(),
        "weights": weights.tolist(),
        "best_rounds": rounds,
        "out_of_fold": rows_of(predicted),
    }


def calibrated(seed, rows, features, classes, c):
    """For each fold, models of the other folds, with the margins of all classes multiplied by the
    factor that minimizes the loss when each of these is held out in turn. Labels are smoothed by
    1 / (n + 1)."""
    rng = np.random.default_rng(seed)
    truth, x = drawn(rng, rows, features, classes)
    folds = rng.integers(0, 4, rows)
    weights = rng.choice([0.0, 0.4, 1.0], rows).astype(np.float32)

    def margins(learned, asked):
        scaler = StandardScaler().fit(x[learned].astype(np.float64), sample_weight=weights[learned])
        scaled, predicted = scaler.transform(x[learned].astype(np.float64)), []
        for label in truth.T:
            model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000)
            model.fit(scaled, label[learned], sample_weight=weights[learned])
            predicted.append(model.decision_function(scaler.transform(x[asked].astype(np.float64))))
        return np.array(predicted).T

    predicted, factors = np.zeros((rows, classes)), []
    for fold in range(4):
        rest = folds != fold
        held_out = np.zeros((rows, classes))
        for other in set(range(4)) - {fold}:
            held_out[folds == other] = margins(rest & (folds != other), folds == other)
        doubt = 1 / (weights[rest].sum() + 1)
        target = (1 - doubt) * truth[rest] + doubt / 2

        def loss(logarithm):
            at = np.exp(logarithm) * held_out[rest]
            return (weights[rest][:, None] * (np.logaddexp(0, at) - target * at)).sum()

        found = minimize_scalar(loss, bounds=np.log([0.01, 100]), method="bounded", options={"xatol": 1e-9})
        factors.append(float(np.exp(found.x)))
        predicted[~rest] = expit(factors[-1] * margins(rest, ~rest))
    return {
        "settings": {"kind": "logistic", "c": c, "temperature_scaling": True},
        "x": rows_of(x),
        "labels": sets(truth),
        "folds": folds.tolist(),
        "weights": weights.tolist(),
        "factors": factors,
        "out_of_fold": rows_of(predicted),
    }


def save(name, content):
    (HERE / f"{name}.json").write_text(json.dumps(content) + "\n")


booster("missing", 3, 150, 6, 4, {"rounds": 6, "max_depth": 3, "seed": 0}, missing=0.15)
# Two classes, which other programs take for a binary classifier; a high minimum child weight leaves
# some trees with only a root.
sampled = {"rounds": 8, "max_depth": 2, "eta": 0.2, "subsample": 0.7, "colsample_bytree": 0.5}
booster("two_classes", 4, 120, 4, 2, sampled | {"min_child_weight": 7, "lambda": 2, "seed": 7})
booster("one_class", 5, 80, 3, 1, {"rounds": 3, "max_depth": 3, "seed": 0})
stopped = {"rounds": 200, "max_depth": 2, "eta": 0.3, "subsample": 0.8, "min_child_weight": 2, "lambda": 1, "seed": 5}
save("early_stopping", early_stopping(6, 120, 5, 3, 6, stopped))
save("calibrated", calibrated(7, 120, 5, 3, 0.01))
cases = [case(1, 120, 4, 2, 1.0, False), case(2, 100, 6, 1, 5.0, True)]
save("cases", cases)
versions = {name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "scipy", "xgboost-cpu")}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
