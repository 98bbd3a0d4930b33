"""`kind = "auto"` by NumPy, SciPy, scikit-learn and xgboost: ensemble selection, the rule of one
standard error, and the nested cross-validation of all candidates. multi_label.py has the values for
clips that may have several labels.

Run: python golden/choice/make.py
"""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import scipy
import sklearn
import xgboost as xgb
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import sem
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
MEMBERS = 100


def rows_of(array):
    return [[float(v) for v in row] for row in array]


def log_loss(p, labels):
    return -np.log(np.clip(p[np.arange(len(labels)), labels], 1e-12, None))


def selection(learners, labels, weights, loss_of=log_loss):
    """Ensemble selection with replacement and sorted initialization (Caruana et al. 2004)."""

    def loss(members):
        return np.average(loss_of(np.mean([learners[i] for i in members], axis=0), labels), weights=weights)

    ordered = sorted(range(len(learners)), key=lambda i: loss([i]))
    starts = [ordered[:size] for size in range(1, len(learners) + 1)]
    members = list(min(starts, key=loss))
    path = [members]
    while len(members) < MEMBERS:
        members = members + [min(range(len(learners)), key=lambda i: loss(members + [i]))]
        path.append(members)
    return np.bincount(min(path, key=loss), minlength=len(learners)) / len(min(path, key=loss))


def verdict(losses, complexities, weights, chance):
    """The best candidate, the chosen one, and the differences with their standard errors.

    `chance` is the loss of a clip that is predicted by chance."""
    best = int(np.argmin([np.average(of, weights=weights) for of in losses]))
    differences = []
    for of in losses:
        counted = weights > 0
        d, w = (of - losses[best])[counted], weights[counted]
        mean = np.average(d, weights=w)
        effective = w.sum() ** 2 / (w**2).sum()
        error = np.sqrt((w**2 * (d - mean) ** 2).sum() / w.sum() ** 2 * effective / (effective - 1))
        if np.ptp(w) == 0:
            assert np.isclose(error, sem(d)), (error, sem(d))
        differences.append((float(mean), float(error)))
    one_more = chance / (weights.sum() + 1)
    near = [i for i, (mean, error) in enumerate(differences) if mean <= max(error, one_more)]
    simplest = min(complexities[i] for i in near)
    near = [i for i in near if complexities[i] == simplest]
    return best, min(near, key=lambda i: differences[i][0]), differences


def temper(probabilities, labels, weights, kept):
    """The margins times the factor that minimizes the loss of the rows `kept`, with smoothed labels."""
    classes, w = probabilities.shape[1], weights[kept].astype(np.float64)
    margins, doubt = np.log(np.clip(probabilities, 1e-12, None)), 1 / (w.sum() + 1)
    target = (1 - doubt) * np.eye(classes)[labels[kept]] + doubt / classes

    def loss(logarithm):
        return -(w * (target * log_softmax(np.exp(logarithm) * margins[kept], axis=1)).sum(axis=1)).sum()

    found = minimize_scalar(loss, bounds=np.log([0.01, 100]), method="bounded", options={"xatol": 1e-10})
    return margins * np.exp(found.x)


def draw(rng, rows, classes, noise):
    """Probabilities of a learner, with rounded margins."""
    labels = np.arange(rows) % classes
    margins = rng.normal(size=(rows, classes)) * noise + 1.5 * np.eye(classes)[labels]
    return softmax(margins.round(2), axis=1).astype(np.float32)


def weighted_means():
    cases = []
    for seed, noises in [(1, [1.0, 1.0, 1.6, 3.0]), (2, [0.9, 2.5]), (3, [1.2, 1.3, 1.25])]:
        rng = np.random.default_rng(seed)
        learners = [draw(rng, 90, 3, noise) for noise in noises]
        labels, weights = np.arange(90) % 3, rng.choice([0.0, 0.5, 1.0], 90).astype(np.float32)
        found = selection([p.astype(np.float64) for p in learners], labels, weights)
        cases.append({
            "x": rows_of(np.hstack(learners)), "labels": labels.tolist(), "weights": weights.tolist(),
            "expected": found.tolist(),
        })
    return cases


def verdicts():
    rng, cases = np.random.default_rng(4), []
    for spread, weighted in [(0.02, False), (0.2, False), (0.2, True), (1.0, False), (0.4, True)]:
        losses = rng.random(60) + rng.normal(size=(5, 60)) * spread + np.array([0.09, 0.05, 0.05, 0.03, 0.0])[:, None]
        weights = rng.choice([0.0, 0.3, 1.0], 60) if weighted else np.ones(60)
        # The numbers are those that JSON and 32 bits hold.
        weights, complexities = weights.astype(np.float32).astype(np.float64), [0, 1, 1, 2, 3]
        chance = [0.1, 2.0][len(cases) % 2]
        best, chosen, differences = verdict(losses, complexities, weights, chance)
        cases.append({
            "losses": rows_of(losses), "complexities": complexities, "weights": weights.tolist(),
            "chance": chance, "best": best, "chosen": chosen, "differences": differences,
        })
    assert len({case["chosen"] for case in cases}) > 2
    return cases


