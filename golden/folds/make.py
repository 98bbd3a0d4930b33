"""Folds of clips with several labels, by the package iterative-stratification.

Run: python golden/folds/make.py

The algorithm breaks ties at random. `exact` has small tables for which 100 seeds, which also
shuffle the clips, give the same folds but for their numbers: any correct implementation gives
these. `balance` has larger tables, and how evenly 100 seeds distribute them (mean and standard
deviation), by the two measures of Sechidis et al. 2011: label distribution and examples
distribution, 0 for perfect folds.
"""

import importlib.metadata
import json
from pathlib import Path

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

HERE = Path(__file__).parent


def folds(labels, k, seed):
    of = np.zeros(len(labels), int)
    split = MultilabelStratifiedKFold(k, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
    for fold, (_, clips) in enumerate(split):
        of[clips] = fold
    return of


def first_seen(of):
    """Numbers the folds in the order of their first clips."""
    numbers = {}
    return [numbers.setdefault(int(fold), len(numbers)) for fold in of]


def distribution(labels, of, k):
    counts = np.array([labels[of == fold].sum(0) for fold in range(k)])
    sizes = np.bincount(of, minlength=k)
    total, n = labels.sum(0), len(labels)
    ratio = counts / (sizes[:, None] - counts) - total / (n - total)
    return {"labels": np.abs(ratio).mean(), "examples": np.abs(sizes - n / k).mean()}


def rows(labels):
    return [np.flatnonzero(row).tolist() for row in labels]


rng = np.random.default_rng(2011)
exact = []
while len(exact) < 30:
    n, classes, k = (int(rng.integers(*range_)) for range_ in ((5, 12), (2, 6), (2, 4)))
    labels = (rng.random((n, classes)) < rng.uniform(0.2, 0.7, classes)).astype(int)
    if (labels.sum(1) == 0).any() or (labels.sum(0) < k).any():
        continue
    first = first_seen(folds(labels, k, 0))
    if all(first_seen(folds(labels, k, seed)) == first for seed in range(1, 100)):
        exact.append({"classes": classes, "folds": k, "labels": rows(labels), "fold_of": first})

balance = []
for n, classes, k, most in ((200, 6, 5, 0.4), (500, 20, 5, 0.2), (1000, 80, 5, 0.05), (600, 30, 10, 0.3)):
    labels = (rng.random((n, classes)) < np.geomspace(2 * k / n, most, classes)).astype(int)
    empty = labels.sum(1) == 0
    labels[empty, rng.integers(0, classes, empty.sum())] = 1
    got = [distribution(labels, folds(labels, k, seed), k) for seed in range(100)]
    of = lambda statistic: {key: statistic([one[key] for one in got]) for key in got[0]}
    balance.append({"classes": classes, "folds": k, "labels": rows(labels), "mean": of(np.mean), "std": of(np.std)})

(HERE / "cases.json").write_text(json.dumps({"exact": exact, "balance": balance}) + "\n")
names = ("iterative-stratification", "numpy", "scikit-learn")
versions = {name: importlib.metadata.version(name) for name in names}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
