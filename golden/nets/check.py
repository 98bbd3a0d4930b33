"""Checks the ONNX files that Earmark writes of timm's networks: by the ONNX checker, and by ONNX Runtime against timm.

Run: python golden/nets/check.py [EARMARK]    (the program, `earmark` if none is named)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import timm
import torch

from formula import network_input

NETWORKS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d", "resnext101_32x4d"]
SHAPES = [(batch, 3, *size) for size in [(224, 224), (64, 150)] for batch in (1, 5)]
TOLERANCE = 1e-3
earmark = sys.argv[1] if len(sys.argv) > 1 else "earmark"


def randomize(model):
    """timm's own random weights; batch norm's scales and statistics are drawn too, or every branch would be 0."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values, low, high in [
                (module.weight, 0.4, 1.0),
                (module.bias, -0.2, 0.2),
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.7, 1.5),
            ]:
                torch.nn.init.uniform_(values, low, high)
            module.num_batches_tracked.fill_(123)


def differences(name, folder):
    torch.manual_seed(2018)
    model = timm.create_model(name, pretrained=False).eval()
    randomize(model)
    weights, exported = folder / f"{name}.safetensors", folder / f"{name}.onnx"
    safetensors.torch.save_file(model.state_dict(), weights)
    command = [earmark, "nets", "export", name, "--weights", weights, "--classes", "1000", "--out", exported]
    subprocess.run(command, check=True)
    onnx.checker.check_model(exported, full_check=True)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    for shape in SHAPES:
        x = network_input(shape)
        with torch.no_grad():
            expected = model(torch.from_numpy(x)).numpy()
        [ours] = session.run(["logits"], {"x": x})
        assert ours.shape == expected.shape, f"{name}: {ours.shape} instead of {expected.shape}"
        yield shape, np.abs(ours - expected).max() / np.abs(expected).max()
    weights.unlink()
    exported.unlink()


failed = False
with tempfile.TemporaryDirectory() as folder:
    for name in NETWORKS:
        for shape, difference in differences(name, Path(folder)):
            print(f"{name} on {'x'.join(map(str, shape))}: {difference:.1e}", flush=True)
            failed |= not difference <= TOLERANCE
sys.exit(failed)