def nested(seed, rows, classes, noises, rounds):
    """The whole choice: for each fold, on the other folds alone, and once on all of them."""
    rng = np.random.default_rng(seed)
    labels, folds = np.arange(rows) % classes, rng.integers(0, 4, rows)
    learners = [draw(rng, rows, classes, noise) for noise in noises]
    statistics = (rng.normal(size=(rows, 2)) + labels[:, None]).astype(np.float32)
    weights = rng.choice([0.4, 1.0], rows).astype(np.float32)
    p, everything = np.hstack(learners), np.hstack([*learners, statistics])
    wide = [one.astype(np.float64) for one in learners]
    geometric = softmax(np.mean([np.log(np.clip(one, 1e-12, None)) for one in wide], axis=0), axis=1)

    def fixed(values):
        return lambda learned, asked: values[asked]

    def weighted(learned, asked):
        found = selection([one[learned] for one in wide], labels[learned], weights[learned])
        return np.tensordot(found, [one[asked] for one in wide], axes=1)

    def best(count):
        def fit(learned, asked):
            def loss(one):
                margins = temper(one, labels, weights, learned)
                return (weights * log_loss(softmax(margins, axis=1), labels))[learned].sum()

            return np.mean([one[asked] for one in sorted(wide, key=loss)[:count]], axis=0)

        return fit

    def logistic(c):
        def fit(learned, asked):
            x, w = p.astype(np.float64), weights[learned].astype(np.float64)
            scaler = StandardScaler().fit(x[learned], sample_weight=w)
            model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000)
            model.fit(scaler.transform(x[learned]), labels[learned], sample_weight=w)
            return model.predict_proba(scaler.transform(x[asked]))

        return fit

    def trees(x):
        def fit(learned, asked):
            parameters = {"objective": "multi:softprob", "num_class": classes, "max_depth": 2, "nthread": 1}
            matrix = xgb.DMatrix(x[learned], labels[learned], weight=weights[learned])
            return xgb.train(parameters, matrix, rounds).predict(xgb.DMatrix(x[asked]))

        return fit

    candidates = [("arithmetic mean", 0, fixed(np.mean(wide, axis=0))), ("geometric mean", 0, fixed(geometric))]
    candidates += [(f"learner{i}", 1, fixed(one)) for i, one in enumerate(wide)]
    candidates += [(f"mean of the best {n}", 1, best(n)) for n in range(2, len(wide))]
    candidates += [("weighted mean", 2, weighted)]
    candidates += [(f"logistic regression, c = {c}", 3, logistic(c)) for c in (0.001, 0.01, 0.1, 1)]
    candidates += [("XGBoost", 4, trees(p)), ("XGBoost with MFCC statistics", 5, trees(everything))]

    def held_out(fit, without):
        """Each row of the other folds by a fit without its own fold and `without`."""
        predicted = np.full((rows, classes), 1 / classes)
        for fold in set(range(4)) - without:
            predicted[folds == fold] = fit(~np.isin(folds, [fold, *without]), folds == fold)
        return predicted

    def choose(without):
        kept = ~np.isin(folds, list(without))
        tempered = [temper(held_out(fit, without), labels, weights, kept) for _, _, fit in candidates]
        losses = [log_loss(softmax(margins, axis=1), labels) for margins in tempered]
        inside = np.where(kept, weights, 0).astype(np.float64)
        best, chosen, differences = verdict(losses, [complexity for _, complexity, _ in candidates], inside, np.log(classes))
        return best, chosen, differences, losses

    predicted, of_folds = np.zeros((rows, classes)), []
    for fold in range(4):
        best, chosen, _, _ = choose({fold})
        _, _, fit = candidates[chosen]
        of_folds.append({"fold": fold, "chosen": candidates[chosen][0], "best": candidates[best][0]})
        inner, own = held_out(fit, {fold}), folds == fold
        inner[own] = fit(~own, own)
        predicted[own] = softmax(temper(inner, labels, weights, ~own), axis=1)[own]
    best, chosen, differences, losses = choose(set())
    return {
        "settings": {"kind": "auto", "rounds": rounds, "max_depth": 2},
        "learners": [rows_of(one) for one in learners],
        "statistics": rows_of(statistics),
        "labels": labels.tolist(),
        "folds": folds.tolist(),
        "weights": weights.tolist(),
        "chosen": candidates[chosen][0],
        "of_folds": of_folds,
        "candidates": [
            {"name": name, "loss": float(np.average(loss, weights=weights)), "difference": difference}
            for (name, _, _), loss, difference in zip(candidates, losses, differences)
        ],
        "out_of_fold": rows_of(predicted),
    }


def save(name, content):
    (HERE / f"{name}.json").write_text(json.dumps(content) + "\n")


def main():
    save("weighted_means", weighted_means())
    save("verdicts", verdicts())
    # The learners differ much in one case, hardly in another; two, or one, are useless in the last.
    cases = [nested(5, 120, 3, [0.8, 2.5], 8), nested(6, 100, 4, [1.1, 1.2, 1.3], 8)]
    cases += [nested(7, 150, 3, [1.4, 9.0, 9.0], 8), nested(8, 160, 3, [1.2, 1.2, 9.0], 8)]
    for case in cases:
        print(case["chosen"], [(fold["chosen"], fold["best"]) for fold in case["of_folds"]])
    save("nested", cases)
    # It imports this file.
    import multi_label

    multi_label.main()
    versions = {"xgboost": xgb.__version__, "scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
    save("versions", versions)


if __name__ == "__main__":
    main()
