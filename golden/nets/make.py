"""Networks by timm and torchvision: parameters, FLOPs, logits, gradients, batch norm's statistics.

Run: python golden/nets/make.py

`counts.json`   of every network that timm has: its parameters, its FLOPs, and of some how their values start
`cases.json`    networks with weights by formula (`formula.py`): ours by name, thin ones by their configuration
`<case>.safetensors`   what timm's classes make of them, computed in 64 bits: logits, and for the small ones a step of
                training: the loss, and gradients and running statistics as summaries
"""

import copy
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import safetensors.numpy
import safetensors.torch
import timm
import torch
import torchvision
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch.utils.flop_counter import FlopCounterMode

from formula import network_input, summary, weight

HERE = Path(__file__).parent
SOURCE = (HERE / "../../crates/nets/src/families/resnet.rs").read_text()
BY_BOTH = ["resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d"]
BY_TIMM = ["resnext101_32x4d"]
STARTS = ["resnet18", "resnext50_32x4d"]
CLASSES = 10


def counts(model):
    """What a network has, by its own module and an independent count of FLOPs."""
    state = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    lines = sorted(f"{name} {list(value.shape)}\n" for name, value in state.items())
    flops = {}
    for shape in [(1, 3, 224, 224), (1, 3, 64, 150)]:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.eval()(torch.zeros(shape))
        # Torch counts a multiplication and its addition as two.
        flops[times(shape)] = counter.get_total_flops() // 2
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "arrays": len(lines),
        "sha256 of sorted lines 'name shape'": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "flops": flops,
    }


def start(parameter):
    """Mean and deviation of a parameter's values before training."""
    return [float(f"{value:.4g}") for value in (parameter.mean().item(), parameter.std(correction=0).item())]


def all_counts():
    table = {}
    for name in BY_BOTH + BY_TIMM:
        table[name] = {"timm": counts(timm.create_model(name, pretrained=False))}
        if name in BY_BOTH:
            torch.manual_seed(2018)
            model = torchvision.models.get_model(name, weights=None)
            table[name]["torchvision"] = counts(model)
            if name in STARTS:
                table[name]["starts"] = {key: start(value) for key, value in model.named_parameters()}
    return table


def config(name):
    """One of the `const NAME: Config` of our own registry: those are not in timm, so their sizes are read there."""
    body = re.search(rf"const {name}: Config =\s*Config \{{(.*?)\}};", SOURCE, re.S)[1]
    base = re.search(r"\.\.(\w+)", body)
    values = config(base[1]) if base else {}
    stem = re.search(r"stem: Stem \{(.*?)\}", body)
    if stem:
        values["stem"] = fields(stem[1])
        body = body.replace(stem[0], "")
    return values | fields(body)


def fields(text):
    pairs = re.findall(r"(\w+): (?:Block::)?(\[[\d, ]+\]|\w+)", text)
    return {key: json.loads(value) if value[0] in "[tf0123456789" else value for key, value in pairs}


