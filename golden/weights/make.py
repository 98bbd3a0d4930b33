"""Files of weights as PyTorch and timm write them, and some that request code to be run.

Run: python golden/weights/make.py

`thin.safetensors`   the contents of the files `thin*`, in 32 bits
`thin.pth`           the names and arrays at the top level, as in timm's releases
`thin_legacy.pth`    the same in PyTorch's format before 1.6, as in torchvision's older files and
                     PANNs' (it numbers arrays by their addresses, so its bytes vary)
`thin_panns.pth`     under the key `model`, with the constants of PANNs' front end, also in the
                     older format
`thin_checkpoint.pth` under the key `state_dict`, with an optimizer's state and arguments, as saved
                     by timm's training
`resnet_nano.pth`    a complete network with 10 classes, in 16 bits
`one_channel.safetensors`   timm's conversion of its first convolution to one channel
`endless.pth`        a value that is declared a billion times
`published.json`     the locations of timm's weights of the families, and their licenses
`call_*.pth`         calls of `os.system` and `eval` in three places
"""

import argparse
import json
import os
import re
from pathlib import Path

import numpy as np
import safetensors.torch
import timm
import torch
from timm.models import adapt_input_conv
from timm.models.resnet import BasicBlock, ResNet

HERE = Path(__file__).parent


def resnet(channels, classes):
    """timm's class with `conv1` replaced as in our own `resnet_nano`."""
    model = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes, channels=channels, stem_type="deep", stem_width=channels[0] // 2)
    model.conv1 = torch.nn.Conv2d(3, channels[0], 3, 2, 1, bias=False)
    for buffer in (buffer for buffer in model.buffers() if buffer.ndim):
        buffer.uniform_(0.5, 1.5)
    return model


def save(name, value, old=False):
    torch.save(value, HERE / name, _use_new_zipfile_serialization=not old)


def published():
    """Selects timm's names of weights: `resnet18.tv_in1k` and so on."""
    families = r"((legacy_)?(se|wide_)?resne(x?)t[0-9_xd]+|(legacy_)?xception\d*|dpn\w+)[.](\w+_)?in1k"
    names = [name for name in timm.list_pretrained() if re.fullmatch(families, name) and "_ft_" not in name]
    configs = {name: timm.get_pretrained_cfg(name) for name in names}
    return {name: [config.hf_hub_id or config.url, config.license] for name, config in configs.items()}


class Call:
    """Requests a call when it is unpickled."""

    def __init__(self, call, text):
        self.call = (call, (text,))

    def __reduce__(self):
        return self.call


def main():
    torch.manual_seed(2018)
    model = resnet([2, 3, 4, 5], 3)
    state = model.state_dict()
    safetensors.torch.save_file(state, HERE / "thin.safetensors")
    save("thin.pth", state)
    save("thin_legacy.pth", state, old=True)
    constants = {"spectrogram_extractor.stft.conv_real.weight": torch.ones(3, 1, 4), "logmel_extractor.melW": torch.ones(3, 2)}
    save("thin_panns.pth", {"iteration": 5, "model": constants | state}, old=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    beside = {"optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=0.1), "metric": np.float64(0.5), "epoch": 3}
    save("thin_checkpoint.pth", {"state_dict": state, **beside})

    # With few different values, to keep the repository small.
    nano = resnet([16, 32, 64, 128], 10)
    with torch.no_grad():
        for parameter in nano.parameters():
            parameter.copy_(torch.randint(-7, 8, parameter.shape) / 64)
    nano = {name: value.bfloat16() if value.ndim else value for name, value in nano.state_dict().items()}
    save("resnet_nano.pth", nano)
    one = adapt_input_conv(1, nano["conv1.weight"].float())
    safetensors.torch.save_file({"conv1.weight": one}, HERE / "one_channel.safetensors")

    save("endless.pth", {"fc.weight": torch.zeros(1).expand(10**9)})
    system, evaluate = Call(os.system, "touch called"), Call(eval, "open('called', 'w')")
    save("call_top.pth", system)
    save("call_beside.pth", state | {"fc.note": system})
    save("call_old.pth", {"model": state, "note": [{"a": evaluate}]}, old=True)

    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in published().items())
    (HERE / "published.json").write_text(f"{{\n{lines}\n}}\n")
    versions = {library.__name__: str(library.__version__) for library in (np, safetensors, timm, torch)}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
