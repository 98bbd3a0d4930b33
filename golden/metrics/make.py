"""Scores of random probabilities by scikit-learn, torchmetrics, scipy, and plain transcripts of
published code.

Run: python golden/metrics/make.py
If EARMARK_FSDKAGGLE2018 is the folder with FSDKaggle2018's tables, it also scores two submissions
to that challenge.
"""

import csv
import json
import os
from pathlib import Path

import numpy as np
import scipy
import sklearn
import torch
import torchmetrics
from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, roc_auc_score
from torchmetrics.functional.classification import multiclass_calibration_error

import multi_label
import paired
from resampling import Draws, interval

HERE = Path(__file__).parent
BINS = 15
EDGES = np.linspace(0, 1, BINS + 1).astype(np.float32)


def apk(actual, predicted, k):
    """ml_metrics/average_precision.py of github.com/benhamner/Metrics, which Kaggle refers to."""
    if len(predicted) > k:
        predicted = predicted[:k]
    score, hits = 0.0, 0.0
    for i, p in enumerate(predicted):
        if p in actual and p not in predicted[:i]:
            hits += 1.0
            score += hits / (i + 1.0)
    return score / min(len(actual), k)


def by_rank(p):
    """The classes of each clip, the most probable ones first; ties go to the lower index."""
    return np.argsort(-p, axis=1, kind="stable")


def precisions_at_3(truth, p):
    return np.array([apk([t], order.tolist(), 3) for t, order in zip(truth, by_rank(p))])


def ece(truth, p):
    """ECELoss of github.com/gpleiss/temperature_scaling, by an author of Guo et al. 2017.

    Also returns the bins.
    """
    confidences, predictions = p.max(1), p.argmax(1)
    accuracies = predictions == truth
    total, bins = 0.0, []
    for lower, upper in zip(EDGES[:-1], EDGES[1:]):
        in_bin = (confidences > lower) & (confidences <= upper)
        bins.append({"clips": int(in_bin.sum()), "confidence": None, "accuracy": None})
        if in_bin.any():
            confidence, accuracy = confidences[in_bin].astype(np.float64).mean(), accuracies[in_bin].mean()
            bins[-1].update(confidence=confidence, accuracy=accuracy)
            total += abs(confidence - accuracy) * in_bin.mean()
    return total, bins


def torchmetrics_ece(truth, p):
    """None if a probability is on an edge: torchmetrics puts it into the upper bin, the paper into
    the lower one."""
    if np.isin(p.max(1), EDGES).any():
        return None
    p, truth = torch.from_numpy(p), torch.tensor(truth)
    return multiclass_calibration_error(p, truth, num_classes=p.shape[1], n_bins=BINS, norm="l1").item()


def macro_ap(truth, p):
    return np.mean([average_precision_score(truth == c, p[:, c]) for c in np.unique(truth)])


def probabilities(rng, truth, clips, classes, sure, decimals, spread):
    logits = spread * rng.normal(size=(clips, classes))
    logits[np.arange(clips), truth] += sure
    p = np.exp(logits)
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    return p if decimals is None else p.round(decimals).astype(np.float32)


def case(name, seed, clips, classes, decimals=None, empty=(), sure=1, spread=1, resamples=100, level=0.95):
    """A case with random probabilities. `decimals` rounds them, which causes ties; the classes in
    `empty` have no clips; `sure` raises the true class. Without `spread` all classes are alike.
    """
    rng = np.random.default_rng(seed)
    truth = rng.choice([c for c in range(classes) if c not in empty], clips)
    p = probabilities(rng, truth, clips, classes, sure, decimals, spread)
    other = probabilities(rng, truth, clips, classes, sure, decimals, spread)
    rows = lambda p: [[float(v) for v in row] for row in p]
    present = [0 < (truth == c).sum() < clips for c in range(classes)]
    auc = [roc_auc_score(truth == c, p[:, c]) if present[c] else None for c in range(classes)]
    ap = [average_precision_score(truth == c, p[:, c]) if (truth == c).any() else None for c in range(classes)]
    if all(present) and decimals is None:  # What scikit-learn itself takes for several classes.
        macro = roc_auc_score(truth, p if classes > 2 else p[:, 1], multi_class="ovr", average="macro")
        assert abs(macro - np.mean(auc)) < 1e-6
    error, bins = ece(truth, p)
    resampling = {"resamples": resamples, "seed": seed * 1_000_003, "level": level}
    at_3, right = precisions_at_3(truth, p), (p.argmax(1) == truth).astype(float)
    above_3, above = at_3 - precisions_at_3(truth, other), right - (other.argmax(1) == truth)
    statistics = {
        "map_at_3": lambda i: at_3[i].mean(),
        "accuracy": lambda i: right[i].mean(),
        "macro_average_precision": lambda i: macro_ap(truth[i], p[i]),
    }
    differences = {"map_at_3": lambda i: above_3[i].mean(), "accuracy": lambda i: above[i].mean()}
    everyone = np.arange(clips)
    return {
        "name": name,
        "truth": truth.tolist(),
        "probabilities": rows(p),
        "other": rows(other),
        "map_at_3": at_3.mean(),
        "accuracy": accuracy_score(truth, p.argmax(1)),
        "average_precision": ap,
        "roc_auc": auc,
        "confusion": confusion_matrix(truth, p.argmax(1), labels=range(classes)).tolist(),
        "expected_calibration_error": error,
        "torchmetrics_calibration_error": torchmetrics_ece(truth, p),
        "reliability": bins,
        "resampling": resampling,
        # scipy rejects a single clip.
        "intervals": None if clips < 2 else {
            key: interval(clips, value, resampling, Draws(resampling["seed"])) for key, value in statistics.items()
        },
        "differences": None if clips < 2 else {
            key: {"value": value(everyone), "interval": interval(clips, value, resampling, Draws(resampling["seed"]))}
            for key, value in differences.items()
        },
        # With ten thousand of scipy's own draws: equal except for chance.
        "free_intervals": None if clips < 2 else {
            key: interval(clips, statistics[key], {"resamples": 10_000, "level": level}, np.random.default_rng(9))
            for key in ("map_at_3", "accuracy")
        },
    }