def build(config):
    """timm's class with our stem: its own is 64 wide or three convolutions deep, so the first one is put in by hand."""
    stem = config["stem"]
    model = ResNet(
        {"Basic": BasicBlock, "Bottleneck": Bottleneck}[config["block"]],
        config["layers"],
        num_classes=CLASSES,
        cardinality=config["groups"],
        base_width=config["base_width"],
        channels=config["channels"],
        stem_type="deep",
        stem_width=stem["channels"] // 2,
    )
    kernel = stem["kernel"]
    model.conv1 = torch.nn.Conv2d(3, stem["channels"], kernel, stem["stride"], kernel // 2, bias=False)
    if not stem["max_pool"]:
        model.maxpool = torch.nn.Identity()
    return model


def logits(model, inputs):
    model.double().eval()
    with torch.no_grad():
        return {"logits " + times(shape): model(torch.from_numpy(network_input(shape)).double()) for shape in inputs}


def step(model, frames, targets, precision):
    """What one step of training computes: the loss, the gradients, and the running statistics that follow."""
    model = copy.deepcopy(model).to(precision).train()
    x = torch.from_numpy(network_input((len(targets), 3, 64, frames))).to(precision)
    loss = torch.nn.functional.cross_entropy(model(x), torch.tensor(targets, dtype=precision))
    loss.backward()
    gradients = {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}
    statistics = {name: buffer.numpy() for name, buffer in model.named_buffers() if buffer.ndim}
    return loss.detach().reshape(1), gradients, statistics


def stable_step(model, targets):
    """A step of 150 frames or a few more, so that no value is so near the corner of a ReLU that 32 bits put it on the
    other side: its gradient would be another, by timm as by anybody."""
    for frames in range(150, 170):
        loss, gradients, statistics = step(model, frames, targets, torch.float64)
        rounded = step(model, frames, targets, torch.float32)[1]
        norm = np.linalg.norm
        difference = max(norm(rounded[name] - value) / norm(value) for name, value in gradients.items())
        if difference < 1e-5:
            arrays = {"loss": loss}
            arrays |= {"gradient " + name: summary(name, value) for name, value in gradients.items()}
            arrays |= {"running " + name: summary(name, value) for name, value in statistics.items()}
            return frames, arrays, float(difference)
    raise SystemExit("no number of frames gives the same gradients in 32 and in 64 bits")


def times(shape):
    return "x".join(map(str, shape))


def save(name, arrays):
    arrays = {key: np.ascontiguousarray(array, np.float32) for key, array in arrays.items()}
    safetensors.numpy.save_file(arrays, HERE / f"{name}.safetensors")


def put(model):
    """Gives the model the weights by formula."""
    state = model.state_dict()
    for name, value in state.items():
        if value.ndim:
            value.copy_(torch.from_numpy(weight(name, tuple(value.shape))))


def main():
    (HERE / "counts.json").write_text(json.dumps(all_counts(), indent=1) + "\n")
    thin = {"groups": 1, "base_width": 64, "stem": {"channels": 6, "kernel": 7, "stride": 2, "max_pool": True}}
    small = {
        "resnet_nano": config("RESNET_NANO"),
        "resnext_nano": config("RESNEXT_NANO"),
        "thin_basic": {**thin, "block": "Basic", "layers": [2, 1, 1, 1], "channels": [4, 6, 8, 10]},
        "thin_bottleneck": {**thin, "block": "Bottleneck", "layers": [1, 2, 1, 1], "channels": [4, 5, 6, 7]},
        "thin_groups": {
            "block": "Bottleneck",
            "layers": [1, 1, 2, 1],
            "channels": [4, 8, 8, 12],
            "groups": 2,
            "base_width": 32,
            "stem": {"channels": 4, "kernel": 3, "stride": 1, "max_pool": False},
        },
    }
    cases, differences = [], {}
    targets = [[0.7 * (c == 3 * row) + 0.3 * (c == row + 4) for c in range(CLASSES)] for row in range(4)]
    for name, settings in small.items():
        model = build(settings)
        put(model)
        case = {"name": name, "config": settings, "inputs": [[1, 3, 64, 150], [2, 3, 128, 301]], "targets": targets}
        if name == "thin_basic":
            # One case has its weights in a file, as torch's users keep them: half the size, with counters of batches.
            case["weights"] = "thin_basic_weights.safetensors"
            model.bfloat16()
            safetensors.torch.save_file(model.state_dict(), HERE / case["weights"])
        frames, arrays, differences[name] = stable_step(model, targets)
        case["step"] = [len(targets), 3, 64, frames]
        save(name, logits(model, case["inputs"]) | arrays)
        cases.append(case)
    for name in BY_BOTH + BY_TIMM:
        model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
        put(model)
        case = {"name": name, "inputs": [[1, 3, 224, 224], [2, 3, 64, 150]]}
        save(name, logits(model, case["inputs"]))
        cases.append(case)
    (HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    versions = {library.__name__: str(library.__version__) for library in (np, timm, torch, torchvision)}
    versions["greatest relative difference of timm's gradients in 32 bits"] = differences
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
