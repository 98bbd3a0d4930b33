"""Checks the ONNX files that Earmark writes for all its networks: with the ONNX checker, and with
ONNX Runtime against the reference networks with random weights.

Run: python golden/nets/check.py [EARMARK] [NAME...]    (default: `earmark`, all networks)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch

import networks
from formula import network_input

TOLERANCE = 1e-3
CLASSES = 1000
earmark = sys.argv[1] if len(sys.argv) > 1 else "earmark"
# The published weights of CNN14 are for one channel.
CASES = [(name, networks.input_channels(name)) for name in sys.argv[2:] or networks.NAMES] + [("cnn14", 1)]


def randomize(model):
    """Also randomizes the scales and statistics of batch norm, or else every branch would be 0."""
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


def differences(name, channels, folder):
    torch.manual_seed(2018)
    model = networks.build(name, channels, CLASSES).eval()
    randomize(model)
    weights, exported = folder / f"{name}.safetensors", folder / f"{name}.onnx"
    safetensors.torch.save_file(model.state_dict(), weights)
    command = [earmark, "nets", "export", name, "--weights", weights, "--classes", str(CLASSES), "--out", exported]
    subprocess.run(command, check=True)
    onnx.checker.check_model(exported, full_check=True)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    for size in networks.input_sizes(name):
        for batch in (1, 5):
            shape = (batch, channels, *size)
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
    for name, channels in CASES:
        for shape, difference in differences(name, channels, Path(folder)):
            print(f"{name} on {'x'.join(map(str, shape))}: {difference:.1e}", flush=True)
            failed |= not difference <= TOLERANCE
sys.exit(failed)
