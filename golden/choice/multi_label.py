"""`kind = "auto"` for clips that may have several labels, by NumPy, SciPy, scikit-learn and xgboost:
ensemble selection, and the nested cross-validation of all candidates. The rule of one standard
error is that of make.py.

make.py runs it.
"""

import numpy as np
import xgboost as xgb
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score
from sklearn.preprocessing import StandardScaler

from make import rows_of, save, selection, verdict


def cross_entropy(p, truth):
    """The mean over classes for each clip."""
    own = np.where(truth, p, 1 - p)
    return -np.log(np.clip(own, 1e-12, None)).mean(axis=1)


def margins_of(p):
    p = p.astype(np.float64)
    return np.log(np.clip(p, 1e-12, None)) - np.log(np.clip(1 - p, 1e-12, None))


def temper(probabilities, truth, weights, kept):
    """The margins times the factor that minimizes the loss of the rows `kept`, with smoothed labels."""
    w = weights[kept].astype(np.float64)
    margins, doubt = margins_of(probabilities), 1 / (w.sum() + 1)
    target = (1 - doubt) * truth[kept] + doubt / 2

    def loss(logarithm):
        at = np.exp(logarithm) * margins[kept]
        return (w[:, None] * (np.logaddexp(0, at) - target * at)).sum()

    found = minimize_scalar(loss, bounds=np.log([0.01, 100]), method="bounded", options={"xatol": 1e-10})
    return margins * np.exp(found.x)


def draw(rng, truth, noise):
    """Probabilities of a learner, with rounded margins."""
    margins = rng.normal(size=truth.shape) * noise + 2.5 * truth - 1.5
    return expit(margins.round(2)).astype(np.float32)


def labels(rng, rows, classes):
    truth = rng.random((rows, classes)) < 0.25
    truth[np.arange(rows), np.arange(rows) % classes] = True
    return truth


def sets(truth):
    return [np.flatnonzero(row).tolist() for row in truth]


def weighted_means():
    cases = []
    # More classes than factors of one logarithm, and a learner that is sure and wrong.
    for seed, classes, noises in [(1, 3, [1.0, 1.0, 1.6, 3.0]), (2, 30, [0.9, 2.5]), (3, 5, [1.2, 1.3, 40.0])]:
        rng = np.random.default_rng(seed)
        truth = labels(rng, 90, classes)
        learners = [draw(rng, truth, noise) for noise in noises]
        weights = rng.choice([0.0, 0.5, 1.0], 90).astype(np.float32)
        found = selection([p.astype(np.float64) for p in learners], truth, weights, cross_entropy)
        cases.append({
            "classes": classes, "x": rows_of(np.hstack(learners)), "labels": sets(truth), "weights": weights.tolist(),
            "expected": found.tolist(),
        })
    return cases


