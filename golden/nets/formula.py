"""Numbers by formula, the same bits in Python and in Rust (`crates/training/tests/common/mod.rs`),
so that no file needs to store the weights and inputs of the compared networks."""

import math

import numpy as np


def uniform(name, shape):
    """Uniform in [-1, 1): the upper 24 bits of splitmix64, seeded with FNV-1a of the name."""
    with np.errstate(over="ignore"):
        state = np.uint64(0xCBF29CE484222325)
        for byte in name.encode():
            state = (state ^ np.uint64(byte)) * np.uint64(0x100000001B3)
        z = state + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1)).reshape(shape)


def weight(name, shape):
    """A parameter by name and shape: no value is 0, and no layer scales its input much. The gates
    in the blocks of MobileNet make values smaller, until all rows look alike, so there the weights
    are larger."""
    values = uniform(name, shape)
    if len(shape) > 1:
        gain = 1.25 if ".block." in name else 1.0
        return values * np.float32(gain * math.sqrt(3 / math.prod(shape[1:])))
    batch_norm_scale = name.endswith(".weight") or name.endswith(".running_var")
    return values * np.float32(0.25) + np.float32(batch_norm_scale)


def network_input(shape):
    """An input with different rows: noise, and a separate level for each square of 16 by 16, or for
    each 8192 samples of a wave."""
    batch, channels, height, width = shape
    side = 8192 if height == 1 else 16
    squares = (batch, channels, -(-height // 16), -(-width // side))
    levels = uniform("levels", squares).repeat(16, axis=2).repeat(side, axis=3)[:, :, :height, :width]
    return uniform("noise", shape) + np.float32(2) * levels


def summary(name, values):
    """The length of an array and its dot products with two arrays by formula: `[3]`."""
    flat = values.ravel()
    products = [np.dot(flat, uniform(f"{name} {product}", flat.shape)) for product in (0, 1)]
    return np.array([np.linalg.norm(flat), *products], np.float32)