cases = [
    case("plain", 1, 60, 5),
    case("ties", 2, 80, 4, decimals=1, level=0.9),
    case("class_without_clips", 3, 40, 6, empty=(2, 5), resamples=101),
    case("three_classes", 4, 30, 3),
    case("two_classes", 5, 25, 2, decimals=2),
    case("one_clip", 6, 1, 4),
    case("one_class_has_all", 7, 12, 3, empty=(0, 2)),
    case("all_right", 8, 30, 5, sure=30),
    case("all_wrong", 9, 30, 5, sure=-30),
    case("all_equal", 10, 20, 5, sure=0, spread=0),
]
assert [c["accuracy"] for c in cases if c["name"].startswith("all_")][:2] == [1, 0]
(HERE / "cases.json").write_text(json.dumps(cases) + "\n")
multi_label.main()
paired.main()


def submissions(truth_csv):
    """Scores of generated answers for the challenge's real labels. crates/cli/tests/submission.rs
    generates the same answers."""
    clips = list(csv.DictReader(open(truth_csv, newline="")))
    labels = sorted({clip["label"] for clip in clips})
    truth = np.array([labels.index(clip["label"]) for clip in clips])
    listed, p = [], np.empty((len(clips), len(labels)), np.float32)
    for i, t in enumerate(truth):
        answer = [(t + 1 + i % 13) % 41, (t + 14 + i % 11) % 41, (t + 26 + i % 7) % 41]
        if i * 7 % 5 < 3:
            answer[i * 7 % 5] = t
        listed.append(answer[:1] if i % 17 == 0 else answer)
        weights = [(i * 31 + c * 17) % 97 + (60 if c == t else 0) for c in range(41)]
        p[i] = [f"{weight / sum(weights):.6f}" for weight in weights]
    result = {"labels": {}, "probabilities": {}}
    for usage in ("all", "Public", "Private"):
        rows = np.array([i for i, clip in enumerate(clips) if usage in ("all", clip["usage"])])
        result["labels"][usage] = {
            "clips": len(rows),
            "map_at_3": np.mean([apk([truth[i]], listed[i], 3) for i in rows]),
            "accuracy": np.mean([listed[i][0] == truth[i] for i in rows]),
        }
        present = np.unique(truth[rows])
        result["probabilities"][usage] = {
            "clips": len(rows),
            "map_at_3": precisions_at_3(truth[rows], p[rows]).mean(),
            "accuracy": accuracy_score(truth[rows], p[rows].argmax(1)),
            "macro_average_precision": macro_ap(truth[rows], p[rows]),
            "macro_roc_auc": np.mean([roc_auc_score(truth[rows] == c, p[rows, c]) for c in present]),
            "expected_calibration_error": ece(truth[rows], p[rows])[0],
        }
    return result


if folder := os.environ.get("EARMARK_FSDKAGGLE2018"):
    scores = submissions(Path(folder) / "test_post_competition_scoring_clips.csv")
    (HERE / "submissions.json").write_text(json.dumps(scores, indent=1) + "\n")
else:
    print("EARMARK_FSDKAGGLE2018 is not set: submissions.json stays as it is")
libraries = (np, scipy, sklearn, torch, torchmetrics)
names = {"sklearn": "scikit-learn"}
versions = {names.get(it.__name__, it.__name__): it.__version__.split("+")[0] for it in libraries}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
