"""Reads a whole run with Python: the booster of level 2 with xgboost, the bundle with ONNX Runtime
and onnx.

    python golden/end_to_end/check.py EARMARK

Creates a small synthetic data set, trains a tiny recipe with the binary EARMARK, and checks that
xgboost predicts `level2/test.csv` from `level2/test_features.csv` with `level2/booster.json` within
1e-5, that `stack.onnx` does too, and that every ONNX file of the bundle passes onnx.checker.
Versions: golden/requirements.txt.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import xgboost as xgb

RECIPE = """
seed = 3
[data]
folds = 2
[features.logmel]
kind = "logmel"
[[learners]]
name = "resnet"
arch = "resnet_nano"
features = "logmel"
crop_seconds = 0.5
epochs = 1
batch_size = 16
learning_rate = 0.05
mixup = 3.0
[[learners]]
name = "resnext"
arch = "resnext_nano"
features = "logmel"
crop_seconds = 0.5
epochs = 1
batch_size = 16
learning_rate = 0.05
"""


def values(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([row[1:] for row in rows], dtype=np.float32)


def main():
    earmark = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "recipe.toml").write_text(RECIPE)
        run = lambda *arguments: subprocess.run([earmark, *arguments], cwd=folder, check=True, capture_output=True)
        run("synth", "--out", "data", "--seed", "5", "--train-clips", "72", "--test-clips", "36")
        run("train", "--recipe", "recipe.toml", "--data", "data", "--out", "run")
        level2, bundle = folder / "run/level2", folder / "run/bundle"

        features = values(level2 / "test_features.csv")
        expected = values(level2 / "test.csv")
        booster = xgb.Booster(model_file=level2 / "booster.json")
        by_xgboost = np.abs(booster.predict(xgb.DMatrix(features)) - expected).max()
        session = onnxruntime.InferenceSession(bundle / "stack.onnx")
        by_onnx = np.abs(session.run(["probabilities"], {"x": features})[0] - expected).max()
        for path in sorted(bundle.glob("*.onnx")):
            onnx.checker.check_model(onnx.load(path), full_check=True)
        print(f"{len(expected)} test clips: xgboost differs by {by_xgboost:.1e}, ONNX Runtime by {by_onnx:.1e}")
        assert by_xgboost < 1e-5 and by_onnx < 1e-5


if __name__ == "__main__":
    main()
