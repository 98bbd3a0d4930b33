"""Boosters of Python's xgboost, with the rows they learned from and their predictions.

Run: python golden/stacking/make.py
Each case is a folder: booster.json as `save_model` writes it, case.json with the rest. Missing numbers are null.
"""

import json
from pathlib import Path

import numpy as np
import xgboost as xgb

HERE = Path(__file__).parent


def case(name, seed, rows, features, classes, settings, missing=0.0, weighted=False, base_score=None):
    """`settings` are the keys of Earmark's own; `base_score` is one that Earmark's fit does not have."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    x = rng.normal(size=(rows, features)) + 0.8 * np.arange(features) * (labels[:, None] % 3 - 1)
    # Rounding makes values that equal a threshold, where `<` and `<=` differ.
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
        "probabilities": [[float(v) for v in row] for row in booster.predict(xgb.DMatrix(x))],
    }
    (folder / "case.json").write_text(json.dumps(content) + "\n")


case("missing", 1, 150, 6, 4, {"rounds": 6, "max_depth": 3, "seed": 0}, missing=0.15)
# A heavy child weight leaves some trees a root alone.
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
versions = {"xgboost": xgb.__version__, "numpy": np.__version__}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
