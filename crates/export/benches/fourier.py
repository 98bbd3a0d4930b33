"""Times four ways to compute power spectra in ONNX Runtime: fourier.py [THREADS]

Needs numpy, onnx and onnxruntime. Each way transforms 10 s of noise; the error is relative to the
largest power of NumPy's transform in 64 bits.
"""

import math
import sys
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node


def model(nodes, weights):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "spectrum", [x], [y], weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def operator(n_fft, hop, window):
    nodes = [
        node("Unsqueeze", ["x", "zero"], ["row"]),
        node("STFT", ["row", "hop", "window", "n_fft"], ["s"]),
        node("ReduceSumSquare", ["s"], ["y"], axes=[3], keepdims=0),
    ]
    weights = {"zero": [0], "hop": hop, "window": window.astype("f4"), "n_fft": n_fft}
    return model(nodes, weights), lambda y: y[0].T


def matrix(n_fft, window):
    angles = 2 * np.pi * (np.outer(np.arange(n_fft // 2 + 1), np.arange(n_fft)) % n_fft) / n_fft
    return (np.concatenate([np.cos(angles), -np.sin(angles)]) * window).astype("f4")


def convolution(n_fft, hop, window):
    nodes = [
        node("Reshape", ["x", "image"], ["row"]),
        node("Conv", ["row", "filters"], ["c"], strides=[hop]),
        node("Reshape", ["c", "pairs"], ["p"]),
        node("ReduceSumSquare", ["p"], ["y"], axes=[0], keepdims=0),
    ]
    weights = {"image": [1, 1, -1], "filters": matrix(n_fft, window)[:, None], "pairs": [2, n_fft // 2 + 1, -1]}
    return model(nodes, weights), lambda y: y


def frames(n_fft, hop, samples):
    """The frames, gathered in blocks as in crates/export/src/spectrum.rs."""
    block = math.gcd(n_fft, hop)
    count = 1 + (samples - n_fft) // hop
    index = np.arange(count)[:, None] * (hop // block) + np.arange(n_fft // block)
    nodes = [
        node("Slice", ["x", "zero", "end"], ["used"]),
        node("Reshape", ["used", "blocks"], ["rows"]),
        node("Gather", ["rows", "index"], ["gathered"]),
        node("Reshape", ["gathered", "flat"], ["frames"]),
    ]
    end = (count - 1) * hop + n_fft
    return nodes, {"zero": [0], "end": [end], "blocks": [-1, block], "index": index, "flat": [-1, n_fft]}


def one_matrix(n_fft, hop, window, samples):
    nodes, weights = frames(n_fft, hop, samples)
    nodes += [
        node("MatMul", ["frames", "matrix"], ["c"]),
        node("Reshape", ["c", "pairs"], ["p"]),
        node("ReduceSumSquare", ["p"], ["y"], axes=[1], keepdims=0),
    ]
    weights |= {"matrix": matrix(n_fft, window).T.copy(), "pairs": [-1, 2, n_fft // 2 + 1]}
    return model(nodes, weights), lambda y: y.T


def two_matrices(n_fft, hop, window, samples):
    nodes, weights = frames(n_fft, hop, samples)
    factors = [p for p in range(1, n_fft + 1) if n_fft % p == 0]
    p = min(factors, key=lambda p: (p // 2 + 1) * (2 * n_fft + 4 * (n_fft // p) ** 2))
    q, half = n_fft // p, p // 2 + 1
    first = 2 * np.pi * (np.outer(np.arange(half), np.arange(p)) % p) / p
    first = np.stack([np.cos(first), -np.sin(first)], 1).reshape(2 * half, p)
    i, k, second = np.arange(q)[None, :, None], np.arange(half)[:, None, None], np.arange(q)[None, None]
    angles = 2 * np.pi * ((i * k + p * i * second) % n_fft) / n_fft
    cosine, sine = np.cos(angles), -np.sin(angles)
    top, bottom = np.concatenate([cosine, sine], 2), np.concatenate([-sine, cosine], 2)
    nodes += [
        node("Mul", ["frames", "window"], ["windowed"]),
        node("Reshape", ["windowed", "grid"], ["g"]),
        node("MatMul", ["first", "g"], ["a"]),
        node("Reshape", ["a", "inner"], ["b"]),
        node("Transpose", ["b"], ["c"], perm=[1, 0, 2]),
        node("MatMul", ["c", "second"], ["d"]),
        node("Reshape", ["d", "pairs"], ["e"]),
        node("ReduceSumSquare", ["e"], ["y"], axes=[2], keepdims=0),
    ]
    weights |= {"window": window.astype("f4"), "grid": [-1, p, q], "first": first.astype("f4")}
    weights |= {"inner": [-1, half, 2 * q], "pairs": [half, -1, 2, q]}
    weights["second"] = np.concatenate([top, bottom], 1).astype("f4")
    bins = np.arange(n_fft // 2 + 1)
    bins = np.where(bins % p < half, bins, n_fft - bins)
    return model(nodes, weights), lambda y: y[bins % p, :, bins // p]


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for rate, n_fft, hop in [(32_000, 1_024, 320), (22_050, 1_764, 220), (22_050, 512, 110)]:
        x = np.random.default_rng(0).standard_normal(10 * rate).astype("f4") * 0.1
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        rows = np.lib.stride_tricks.sliding_window_view(x.astype("f8"), n_fft)[::hop]
        reference = np.abs(np.fft.rfft(rows * window)).T ** 2
        ways = {
            "STFT": operator(n_fft, hop, window),
            "Conv": convolution(n_fft, hop, window),
            "one matrix": one_matrix(n_fft, hop, window, len(x)),
            "two matrices": two_matrices(n_fft, hop, window, len(x)),
        }
        for name, (bytes_, ordered) in ways.items():
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            session = onnxruntime.InferenceSession(bytes_, options)
            error = np.abs(ordered(session.run(None, {"x": x})[0]) - reference).max() / reference.max()
            times = []
            for _ in range(10):
                start = time.perf_counter()
                session.run(None, {"x": x})
                times.append(time.perf_counter() - start)
            print(f"{rate} Hz, n_fft {n_fft}, hop {hop}: {name:12} {1e3 * min(times):6.1f} ms, error {error:.1e}")


main()