def nested(seed, rows, classes, noises, rounds):
    """The whole choice: for each fold, on the other folds alone, and once on all of them."""
    rng = np.random.default_rng(seed)
    truth, folds = labels(rng, rows, classes), rng.integers(0, 4, rows)
    learners = [draw(rng, truth, noise) for noise in noises]
    statistics = (rng.normal(size=(rows, 2)) + truth[:, :2]).astype(np.float32)
    weights = rng.choice([0.4, 1.0], rows).astype(np.float32)
    p, everything = np.hstack(learners), np.hstack([*learners, statistics])
    wide = [one.astype(np.float64) for one in learners]
    geometric = expit(np.mean([margins_of(one) for one in learners], axis=0))

    def fixed(values):
        return lambda learned, asked: values[asked]

    def weighted(learned, asked):
        found = selection([one[learned] for one in wide], truth[learned], weights[learned], cross_entropy)
        return np.tensordot(found, [one[asked] for one in wide], axes=1)

    def best(count):
        def fit(learned, asked):
            def loss(one):
                margins = temper(one, truth, weights, learned)
                return (weights * cross_entropy(expit(margins), truth))[learned].sum()

            return np.mean([one[asked] for one in sorted(wide, key=loss)[:count]], axis=0)

        return fit

    def logistic(c):
        def fit(learned, asked):
            x, w = p.astype(np.float64), weights[learned].astype(np.float64)
            scaler = StandardScaler().fit(x[learned], sample_weight=w)
            predicted = []
            for label in truth.T:
                model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000)
                model.fit(scaler.transform(x[learned]), label[learned], sample_weight=w)
                predicted.append(model.predict_proba(scaler.transform(x[asked]))[:, 1])
            return np.array(predicted).T

        return fit

    def trees(x):
        def fit(learned, asked):
            parameters = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
            predicted = []
            for label in truth.T:
                matrix = xgb.DMatrix(x[learned], label[learned], weight=weights[learned])
                predicted.append(xgb.train(parameters, matrix, rounds).predict(xgb.DMatrix(x[asked])))
            return np.array(predicted).T

        return fit

    candidates = [("arithmetic mean", 0, fixed(np.mean(wide, axis=0))), ("geometric mean", 0, fixed(geometric))]
    candidates += [(f"learner{i}", 1, fixed(one)) for i, one in enumerate(wide)]
    candidates += [(f"mean of the best {n}", 1, best(n)) for n in range(2, len(wide))]
    candidates += [("weighted mean", 2, weighted)]
    candidates += [(f"logistic regression, c = {c}", 3, logistic(c)) for c in (0.001, 0.01, 0.1, 1)]
    candidates += [("XGBoost", 4, trees(p)), ("XGBoost with MFCC statistics", 5, trees(everything))]

    def held_out(fit, without):
        """Each row of the other folds by a fit without its own fold and `without`."""
        predicted = np.full((rows, classes), 0.5)
        for fold in set(range(4)) - without:
            predicted[folds == fold] = fit(~np.isin(folds, [fold, *without]), folds == fold)
        return predicted

    def choose(without):
        kept = ~np.isin(folds, list(without))
        plain = [held_out(fit, without) for _, _, fit in candidates]
        losses = [cross_entropy(expit(temper(p, truth, weights, kept)), truth) for p in plain]
        inside = np.where(kept, weights, 0).astype(np.float64)
        best, chosen, differences = verdict(losses, [complexity for _, complexity, _ in candidates], inside, np.log(2))
        return best, chosen, differences, losses, plain

    predicted, of_folds = np.zeros((rows, classes)), []
    for fold in range(4):
        best, chosen, *_ = choose({fold})
        _, _, fit = candidates[chosen]
        of_folds.append({"fold": fold, "chosen": candidates[chosen][0], "best": candidates[best][0]})
        inner, own = held_out(fit, {fold}), folds == fold
        inner[own] = fit(~own, own)
        predicted[own] = expit(temper(inner, truth, weights, ~own))[own]
    best, chosen, differences, losses, plain = choose(set())

    # Earmark's tables have 32 bits.
    plain = [p.astype(np.float32) for p in plain]

    def lwlrap(p):
        """FSDKaggle2019's measure, by scikit-learn: clips weigh as many as they have labels."""
        return label_ranking_average_precision_score(truth, p, sample_weight=truth.sum(axis=1))

    return {
        "settings": {"kind": "auto", "rounds": rounds, "max_depth": 2},
        "learners": [rows_of(one) for one in learners],
        "statistics": rows_of(statistics),
        "labels": sets(truth),
        "folds": folds.tolist(),
        "weights": weights.tolist(),
        "chosen": candidates[chosen][0],
        "of_folds": of_folds,
        "candidates": [
            {
                "name": name, "loss": float(np.average(loss, weights=weights)), "difference": difference,
                "macro_average_precision": average_precision_score(truth, p), "lwlrap": lwlrap(p),
            }
            for (name, _, _), loss, difference, p in zip(candidates, losses, differences, plain)
        ],
        "out_of_fold": rows_of(predicted),
    }


def main():
    save("multi_label_weighted_means", weighted_means())
    # The learners differ much in one case, hardly in another; two, or one, are useless in the last.
    cases = [nested(5, 120, 3, [0.9, 3.0], 8), nested(6, 100, 4, [1.1, 1.2, 1.3], 8)]
    cases += [nested(7, 200, 4, [1.4, 9.0, 9.0], 8), nested(8, 160, 3, [1.2, 1.2, 9.0], 8)]
    for case in cases:
        print(case["chosen"], [(fold["chosen"], fold["best"]) for fold in case["of_folds"]])
    save("multi_label_nested", cases)
