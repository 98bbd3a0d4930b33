"""32-bit floats, and their NumPy conversion to 16 bits (IEEE 754 half precision, to nearest even).

Writes values.csv to its own folder, both as hexadecimal bits: `python golden/half/make.py`. Values
beyond the largest half are clipped to it first, as the feature cache does.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent


def main():
    rng = np.random.default_rng(0)
    halves = np.arange(0, 0x7C00, 97, dtype=np.uint16)
    exact = halves.view(np.float16).astype(np.float32)
    after = (halves + 1).view(np.float16).astype(np.float32)
    finite = np.isfinite(after)
    ties = (exact[finite] + after[finite]) / 2
    beside = np.concatenate([np.nextafter(ties, np.float32(-np.inf)), np.nextafter(ties, np.float32(np.inf))])
    drawn = (rng.standard_normal(200) * 10.0 ** rng.uniform(-9, 6, 200)).astype(np.float32)
    edges = np.array([0.0, -0.0, 65503.9, 65504.0, 65519.9, 65520.0, 65536.0, 1e20, 3.4e38, 1e-45, 2**-24, 2**-25, 2**-14], np.float32)
    values = np.concatenate([exact[::8], ties[::4], beside[::8], drawn, edges, -edges])
    largest = np.finfo(np.float16).max
    rounded = np.clip(values, -largest, largest).astype(np.float16)
    lines = ["single,half"] + [f"{a:08x},{b:04x}" for a, b in zip(values.view(np.uint32), rounded.view(np.uint16))]
    (HERE / "values.csv").write_text("\n".join(lines) + "\n")
    (HERE / "versions.json").write_text(json.dumps({"numpy": np.__version__}, indent=1) + "\n")


if __name__ == "__main__":
    main()
