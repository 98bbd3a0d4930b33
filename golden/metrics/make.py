"""Scores of random probabilities by scikit-learn.

Run: python golden/metrics/make.py
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import accuracy_score, average_precision_score, top_k_accuracy_score

HERE = Path(__file__).parent


def case(name, seed, clips, classes, decimals=None, empty=()):
    """`decimals` rounds, which makes ties; the classes in `empty` have no clip."""
    rng = np.random.default_rng(seed)
    kept = [c for c in range(classes) if c not in empty]
    truth = rng.choice(kept, clips)
    logits = rng.normal(size=(clips, classes))
    logits[np.arange(clips), truth] += 1
    p = np.exp(logits)
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    if decimals is not None:
        p = p.round(decimals).astype(np.float32)
    result = {"name": name, "truth": truth.tolist(), "probabilities": [[float(v) for v in row] for row in p]}
    result["average_precision"] = [
        None if c in empty else average_precision_score(truth == c, p[:, c]) for c in range(classes)
    ]
    result["accuracy"] = accuracy_score(truth, p.argmax(1))  # argmax takes the first of equals
    if decimals is None:
        # mAP@3 of one true label from top-k accuracies; scikit-learn breaks ties the other way round.
        top = [0] + [
            top_k_accuracy_score(truth, p, k=k, labels=range(classes)) if k < classes else 1.0 for k in (1, 2, 3)
        ]
        result["map_at_3"] = sum((top[k] - top[k - 1]) / k for k in (1, 2, 3))
    return result


cases = [
    case("plain", 1, 60, 5),
    case("ties", 2, 80, 4, decimals=1),
    case("class_without_clips", 3, 40, 6, empty=(2, 5)),
    case("three_classes", 4, 30, 3),
]
(HERE / "cases.json").write_text(json.dumps(cases) + "\n")
versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
