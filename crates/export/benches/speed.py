"""Prints size, time to load and time per sound of exported models: speed.py THREADS MODEL ...

Needs numpy and onnxruntime. The sound is 10 s of noise; the time is the best of ten.
"""

import os
import sys
import time

import numpy
import onnxruntime

for path in sys.argv[2:]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[1])
    start = time.perf_counter()
    model = onnxruntime.InferenceSession(path, options)
    load = time.perf_counter() - start
    rate = int(model.get_modelmeta().custom_metadata_map["sample_rate"])
    samples = numpy.random.default_rng(0).standard_normal(10 * rate).astype("float32") * 0.1
    times = []
    for _ in range(11):
        start = time.perf_counter()
        model.run(["scores"], {"samples": samples})
        times.append(time.perf_counter() - start)
    size = os.path.getsize(path) / 1e6
    print(f"{path}: {size:.1f} MB, loaded in {load:.2f} s, {1e3 * min(times[1:]):.1f} ms for 10 s of sound")
