"""CNN14 (Kong et al. 2020, arXiv 1912.10211), our own transcript with the parameter names of the
authors' checkpoints: from the log-mel features to the logits, without dropout."""

import torch
from torch import nn
from torch.nn import functional

MELS = 64


class ConvBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.bn2(self.conv2(x)).relu()


class Cnn14(nn.Module):
    def __init__(self, channels, classes, widths=(64, 128, 256, 512, 1024, 2048)):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(MELS)
        for index, (inputs, outputs) in enumerate(zip((channels, *widths), widths), start=1):
            self.add_module(f"conv_block{index}", ConvBlock(inputs, outputs))
        self.fc1 = nn.Linear(widths[-1], widths[-1])
        self.fc_audioset = nn.Linear(widths[-1], classes)
        # The authors' initialization.
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x):
        """`[batch, channels, mels, frames]`, like Earmark's features, to `[batch, classes]`."""
        x = x.transpose(2, 3)
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        for index in range(1, 6):
            x = functional.avg_pool2d(self.get_submodule(f"conv_block{index}")(x), 2)
        x = self.conv_block6(x).mean(3)
        x = x.amax(2) + x.mean(2)
        return self.fc_audioset(self.fc1(x).relu())
