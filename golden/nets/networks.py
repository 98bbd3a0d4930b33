"""Every network of Earmark's registry, built with the reference libraries. Their sizes are repeated
here, to detect errors in ours."""

from functools import partial

import timm
import torch
import torchvision
from timm.models.dpn import DPN
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.xception import Block, SeparableConv2d
from torch import nn

import mn
from cnn14 import Cnn14
from wave import WaveResNet

BY_TORCHVISION = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2"),
    *("resnext50_32x4d", "resnext101_64x4d", "resnext101_32x8d"),
]
BY_TIMM = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2"),
    *("resnext50_32x4d", "resnext101_32x4d", "resnext101_64x4d", "resnext101_32x8d"),
    *("seresnet50", "legacy_seresnet50"),
    *("seresnext50_32x4d", "seresnext101_32x4d", "legacy_seresnext50_32x4d", "legacy_seresnext101_32x4d"),
    *("legacy_xception", "xception41"),
    *("dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131"),
]
NANO_STEM = {"kernel": 3, "stride": 2, "max_pool": True}
RESNETS = {
    "resnet_nano": {
        "block": "Basic",
        "layers": [1, 1, 1, 1],
        "channels": [16, 32, 64, 128],
        "groups": 1,
        "base_width": 64,
        "stem": {"channels": 16, **NANO_STEM},
    },
    "resnext_nano": {
        "block": "Bottleneck",
        "layers": [1, 1, 1, 1],
        "channels": [8, 16, 32, 64],
        "groups": 8,
        "base_width": 32,
        "stem": {"channels": 32, **NANO_STEM},
    },
}
RESNETS["seresnext_nano"] = {**RESNETS["resnext_nano"], "squeeze_excite": True}
# Variants of a ResNet that are not in the registry, with few parameters.
THIN_STEM = {"channels": 6, "kernel": 7, "stride": 2, "max_pool": True}
THIN = {
    "thin_basic": {
        "block": "Basic",
        "layers": [2, 1, 1, 1],
        "channels": [4, 6, 8, 10],
        "groups": 1,
        "base_width": 64,
        "stem": THIN_STEM,
    },
    "thin_bottleneck": {
        "block": "Bottleneck",
        "layers": [1, 2, 1, 1],
        "channels": [4, 5, 6, 7],
        "groups": 1,
        "base_width": 64,
        "stem": THIN_STEM,
    },
    "thin_groups": {
        "block": "Bottleneck",
        "layers": [1, 1, 2, 1],
        "channels": [4, 8, 8, 12],
        "groups": 2,
        "base_width": 32,
        "stem": {"channels": 4, "kernel": 3, "stride": 1, "max_pool": False},
    },
}
WAVE_BODIES = {
    "wave_resnet50": {"block": Bottleneck, "layers": (3, 4, 6, 3)},
    "wave_resnet101": {"block": Bottleneck, "layers": (3, 4, 23, 3)},
    "wave_resnext50_32x4d": {"block": Bottleneck, "layers": (3, 4, 6, 3), "cardinality": 32, "base_width": 4},
    "wave_resnext101_32x4d": {"block": Bottleneck, "layers": (3, 4, 23, 3), "cardinality": 32, "base_width": 4},
}
WAVE_NANO = {"wave_resnet_nano": "resnet_nano", "wave_resnext_nano": "resnext_nano"}
NANO = ["resnet_nano", "resnext_nano", "seresnext_nano", "xception_nano", "dpn_nano", *WAVE_NANO, "cnn14_nano", "mn_nano"]
MOBILE = ["mn01", "mn02", "mn04", "mn05", "mn10", "mn20", "mn30", "mn40"]
NAMES = [*BY_TIMM, *WAVE_BODIES, "cnn14", *MOBILE, *NANO]


def resnet(config, channels, classes, network=ResNet):
    """timm's class with our stem instead of timm's (64 wide or three convolutions deep)."""
    stem = config["stem"]
    model = network(
        {"Basic": BasicBlock, "Bottleneck": Bottleneck}[config["block"]],
        config["layers"],
        in_chans=channels,
        num_classes=classes,
        cardinality=config["groups"],
        base_width=config["base_width"],
        channels=config["channels"],
        stem_type="deep",
        stem_width=stem["channels"] // 2,
        block_args={"attn_layer": "se"} if config.get("squeeze_excite") else {},
    )
    kernel = stem["kernel"]
    model.conv1 = nn.Conv2d(channels, stem["channels"], kernel, stem["stride"], kernel // 2, bias=False)
    if not stem["max_pool"]:
        model.maxpool = nn.Identity()
    return model


class XceptionNano(nn.Module):
    """`legacy_xception` with fewer and thinner blocks of the same parts."""

    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.block1 = Block(32, 64, 2, 2, start_with_relu=False)
        self.block2 = Block(64, 128, 2, 2)
        self.block3 = Block(128, 192, 2, 2)
        self.block4 = Block(192, 192, 3, 1)
        self.block5 = Block(192, 256, 2, 2, grow_first=False)
        self.conv3 = SeparableConv2d(256, 320, 3, 1, 1)
        self.bn3 = nn.BatchNorm2d(320)
        self.conv4 = SeparableConv2d(320, 384, 3, 1, 1)
        self.bn4 = nn.BatchNorm2d(384)
        self.fc = nn.Linear(384, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        for block in (self.block1, self.block2, self.block3, self.block4, self.block5):
            x = block(x)
        x = self.bn3(self.conv3(x)).relu()
        x = self.bn4(self.conv4(x)).relu()
        return self.fc(x.mean((2, 3)))


def build(name, channels=3, classes=10):
    """A network by its name in the registry, or a thin one, before training."""
    if name in RESNETS or name in THIN:
        return resnet((RESNETS | THIN)[name], channels, classes)
    if name in WAVE_BODIES:
        return WaveResNet(**WAVE_BODIES[name], num_classes=classes, zero_init_last=False)
    if name in WAVE_NANO:
        return resnet(RESNETS[WAVE_NANO[name]], 1, classes, network=partial(WaveResNet, rows=16))
    if name == "xception_nano":
        return XceptionNano(channels, classes)
    if name == "dpn_nano":
        small = {"small": True, "num_init_features": 16, "k_r": 32, "groups": 8}
        return DPN(**small, k_sec=(1, 1, 1, 1), inc_sec=(8, 16, 16, 32), in_chans=channels, num_classes=classes)
    if name.startswith("mn"):
        return mn.build(name, channels, classes)
    if name == "cnn14":
        return Cnn14(channels, classes)
    if name == "cnn14_nano":
        return Cnn14(channels, classes, widths=(8, 16, 32, 64, 96, 160))
    # timm's own classes initialize the last batch norm of a branch to 0, torchvision's and ours
    # to 1.
    resnets = {"zero_init_last": False} if "resne" in name and not name.startswith("legacy_") else {}
    return timm.create_model(name, pretrained=False, in_chans=channels, num_classes=classes, drop_rate=0.0, **resnets)


def by_torchvision(name):
    return torchvision.models.get_model(name, weights=None)


def is_wave(name):
    return name.startswith("wave_")


def is_cnn14(name):
    return name.startswith("cnn14")


def input_channels(name):
    return 1 if is_wave(name) else 3


def input_sizes(name):
    """The heights and widths of the inputs for which a network is compared."""
    if is_wave(name):
        return [(1, 66150), (1, 30011)]
    return [(64, 150), (64, 301)] if is_cnn14(name) else [(64, 150), (128, 301), (224, 224)]
