"""Checks Earmark's files with other programs: its booster with xgboost, its ONNX with ONNX Runtime.

Run: python golden/stacking/check.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import xgboost as xgb

HERE = Path(__file__).parent
TOLERANCE = 1e-5


def run(example, *arguments):
    command = ["cargo", "run", "--release", "--quiet", "-p", "earmark-stacking", "--example", example, "--"]
    subprocess.run([*command, *map(str, arguments)], check=True, cwd=HERE)


def by_onnx(path, x):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["x"]
    label, probabilities = session.run(["label", "probabilities"], {"x": x})
    assert label.dtype == np.int64 and probabilities.dtype == np.float32
    assert (label == probabilities.argmax(1)).all()
    return probabilities


failed = False
for folder in sorted(path.parent for path in HERE.glob("*/case.json")):
    case = json.loads((folder / "case.json").read_text())
    x = np.array([[np.nan if v is None else v for v in row] for row in case["x"]], np.float32)
    expected = np.array(case["probabilities"], np.float32)
    with tempfile.TemporaryDirectory() as out:
        run("stacking_golden", folder, out)
        booster = xgb.Booster(model_file=f"{out}/booster.json")
        ours = booster.predict(xgb.DMatrix(x))
        distances = {"Python's booster as ONNX": np.abs(by_onnx(f"{out}/python.onnx", x) - expected).max()}
        distances["our booster as ONNX, against it in Python"] = np.abs(by_onnx(f"{out}/booster.onnx", x) - ours).max()
        if case["fit"]:
            distances["our booster in Python, against Python's"] = np.abs(ours - expected).max()
    for what, distance in distances.items():
        print(f"{folder.name}: {what}: {distance:.1e}")
        failed |= not distance <= TOLERANCE
sys.exit(failed)
