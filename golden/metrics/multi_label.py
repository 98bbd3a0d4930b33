"""Scores of clips that may have several labels: by scikit-learn and scipy, and by the code that
Kaggle published for the measure of FSDKaggle2019. make.py writes them to multi_label.json.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import norm
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    f1_score,
    label_ranking_average_precision_score,
    precision_recall_curve,
    roc_auc_score,
)

from resampling import Draws, interval

HERE = Path(__file__).parent


def lwlrap(truth, p):
    """Of scikit-learn, each clip weighted by its labels, as the organizers of DCASE 2019 Task 2 do."""
    weight = truth.sum(1)
    some = np.flatnonzero(weight)
    return label_ranking_average_precision_score(truth[some], p[some], sample_weight=weight[some])


def published_lwlrap(truth, scores):
    """`calculate_overall_lwlrap_sklearn`'s counterpart without scikit-learn in the organizers'
    notebook: the precision at the rank of each label, averaged over all labels. It is right only
    without equal scores.
    """
    precisions = []
    for labels, row in zip(truth, scores):
        ranked = np.argsort(row)[::-1]
        rank_of = np.argsort(ranked)
        hits = np.cumsum(labels[ranked])
        precisions += [hits[rank_of[c]] / (1 + rank_of[c]) for c in np.flatnonzero(labels)]
    return np.mean(precisions)


def best_threshold(truth, p):
    """The first threshold of the curve with the highest F1; 0.5 without clips of the class."""
    if not truth.any():
        return 0.5
    _, _, thresholds = precision_recall_curve(truth, p)
    return thresholds[np.argmax([f1_score(truth, p >= threshold) for threshold in thresholds])]


def macro_ap(truth, p):
    return np.mean([average_precision_score(truth[:, c], p[:, c]) for c in np.flatnonzero(truth.any(0))])


def reliability(truth, p, bins=15):
    """All pairs of a clip and a class by their probability: their number, its mean, and the share of
    them that are true; a bin includes its upper edge."""
    # In the precision of the probabilities.
    place = np.searchsorted((np.arange(1, bins) / bins).astype(np.float32), p.ravel())
    found = []
    for bin in range(bins):
        inside = place == bin
        both = (p.astype(np.float64), truth)
        confidence, accuracy = (float(of.ravel()[inside].mean()) if inside.any() else None for of in both)
        found.append({"clips": int(inside.sum()), "confidence": confidence, "accuracy": accuracy})
    return found


def case(name, seed, clips, classes, decimals=None, share=0.3, empty=(), full=(), unlabelled=0, sure=1, spread=1,
         resamples=60, level=0.95):
    """A case with random probabilities. `decimals` rounds them, which causes ties; no clip has the
    classes in `empty`, every clip those in `full`; the first `unlabelled` clips have none; `sure`
    raises the true classes. Without `spread` all are alike.
    """
    rng = np.random.default_rng(seed)
    truth = rng.random((clips, classes)) < share
    truth[:, list(full)] = True
    truth[:, list(empty)] = False
    truth[:unlabelled] = False

    def probabilities():
        p = 1 / (1 + np.exp(-spread * rng.normal(size=(clips, classes)) - sure * truth)).astype(np.float32)
        return p if decimals is None else p.round(decimals).astype(np.float32)

    p, other = probabilities(), probabilities()
    rows = lambda p: [[float(v) for v in row] for row in p]
    some = [truth[:, c].any() for c in range(classes)]
    both = [0 < truth[:, c].sum() < clips for c in range(classes)]
    auc = [roc_auc_score(truth[:, c], p[:, c]) if both[c] else None for c in range(classes)]
    macro_auc = np.mean([value for value in auc if value is not None]) if any(both) else None
    thresholds = np.array([best_threshold(truth[:, c], p[:, c]) for c in range(classes)], np.float32)
    given = p >= thresholds
    f1 = [f1_score(truth[:, c], given[:, c]) if some[c] else None for c in range(classes)]
    if all(len(np.unique(row)) == classes for row in p):
        assert abs(lwlrap(truth, p) - published_lwlrap(truth, p)) < 1e-12
    resampling = {"resamples": resamples, "seed": seed * 1_000_003, "level": level}
    statistics = {
        "macro_average_precision": lambda p: lambda i: macro_ap(truth[i], p[i]),
        "micro_average_precision": lambda p: lambda i: average_precision_score(truth[i].ravel(), p[i].ravel()),
        "lwlrap": lambda p: lambda i: lwlrap(truth[i], p[i]),
    }
    everyone = np.arange(clips)
    draws = lambda: Draws(resampling["seed"])

    def difference(of):
        minus = lambda i: of(p)(i) - of(other)(i)
        return {"value": minus(everyone), "interval": interval(clips, minus, resampling, draws())}

    return {
        "name": name,
        "truth": [np.flatnonzero(row).tolist() for row in truth],
        "probabilities": rows(p),
        "other": rows(other),
        "average_precision": [
            average_precision_score(truth[:, c], p[:, c]) if some[c] else None for c in range(classes)
        ],
        "roc_auc": auc,
        "thresholds": [float(threshold) for threshold in thresholds],
        "f1": f1,
        "macro_average_precision": macro_ap(truth, p),
        "micro_average_precision": average_precision_score(truth, p, average="micro"),
        "lwlrap": lwlrap(truth, p),
        "macro_roc_auc": macro_auc,
        "d_prime": np.sqrt(2) * norm.ppf(macro_auc) if any(both) and 0 < macro_auc < 1 else None,
        "macro_f1": np.mean([value for value in f1 if value is not None]),
        "micro_f1": f1_score(truth, given, average="micro"),
        "coverage_error": coverage_error(truth, p),
        "reliability": reliability(truth, p),
        "resampling": resampling,
        # scipy rejects a single clip.
        "intervals": None if clips < 2 else {
            key: interval(clips, of(p), resampling, draws()) for key, of in statistics.items()
        },
        "differences": None if clips < 2 else {
            key: difference(statistics[key]) for key in ("macro_average_precision", "lwlrap")
        },
    }


def main():
    cases = [
        case("plain", 1, 60, 5),
        case("ties", 2, 80, 4, decimals=1, level=0.9),
        case("class_without_clips", 3, 40, 6, empty=(2, 5)),
        case("class_of_every_clip", 4, 30, 3, full=(1,)),
        case("clips_without_labels", 5, 50, 4, unlabelled=20, decimals=2),
        case("two_classes", 6, 25, 2, decimals=2, share=0.5),
        case("one_clip", 7, 1, 4, share=0.5),
        case("many_labels", 8, 40, 12, share=0.8),
        case("rare", 9, 200, 10, share=0.02),
        case("all_right", 10, 30, 5, sure=9),
        case("all_wrong", 11, 30, 5, sure=-9),
        case("all_equal", 12, 20, 5, sure=0, spread=0),
    ]
    (HERE / "multi_label.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
