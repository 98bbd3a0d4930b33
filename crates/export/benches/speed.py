"""Prints what an exported model needs for noise: speed.py THREADS MODEL [SECONDS]

Needs numpy and onnxruntime. Size, time to load, the best time of ten runs for 10 s of sound (by
default; of one run for longer sounds), and the peak memory of the process.
"""

import os
import resource
import sys
import time

import numpy
import onnxruntime

threads, path = int(sys.argv[1]), sys.argv[2]
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10.0
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
start = time.perf_counter()
model = onnxruntime.InferenceSession(path, options)
load = time.perf_counter() - start
rate = int(model.get_modelmeta().custom_metadata_map["sample_rate"])
samples = numpy.random.default_rng(0).standard_normal(int(seconds * rate), dtype="float32")
samples *= 0.1
times = []
for _ in range(11 if seconds <= 10 else 1):
    start = time.perf_counter()
    model.run(["scores"], {"samples": samples})
    times.append(time.perf_counter() - start)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
best = 1e3 * min(times)
print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB, loaded in {load:.2f} s")
print(f"{seconds:g} s of sound ({samples.nbytes / 1e6:.0f} MB): {best:.1f} ms, {memory:.0f} MB in all")
