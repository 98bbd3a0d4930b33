"""Properties of networks before training: parameters, FLOPs, and the initialization."""

import hashlib

import fvcore.nn
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import networks

# One network for each kind of initialization.
STARTS_BY_TORCHVISION = ["resnet18", "resnext50_32x4d"]
STARTS = ["seresnext50_32x4d", "legacy_seresnet50", "legacy_xception", "xception41", "dpn68", "cnn14", "mn04"]


def times(shape):
    return "x".join(map(str, shape))


def parameters(model):
    state = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    lines = sorted(f"{name} {list(value.shape)}\n" for name, value in state.items())
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "arrays": len(lines),
        "sha256 of sorted lines 'name shape'": hashlib.sha256("".join(lines).encode()).hexdigest(),
    }


def flops(model, shape):
    """Multiply-adds in convolutions and linear layers, as papers count them, by two counters.
    fvcore's counts for batch norm and pooling are excluded: it counts two per value there,
    although a multiply-add counts as one here."""
    x = torch.zeros(shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(x)
    operators = fvcore.nn.FlopCountAnalysis(model, x).by_operator()
    # Torch counts a multiply-add as two.
    return {"torch": counter.get_total_flops() // 2, "fvcore": int(operators["conv"] + operators["linear"])}


def flop_shapes(name):
    if networks.is_wave(name):
        return [(1, 1, 1, 66150)]
    return [(1, 1, 64, 301), (1, 3, 64, 150)] if networks.is_cnn14(name) else [(1, 3, 64, 150), (1, 3, 224, 224)]


def all_counts(names=networks.NAMES):
    table = {}
    for name in names:
        model = networks.build(name, networks.input_channels(name), 1000)
        table[name] = {"timm" if name in networks.BY_TIMM else "golden/nets": parameters(model)}
        if name in networks.BY_TORCHVISION:
            table[name]["torchvision"] = parameters(networks.by_torchvision(name))
        models = {shape: networks.build(name, shape[1], 1000) for shape in flop_shapes(name)}
        table[name]["flops"] = {times(shape): flops(model, shape) for shape, model in models.items()}
    return table


class Starts(TorchDispatchMode):
    """Records how arrays are filled, by their addresses."""

    KINDS = {"normal_": "normal", "uniform_": "uniform", "fill_": "constant", "zero_": "constant"}

    def __init__(self):
        super().__init__()
        self.of = {}

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        kind = self.KINDS.get(function.overloadpacket.__name__)
        if kind:
            values = [float(f"{value:.7g}") for value in arguments[1:3]] or [0.0]
            self.of[arguments[0].data_ptr()] = [kind, *values]
        return function(*arguments, **(settings or {}))


def starts(make):
    """The initialization of each parameter: normal (mean, standard deviation), uniform (bounds) or
    constant (value)."""
    with Starts() as starts:
        model = make()
    return {name: starts.of[parameter.data_ptr()] for name, parameter in model.named_parameters()}


def all_starts():
    table = {name: starts(lambda: networks.by_torchvision(name)) for name in STARTS_BY_TORCHVISION}
    return table | {name: starts(lambda: networks.build(name, 3, 1000)) for name in STARTS}
