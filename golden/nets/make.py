"""Networks by timm and torchvision (`networks.py`): parameters, FLOPs, logits, gradients, and the
statistics of batch norm.

Run: python golden/nets/make.py [CASE...]    (everything if no case is named; else also the counts
and the starts of these networks)

`counts.json`   for every network: its parameters by each library that has it, FLOPs by two counters
`starts.json`   how the libraries initialize a network's parameters
`cases.json`    networks with weights by formula (`formula.py`): ours by name, thin ones by their
                configuration
`values/<case>.safetensors`   results of timm's classes, computed in 64 bits: logits, and a training
                step: the loss, and summaries of gradients and running statistics, one row per
                parameter in the order of their names
"""

import copy
import json
import logging
import sys
from pathlib import Path

import fvcore
import numpy as np
import safetensors.numpy
import safetensors.torch
import timm
import torch
import torchvision

import networks
from counts import all_counts, all_starts, times
from formula import network_input, summary, weight

HERE = Path(__file__).parent
CLASSES = 10
ROWS = 2
TARGETS = [[0.7 * (c == 3 * row) + 0.3 * (c == row + 4) for c in range(CLASSES)] for row in range(ROWS)]
SMALL = [*networks.THIN, *networks.NANO]


def all_cases():
    cases = [{"name": name, "config": config, "channels": 3} for name, config in networks.THIN.items()]
    for name in networks.NAMES:
        cases.append({"name": name, "network": name, "channels": networks.input_channels(name)})
        if name in ("seresnet50", "cnn14") or name in networks.NANO and not networks.is_wave(name):
            cases.append({"name": f"{name}_one_channel", "network": name, "channels": 1})
    return cases


def build(case):
    """The network of a case with weights by formula."""
    model = networks.build(case.get("network", case["name"]), case["channels"], CLASSES)
    for name, value in model.state_dict().items():
        if value.ndim:
            value.copy_(torch.from_numpy(weight(name, tuple(value.shape))))
    if case["name"] == "thin_basic":
        # One case has its weights in a file in torch's usual format: 16 bits, with batch counters.
        case["weights"] = "thin_basic_weights.safetensors"
        model.bfloat16()
        safetensors.torch.save_file(model.state_dict(), HERE / case["weights"])
    return model


def input_shapes(case):
    """Five rows, but for large networks only of the smallest size, to keep the tests fast. The
    first of the five rows is the input of one row, so the values apply to both batches."""
    sizes = networks.input_sizes(case["name"])
    return [[5 if case["name"] in SMALL or size == sizes[0] else 1, case["channels"], *size] for size in sizes]


def logits(model, shapes):
    model.double().eval()
    values = {}
    for shape in shapes:
        with torch.no_grad():
            values["logits " + times(shape)] = rows = model(torch.from_numpy(network_input(shape)).double()).numpy()
        difference = np.abs(rows - rows[0]).max() / np.abs(rows).max()
        assert len(rows) == 1 or difference > 2e-3, f"rows of {times(shape)} look alike: any input would be right"
    return values


def step(model, shape, precision=torch.float64, noise=0.0):
    """The results of one training step: loss, gradients, and updated running statistics."""
    model = copy.deepcopy(model).to(precision).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + noise * torch.randn_like(parameter))
    x = torch.from_numpy(network_input(shape)).to(precision)
    loss = torch.nn.functional.cross_entropy(model(x), torch.tensor(TARGETS, dtype=precision))
    loss.backward()
    gradients = {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}
    statistics = {name: buffer.numpy() for name, buffer in model.named_buffers() if buffer.ndim}
    return loss.detach().reshape(1).numpy(), gradients, statistics


def stable_step(model, shape):
    """A step on a batch of this length or slightly more, chosen so that no value is close to the
    kink of a ReLU: rounding to 32 bits could move it to the other side and change its gradient."""

    def difference(other):
        norm = np.linalg.norm
        # A bias before a batch norm has a gradient of 0, but for the rounding of large sums.
        least = 1e-3 * max(norm(value) for value in values[1].values())
        return max(norm(other[1][name] - value) / max(norm(value), least) for name, value in values[1].items())

    for length in range(shape[-1], shape[-1] + 100):
        shape = [*shape[:-1], length]
        values = step(model, shape)
        torch.manual_seed(2018)
        # Rounding depends on the machine; this noise is several times as large.
        others = (step(model, shape, torch.float32), *(step(model, shape, noise=1e-6) for _ in range(4)))
        differences = [difference(other) for other in others]
        if max(differences) < 1e-4:
            return shape, values, float(f"{differences[0]:.0e}")
    raise SystemExit("no length of the input gives the same gradients in 32 and in 64 bits")


def training(case, model):
    """A training step. Only small networks are compared in 32 bits; large ones have many kinks."""
    case["step"] = [ROWS, case["channels"], *((1, 6001) if networks.is_wave(case["name"]) else (64, 96))]
    if case["name"] in SMALL:
        case["step"], values, case["difference of 32 bits"] = stable_step(model, case["step"])
    else:
        values = step(model, case["step"])
    loss, gradients, statistics = values
    return {"loss": loss, "gradients": summaries(gradients), "running": summaries(statistics)}


def summaries(arrays):
    return np.stack([summary(name, arrays[name]) for name in sorted(arrays)])


def make(case):
    """Computes and writes a case's values; returns the case with the shapes that were used."""
    print(case["name"], flush=True)
    model = build(case)
    arrays = {} if case["name"].endswith("_one_channel") else training(case, model)
    case["inputs"] = input_shapes(case)
    arrays |= logits(model, case["inputs"])
    arrays = {key: np.ascontiguousarray(array, np.float32) for key, array in arrays.items()}
    safetensors.numpy.save_file(arrays, HERE / "values" / f"{case['name']}.safetensors")
    return case


def write(name, table, depth):
    """JSON with line breaks only in the upper levels."""

    def text(value, depth):
        if depth == 0 or not isinstance(value, (dict, list)):
            return json.dumps(value)
        if isinstance(value, list):
            return "[\n" + ",\n".join(text(entry, depth - 1) for entry in value) + "\n]"
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {text(value[key], depth - 1)}" for key in value) + "\n}"

    (HERE / name).write_text(text(table, depth) + "\n")


def main():
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    named, before = sys.argv[1:], {}
    if named:
        before = {case["name"]: case for case in json.loads((HERE / "cases.json").read_text())["cases"]}
        counts = json.loads((HERE / "counts.json").read_text())
        counts |= all_counts([name for name in networks.NAMES if name in named])
        write("counts.json", {name: counts[name] for name in networks.NAMES}, 2)
        write("starts.json", all_starts(), 2)
    else:
        write("counts.json", all_counts(), 2)
        write("starts.json", all_starts(), 2)
    kept = {name: case for name, case in before.items() if name not in named}
    cases = [kept.get(case["name"]) or make(case) for case in all_cases()]
    write("cases.json", {"targets": TARGETS, "cases": cases}, 2)
    versions = {library.__name__: str(library.__version__) for library in (np, timm, torch, torchvision, fvcore)}
    write("versions.json", versions, 1)


main()
