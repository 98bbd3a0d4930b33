"""Bytes, and what libsndfile (soundfile) reads from them as raw samples of every format.

Run: python golden/raw/make.py

`integers.raw` has every byte many times, `fNNxx.raw` numbers of 32 or 64 bits. `NAME.npy` is
the mean of two channels as 32-bit floats, for a format under FFmpeg's name.
"""

import json
from pathlib import Path

import numpy as np
import soundfile

HERE = Path(__file__).parent
INTEGERS = {"u8": "PCM_U8", "s8": "PCM_S8", "s16": "PCM_16", "s24": "PCM_24", "s32": "PCM_32"}
INTEGERS |= {"mulaw": "ULAW", "alaw": "ALAW"}
FLOATS = {"f32": "FLOAT", "f64": "DOUBLE"}


def read(path, subtype, endian):
    samples, _ = soundfile.read(
        path, samplerate=8000, channels=2, format="RAW", subtype=subtype, endian=endian, always_2d=True
    )
    return samples.mean(axis=1).astype("<f4")


def main():
    rng = np.random.default_rng(18)
    bytes_ = np.concatenate([rng.permutation(256) for _ in range(12)]).astype(np.uint8)
    (HERE / "integers.raw").write_bytes(bytes_.tobytes())
    numbers = rng.uniform(-1, 1, 400)
    for name, kind in (INTEGERS | FLOATS).items():
        for end, endian in [("le", "LITTLE"), ("be", "BIG")]:
            if name in FLOATS:
                path = HERE / f"{name}{end}.raw"
                order = "<" if end == "le" else ">"
                path.write_bytes(numbers.astype(f"{order}f{int(name[1:]) // 8}").tobytes())
            else:
                path = HERE / "integers.raw"
            has_order = name not in ("u8", "s8", "mulaw", "alaw")
            if has_order or end == "le":
                np.save(HERE / f"{name}{end if has_order else ''}.npy", read(path, kind, endian))
    versions = {"soundfile": soundfile.__version__, "libsndfile": soundfile.__libsndfile_version__}
    (HERE / "versions.json").write_text(json.dumps(versions | {"numpy": np.__version__}, indent=1) + "\n")


main()
