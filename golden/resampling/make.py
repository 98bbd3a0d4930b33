"""Checks that `resample.py` computes the same as torchaudio, and prints the largest difference.

    python make.py      with numpy, soxr 1.1.0, torch 2.11.0 and torchaudio 2.11.0
"""

import numpy as np
import torch
import torchaudio
from resample import torchaudio_resample

x = np.random.default_rng(1).uniform(-1, 1, 44_100).astype(np.float32)
for sr, rate in [(44_100, 22_050), (48_000, 22_050), (44_100, 16_000), (16_000, 22_050)]:
    theirs = torchaudio.functional.resample(torch.from_numpy(x), sr, rate).numpy()
    ours = torchaudio_resample(x, sr, rate)
    assert ours.shape == theirs.shape, (sr, rate, ours.shape, theirs.shape)
    difference = np.abs(ours - theirs).max()
    print(f"{sr} to {rate} Hz: {difference:.1e}")
    assert difference < 5e-5, (sr, rate, difference)
