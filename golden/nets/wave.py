"""The wave networks of the paper's authors, our own transcript: a front end with three scales turns
the sound into a picture for timm's ResNet or ResNeXt."""

import torch
from timm.models.resnet import ResNet
from torch import nn
from torch.nn import functional


class Branch(nn.Module):
    """`[batch, 1, 1, samples]` to `[batch, rows, 1, samples // (stride * pool)]`."""

    def __init__(self, rows, kernel, stride, pool):
        super().__init__()
        # As many zeros as needed for a length of `samples // stride`.
        self.padding = (kernel // 2, kernel // 2 - (stride - 1))
        self.conv1 = nn.Conv2d(1, rows, (1, kernel), (1, stride), bias=False)
        self.bn1 = nn.BatchNorm2d(rows)
        self.conv2 = nn.Conv2d(rows, rows, (1, 3), padding=(0, 1), bias=False)
        self.bn2 = nn.BatchNorm2d(rows)
        self.pool = nn.MaxPool2d((1, pool))

    def forward(self, x):
        x = functional.pad(x, self.padding)
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        return self.pool(x)


class Front(nn.Module):
    """`[batch, 1, 1, samples]` to a picture `[batch, 1, 3 * rows, samples // 150]`."""

    def __init__(self, rows):
        super().__init__()
        self.branch1 = Branch(rows, 11, 1, 150)
        self.branch2 = Branch(rows, 51, 5, 30)
        self.branch3 = Branch(rows, 101, 10, 15)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        branches = [self.branch1(x), self.branch2(x), self.branch3(x)]
        return torch.cat(branches, 1).permute(0, 2, 1, 3)


class WaveResNet(ResNet):
    """timm's ResNet with one input channel after the front end; its parameters keep their names."""

    def __init__(self, *arguments, in_chans=1, rows=32, **settings):
        assert in_chans == 1, "sound has one channel"
        super().__init__(*arguments, in_chans=1, **settings)
        self.front = Front(rows)

    def forward(self, x):
        return super().forward(self.front(x))
