"""Embeddings of the last layer at each resolution (`layers = "stages"`), by hooks in the reference
networks: the means of their channels, and the embedding.

Run: python golden/stages/make.py

`cases.json`    networks with weights and inputs by formula (`../nets/formula.py`), computed in 64
                bits: `[rows, values]`
"""

import json
import sys
from pathlib import Path

import timm
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "nets"))  # its `wave` hides that of Python

import networks  # noqa: E402
from formula import network_input, weight  # noqa: E402

CLASSES = 10
# For each network: its input, the modules whose output is the last one before a stride, and the
# one whose output is the embedding.
CASES = {
    "mn04": ((2, 1, 128, 60), [f"features.{block}.block.0" for block in (2, 4, 7, 13)], "classifier.1"),
    "mn_nano": ((2, 1, 64, 50), [f"features.{block}.block.0" for block in (2, 3, 4)], "classifier.1"),
    "cnn14_nano": ((2, 1, 64, 70), [f"conv_block{block}" for block in (1, 2, 3, 4, 5)], "fc1"),
}


def build(name, channels):
    model = networks.build(name, channels, CLASSES)
    for key, value in model.state_dict().items():
        if value.ndim:
            value.copy_(torch.from_numpy(weight(key, tuple(value.shape))))
    return model.double().eval()


def hooked(name, shape, stages, embedding):
    model, values = build(name, shape[1]), []
    for stage in stages:
        model.get_submodule(stage).register_forward_hook(lambda _, __, y: values.append(y.mean((2, 3))))
    # CNN14's embedding is the output of its ReLU, which is not a module.
    last = lambda _, __, y: values.append(y.relu() if name.startswith("cnn14") else y)
    model.get_submodule(embedding).register_forward_hook(last)
    with torch.no_grad():
        model(torch.from_numpy(network_input(shape)).double())
    return torch.cat(values, 1)


def by_timm(name, shape):
    """timm's own list of the last features at each resolution, of which the last one is averaged to
    the embedding."""
    model = build(name, shape[1])
    features = timm.create_model(name, features_only=True, in_chans=shape[1]).double().eval()
    features.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        maps = features(torch.from_numpy(network_input(shape)).double())
    return torch.cat([values.mean((2, 3)) for values in maps], 1)


cases = {name: (case[0], hooked(name, *case)) for name, case in CASES.items()}
shape = (2, 3, 64, 50)
cases["resnet18"] = (shape, by_timm("resnet18", shape))
written = [
    {"network": name, "shape": shape, "values": [[float(f"{value:.7g}") for value in row] for row in values.tolist()]}
    for name, (shape, values) in cases.items()
]
(HERE / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in written) + "\n]\n")
versions = {library.__name__: library.__version__ for library in (torch, timm)}
(HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
for case in written:
    print(case["network"], case["shape"], len(case["values"][0]))
