"""Differences of the scores of two tables, of all clips and of each class, with percentile intervals
of the bootstrap: scores by scikit-learn, percentiles by numpy, Earmark's draws. make.py writes them
to paired.json.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, average_precision_score, recall_score

from multi_label import lwlrap, macro_ap
from resampling import Draws

HERE = Path(__file__).parent


def map_at_3(truth, p):
    ranks = [1 + list(np.argsort(-row, kind="stable")).index(label) for label, row in zip(truth.argmax(1), p)]
    return np.mean([1 / rank if rank <= 3 else 0 for rank in ranks])


def recall(truth, p, c):
    return recall_score(truth.argmax(1) == c, p.argmax(1) == c)


def statistics(classes, several):
    """The scores of all clips, then of each class; NaN for a class without clips."""
    of_class = {"average_precision": lambda truth, p, c: average_precision_score(truth[:, c], p[:, c])}
    of_all = {"macro_average_precision": macro_ap}
    if several:
        of_all["micro_average_precision"] = lambda truth, p: average_precision_score(truth.ravel(), p.ravel())
        of_all["lwlrap"] = lwlrap
    else:
        of_all = {
            "map_at_3": map_at_3,
            "accuracy": lambda truth, p: accuracy_score(truth.argmax(1), p.argmax(1)),
        } | of_all
        of_class = {"recall": recall} | of_class

    def of(name, c):
        score = of_class[name]
        return lambda truth, p: score(truth, p, c) if truth[:, c].any() else np.nan

    return of_all, [{name: of(name, c) for name in of_class} for c in range(classes)]


def case(name, seed, clips, classes, several, decimals=None, empty=(), resamples=40, level=0.9):
    rng = np.random.default_rng(seed)
    if several:
        truth = rng.random((clips, classes)) < 0.3
        truth[np.arange(clips), rng.integers(0, classes, clips)] = True
    else:
        truth = np.eye(classes, dtype=bool)[rng.choice(np.setdiff1d(np.arange(classes), empty), clips)]
    truth[:, list(empty)] = False

    def probabilities(sure):
        p = 1 / (1 + np.exp(-rng.normal(size=truth.shape) - sure * truth)).astype(np.float32)
        return p if decimals is None else p.round(decimals).astype(np.float32)

    a, b = probabilities(1.0), probabilities(1.5)
    drawn = Draws(seed * 7919).integers(0, clips, size=(resamples, clips))

    def score(name, of):
        differences = np.array([of(truth[i], b[i]) - of(truth[i], a[i]) for i in drawn])
        some = differences[~np.isnan(differences)]
        low, high = np.quantile(some, [(1 - level) / 2, (1 + level) / 2]) if len(some) else (np.nan, np.nan)
        values = {"a": of(truth, a), "b": of(truth, b), "low": low, "high": high}
        return {"score": name} | {key: None if np.isnan(value) else float(value) for key, value in values.items()}

    of_all, of_class = statistics(classes, several)
    return {
        "name": name,
        "several": several,
        "truth": [np.flatnonzero(row).tolist() for row in truth],
        "a": [[float(value) for value in row] for row in a],
        "b": [[float(value) for value in row] for row in b],
        "resampling": {"resamples": resamples, "seed": seed * 7919, "level": level},
        "scores": [score(name, of) for name, of in of_all.items()],
        "per_class": [[score(name, of) for name, of in scores.items()] for scores in of_class],
    }


def main():
    cases = [
        case("plain", 1, 60, 4, False),
        case("ties", 2, 50, 3, False, decimals=1),
        case("rare_and_empty", 3, 12, 6, False, empty=(2,)),
        case("several_labels", 4, 50, 5, True),
        case("several_with_ties", 5, 30, 6, True, decimals=1, empty=(1,)),
    ]
    (HERE / "paired.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
