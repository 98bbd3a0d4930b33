"""MobileNetV3 as the EfficientAT networks have it (Schmid, Koutini, Widmer 2023): torchvision's
blocks with squeeze and excitation by linear layers and a sigmoid, another batch norm, and a head of
two linear layers. Parameters have the names of the authors' files. Dropout is omitted, as in ours."""

from functools import partial

from torch import nn
from torchvision.ops.misc import Conv2dNormActivation

# Kernel, expanded channels, output channels, squeeze and excitation, hard swish, stride: Howard et
# al. 2019, table 1.
LARGE = [
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
]
NANO = [
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (5, 72, 40, True, False, 2),
    (3, 160, 64, False, True, 2),
    (5, 256, 64, True, True, 1),
]


def divisible(value):
    """torchvision's `_make_divisible` for multiples of 8."""
    nearest = max(8, int(value + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * value else nearest


class SqueezeExcitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Linear(channels, divisible(channels // 4))
        self.fc2 = nn.Linear(self.fc1.out_features, channels)

    def forward(self, x):
        scale = self.fc2(self.fc1(x.mean((2, 3))).relu()).sigmoid()
        return x * scale[:, :, None, None]


class ConcurrentSEBlock(nn.Module):
    """The authors' container, which can also squeeze bands and frames."""

    def __init__(self, channels):
        super().__init__()
        self.conc_se_layers = nn.ModuleList([SqueezeExcitation(channels)])

    def forward(self, x):
        return self.conc_se_layers[0](x)


class InvertedResidual(nn.Module):
    def __init__(self, inputs, kernel, expanded, outputs, squeeze, hard_swish, stride, norm):
        super().__init__()
        self.is_residual = stride == 1 and inputs == outputs
        layer = partial(
            Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish if hard_swish else nn.ReLU
        )
        layers = [layer(inputs, expanded, 1)] if expanded != inputs else []
        layers.append(layer(expanded, expanded, kernel, stride, groups=expanded))
        if squeeze:
            layers.append(ConcurrentSEBlock(expanded))
        layers.append(Conv2dNormActivation(expanded, outputs, 1, norm_layer=norm, activation_layer=None))
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        return self.block(x) + x if self.is_residual else self.block(x)


class MobileNet(nn.Module):
    def __init__(self, channels, classes, width=1.0, blocks=LARGE, momentum=0.01):
        super().__init__()
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=momentum)
        scaled = [divisible(width * block[2]) for block in blocks]
        sources = [divisible(width * 16), *scaled]
        stem = Conv2dNormActivation(channels, sources[0], 3, 2, norm_layer=norm, activation_layer=nn.Hardswish)
        body = [
            InvertedResidual(inputs, kernel, divisible(width * expanded), outputs, *rest, norm)
            for inputs, outputs, (kernel, expanded, _, *rest) in zip(sources, scaled, blocks)
        ]
        last = 6 * scaled[-1]
        top = Conv2dNormActivation(scaled[-1], last, 1, norm_layer=norm, activation_layer=nn.Hardswish)
        self.features = nn.Sequential(stem, *body, top)
        hidden = divisible(width * 1280)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(last, hidden),
            nn.Hardswish(),
            nn.Identity(),
            nn.Linear(hidden, classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.classifier(self.features(x))


def build(name, channels, classes):
    if name == "mn_nano":
        return MobileNet(channels, classes, 1.0, NANO, 0.1)
    return MobileNet(channels, classes, int(name.removeprefix("mn")) / 10)
