"""Compares criteria for `kind = "auto"` on finished runs, with the candidates that need no trees.

    python golden/choice/criteria.py RUN...

For each criterion, and for two orders of simplicity, each fold is predicted by what the other folds
choose. Prints how the result differs from the best learner and from the best candidate of the run,
both chosen with hindsight, in standard errors of the difference over clips: the mean over runs and
the worst run, of accuracy and of mAP@3.
"""

import csv
import sys
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from make import log_loss, selection, temper, verdict

warnings.simplefilter("ignore")
ORDERS = {
    "learners first": {"learner": 0, "mean": 1},
    "means first": {"mean": 0, "learner": 1},
}


def rank(p, labels):
    own = p[np.arange(len(labels)), labels][:, None]
    first = np.arange(p.shape[1])[None] < labels[:, None]
    return 1 + ((p > own) | ((p == own) & first)).sum(axis=1)


def brier(p, labels):
    return ((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1)


def precision_at_3(p, labels):
    return np.where(rank(p, labels) <= 3, 1 / rank(p, labels), 0)


SCORES = {"accuracy": lambda p, labels: (rank(p, labels) == 1).astype(float), "mAP@3": precision_at_3}
CRITERIA = {
    "accuracy": (False, lambda p, labels: -(rank(p, labels) == 1).astype(float)),
    "mAP@3": (False, lambda p, labels: -precision_at_3(p, labels)),
    "log loss": (False, log_loss),
    "Brier's score": (False, brier),
    "log loss, scaled": (True, log_loss),
    "Brier's score, scaled": (True, brier),
}


def table(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return {row[0]: np.array(row[1:], dtype=np.float64) for row in rows[1:]}


def candidates(learners):
    """Name, class of simplicity, and the predictions of rows by a fit on other rows."""
    geometric = softmax(np.mean([np.log(np.clip(p, 1e-12, None)) for p in learners.values()], axis=0), axis=1)
    everything = np.hstack(list(learners.values()))

    def fixed(values):
        return lambda learned, asked, labels: values[asked]

    def weighted(learned, asked, labels):
        own = [p[learned] for p in learners.values()]
        found = selection(own, labels[learned], np.ones(learned.sum()))
        return np.tensordot(found, [p[asked] for p in learners.values()], axes=1)

    def best(count):
        """The mean of the best learners by their scaled loss."""
        def fit(learned, asked, labels):
            ones, kept = np.ones(learned.sum()), np.ones(learned.sum(), dtype=bool)
            own = {name: p[learned] for name, p in learners.items()}
            scaled = {name: softmax(temper(p, labels[learned], ones, kept), axis=1) for name, p in own.items()}
            losses = {name: log_loss(p, labels[learned]).sum() for name, p in scaled.items()}
            chosen = sorted(learners, key=losses.get)[:count]
            return np.mean([learners[name][asked] for name in chosen], axis=0)

        return fit

    def logistic(c):
        def fit(learned, asked, labels):
            scaler = StandardScaler().fit(everything[learned])
            model = LogisticRegression(C=c, tol=1e-5, max_iter=5000)
            model.fit(scaler.transform(everything[learned]), labels[learned])
            return model.predict_proba(scaler.transform(everything[asked]))

        return fit

    all_of_them = [("mean", "mean", fixed(np.mean(list(learners.values()), axis=0)))]
    all_of_them += [("geometric mean", "mean", fixed(geometric))]
    all_of_them += [(name, "learner", fixed(p)) for name, p in learners.items()]
    all_of_them += [(f"mean of the best {count}", "best", best(count)) for count in range(2, len(learners))]
    all_of_them += [("weighted mean", "weighted", weighted)]
    return all_of_them + [(f"c = {c}", "logistic", logistic(c)) for c in (0.001, 0.01, 0.1, 1)]


class Run:
    def __init__(self, folder):
        folder = Path(folder)
        names = [line for line in (folder / "labels.txt").read_text().split("\n") if line]
        with open(folder / "splits.csv", newline="") as file:
            clips = [row for row in csv.DictReader(file) if row["set"] == "train"]
        self.labels = np.array([names.index(clip["label"]) for clip in clips])
        self.folds = np.array([int(clip["fold"]) for clip in clips])
        tables = {path.stem: table(path) for path in sorted((folder / "oof").glob("*.csv"))}
        learners = {name: np.array([rows[clip["fname"]] for clip in clips]) for name, rows in tables.items()}
        self.candidates = candidates(learners)
        kinds = sorted(set(self.folds))
        without = [{fold} for fold in kinds] + [set(pair) for pair in combinations(kinds, 2)]
        shape = (len(self.labels), len(names))
        self.held_out = []
        for _, _, fit in self.candidates:
            by_folds = {}
            for folds in without:
                asked = np.isin(self.folds, list(folds))
                predicted = np.full(shape, 1 / shape[1])
                predicted[asked] = fit(~asked, asked, self.labels)
                by_folds[frozenset(folds)] = predicted
            self.held_out.append(by_folds)
        self.scaled = {}

    def predictions(self, of, without):
        """Each row of the other folds, by a fit without its fold and `without`."""
        result = np.full_like(next(iter(self.held_out[of].values())), 1.0)
        for fold in set(self.folds) - without:
            own = self.folds == fold
            result[own] = self.held_out[of][frozenset({fold, *without})][own]
        return result

    def losses(self, of, without, is_scaled, criterion):
        probabilities = self.predictions(of, without)
        if is_scaled:
            key = (of, frozenset(without))
            kept = ~np.isin(self.folds, list(without))
            if key not in self.scaled:
                ones = np.ones(len(self.labels))
                self.scaled[key] = softmax(temper(probabilities, self.labels, ones, kept), axis=1)
            probabilities = self.scaled[key]
        return criterion(probabilities, self.labels)

    def nested(self, is_scaled, criterion, order):
        complexities = [order.get(kind, {"best": 1, "weighted": 2, "logistic": 3}.get(kind)) for _, kind, _ in self.candidates]
        result = np.zeros_like(self.predictions(0, set()))
        for fold in set(self.folds):
            losses = [self.losses(of, {fold}, is_scaled, criterion) for of in range(len(self.candidates))]
            # Without the tolerance for one more clip, which only some criteria have a unit for.
            _, chosen, _ = verdict(losses, complexities, (self.folds != fold).astype(float), 0.0)
            own = self.folds == fold
            result[own] = self.held_out[chosen][frozenset({fold})][own]
        return result

    def gaps(self, result):
        """The result minus the best learner and the best candidate, in standard errors."""
        gaps = []
        for score in SCORES.values():
            of_all = [score(self.predictions(of, set()), self.labels) for of in range(len(self.candidates))]
            learners = [own for own, (_, kind, _) in zip(of_all, self.candidates) if kind == "learner"]
            for best in (max(learners, key=np.mean), max(of_all, key=np.mean)):
                d = score(result, self.labels) - best
                error = d.std(ddof=1) / np.sqrt(len(d))
                gaps.append(d.mean() / error if error > 0 else 0.0)
        return gaps


def main():
    runs = [Run(folder) for folder in sys.argv[1:]]
    print("| criterion | order | accuracy: learner | candidate | mAP@3: learner | candidate |\n|---|---|---|---|---|---|")
    for name, (is_scaled, criterion) in CRITERIA.items():
        for order, places in ORDERS.items():
            gaps = np.array([run.gaps(run.nested(is_scaled, criterion, places)) for run in runs])
            cells = [f"{mean:+.1f} ({worst:+.1f})" for mean, worst in zip(gaps.mean(axis=0), gaps.min(axis=0))]
            print(f"| {name} | {order} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
