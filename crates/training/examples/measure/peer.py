"""The peer of `measure speed`: the reference networks in PyTorch, with steps of SGD on one batch
that stays on the device, autocast to bf16, channels last, by themselves (eager) and by
torch.compile.

python peer.py DEVICE NETWORK [--batch 128] [--steps 24] [--rounds 3] [--wait | --eager | --profile]

Prints one JSON object per line: first whether torch.compile works, then crops per second. With
--wait it waits for a line on stdin in between, so that several peers can compile at once and
measure in turn; with --eager it does not compile. With --profile it prints the time of each
operation and kernel in three steps of eager mode, and nothing else. Needs torch and timm.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
# The reference networks are beside this file, or in their place in a checkout.
sys.path[:0] = [str(HERE / "nets"), str(HERE / "../../../../golden/nets")]

CLASSES = 41
# The first steps choose algorithms.
WARM_UP = 5


class Peer:
    def __init__(self, options, compiled):
        from networks import build, input_channels, is_wave

        device, name = options.device, options.network
        network = build(name, input_channels(name), CLASSES).to(device)
        network = network.to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=1e-4, fused=True)
        sides = (1, 66150) if is_wave(name) else (64, 150)
        crops = torch.randn(options.batch, input_channels(name), *sides, device=device)
        self.crops = crops.to(memory_format=torch.channels_last)
        self.targets = torch.rand(options.batch, CLASSES, device=device).softmax(1)
        self.network = torch.compile(network) if compiled else network

    def step(self):
        with torch.autocast(self.crops.device.type, torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(self.network(self.crops), self.targets)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def steps(self, count):
        """Seconds that these steps take."""
        self.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            self.step()
        self.synchronize()
        return time.perf_counter() - start

    def synchronize(self):
        if self.crops.is_cuda:
            torch.cuda.synchronize()

    def crops_per_second(self, options):
        self.steps(WARM_UP)
        seconds = [self.steps(options.steps) for _ in range(options.rounds)]
        return options.batch * options.steps / statistics.median(seconds)


def profile(peer):
    from torch.profiler import ProfilerActivity

    is_cuda = peer.crops.is_cuda
    peer.steps(WARM_UP)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with torch.profiler.profile(activities=activities) as result:
        peer.steps(3)
    order = "self_cuda_time_total" if is_cuda else "self_cpu_time_total"
    return result.key_averages().table(sort_by=order, row_limit=40, max_name_column_width=90)


def free_memory():
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")

    if options.profile:
        print(profile(Peer(options, False)))
        return
    compiled, report, start = None, {"compiled": not options.eager}, time.perf_counter()
    try:
        if not options.eager:
            compiled = Peer(options, True)
            compiled.steps(WARM_UP)
    except Exception as error:  # noqa: BLE001, the reason is part of the result
        compiled, report = None, {"compiled": False, "reason": f"{type(error).__name__}: {error}".strip()[:400]}
    report["seconds"] = time.perf_counter() - start
    free_memory()
    print(json.dumps(report), flush=True)
    # Without a line, whoever was to send it is gone.
    if options.wait and not sys.stdin.readline():
        return

    eager = Peer(options, False).crops_per_second(options)
    free_memory()
    result = {"network": options.network, "batch": options.batch, "eager": eager, "compile": None}
    if compiled:
        result["compile"] = compiled.crops_per_second(options)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
