"""The peer of `engines.rs`: the same work in PyTorch and torchvision, channels-last, on this machine.

    python crates/tagging/benches/engines.py [THREADS]

Written for torch 2.11.0 and torchvision 0.26.0.
"""

import sys
import time

import torch
import torchvision

BATCH = 16


def train(build, bf16):
    torch.manual_seed(0)
    net = build(num_classes=41).to(memory_format=torch.channels_last)
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    x = torch.randn(BATCH, 3, 64, 150).to(memory_format=torch.channels_last)
    y = torch.softmax(torch.randn(BATCH, 41), 1)
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(8):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = net(x)
            loss = -(y * torch.log_softmax(logits.float(), 1)).sum(1).mean()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        best = max(best, 8 * BATCH / (time.perf_counter() - start))
    return best


def infer(build, batch):
    net = build(num_classes=41).eval().to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 64, 150).to(memory_format=torch.channels_last)
    best = 0.0
    with torch.inference_mode():
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(32 // batch):
                net(x)
            best = max(best, 32 / (time.perf_counter() - start))
    return best


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    print(f"crops of 3x64x150 per second, PyTorch {torch.__version__}, {threads} threads")
    print(f"{'':<18} {'train f32':>10} {'train bf16':>10} {'infer, 1':>10} {'infer, 16':>10}")
    for name in ("resnet50", "resnext50_32x4d"):
        build = getattr(torchvision.models, name)
        speeds = train(build, False), train(build, True), infer(build, 1), infer(build, BATCH)
        print(f"{name:<18} " + " ".join(f"{speed:>10.1f}" for speed in speeds))


if __name__ == "__main__":
    main()
