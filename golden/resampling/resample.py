"""Resamples WAV files like other programs: soxr HQ, and torchaudio's `resample` with its defaults.

    python resample.py FOLDER OUT RATE      every FOLDER/*.wav (mono, 32-bit floats) to OUT/soxr and OUT/torchaudio

Needs numpy and soxr. torchaudio's method is implemented below, so that PyTorch is not needed;
`make.py` compares it with torchaudio.
"""

import math
import struct
import sys
from pathlib import Path

import numpy as np
import soxr


def torchaudio_resample(x, sr, rate, width=6, rolloff=0.99):
    """torchaudio.functional.resample 2.11: a sinc with a Hann window, cut off at `width` zeros."""
    gcd = math.gcd(sr, rate)
    orig, new = sr // gcd, rate // gcd
    base = min(orig, new) * rolloff
    reach = math.ceil(width * orig / base)
    t = np.arange(0, -new, -1)[:, None] / new + np.arange(-reach, reach + orig)[None] / orig
    t = np.clip(t * base, -width, width)
    kernels = np.sinc(t) * np.cos(t * np.pi / width / 2) ** 2 * base / orig
    padded = np.pad(x.astype(np.float64), (reach, reach + orig))
    frames = np.lib.stride_tricks.sliding_window_view(padded, kernels.shape[1])[::orig]
    return (frames @ kernels.T).reshape(-1)[: math.ceil(new * len(x) / orig)].astype(np.float32)


def read(path):
    """The samples and rate of a mono WAV file of 32-bit floats with a header of 44 bytes."""
    data = path.read_bytes()
    assert data[:4] == b"RIFF" and struct.unpack("<HH", data[20:24]) == (3, 1), path
    return np.frombuffer(data[44:], "<f4"), struct.unpack("<I", data[24:28])[0]


def write(path, x, rate):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = x.astype("<f4").tobytes()
    form = struct.pack("<IHHIIHH", 16, 3, 1, rate, 4 * rate, 4, 32)
    size = struct.pack("<I", 36 + len(data))
    path.write_bytes(b"RIFF" + size + b"WAVEfmt " + form + b"data" + struct.pack("<I", len(data)) + data)


def main():
    folder, out, rate = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    for path in sorted(folder.glob("*.wav")):
        x, sr = read(path)
        write(out / "soxr" / path.name, soxr.resample(x, sr, rate, quality="HQ"), rate)
        write(out / "torchaudio" / path.name, torchaudio_resample(x, sr, rate), rate)


if __name__ == "__main__":
    main()
