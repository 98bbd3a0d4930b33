"""The peer of `families.rs`: timm's networks in PyTorch, a step of SGD on one batch, bf16 autocast, channels last.

python families.py DEVICE BATCH NAME...; prints crops/s of eager mode and of torch.compile. Needs torch and timm.
"""

import sys
import time

import timm
import torch

TIMM = {"xception": "legacy_xception", "se_resnext50_32x4d": "legacy_seresnext50_32x4d"}


def steps_per_second(network, crops, targets, optimizer, steps):
    def step():
        with torch.autocast(crops.device.type, torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(network(crops), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(5):
        step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    return steps / (time.perf_counter() - start)


def main():
    device, batch, *names = sys.argv[1:]
    batch = int(batch)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    print(f"{'network':24} {'eager':>8} {'compile':>8}  crops/s")
    for name in names:
        speeds = []
        for compiled in [False, True]:
            network = timm.create_model(TIMM.get(name, name), in_chans=3, num_classes=41).to(device)
            network = network.to(memory_format=torch.channels_last).train()
            optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4, fused=True)
            crops = torch.randn(batch, 3, 64, 150, device=device).to(memory_format=torch.channels_last)
            targets = torch.rand(batch, 41, device=device).softmax(1)
            step = torch.compile(network) if compiled else network
            speeds.append(batch * steps_per_second(step, crops, targets, optimizer, 48))
        print(f"{name:24} {speeds[0]:8.0f} {speeds[1]:8.0f}", flush=True)


if __name__ == "__main__":
    main()
