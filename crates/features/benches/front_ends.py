"""The peers of front_ends.rs: librosa 0.11 and torchaudio 2.11 with one thread, 32-bit samples in memory.

Prints their versions; then for each line `LIBRARY ROW` of its input the seconds that one clip of 5 s took.
"""

import os
import sys
import time

os.environ |= {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchaudio  # noqa: E402

torch.set_num_threads(1)
SECONDS = 5
# Row: rate, FFT, hop, bands, coefficients.
ROWS = {
    "logmel": (22050, 1764, 220, 64, None),
    "logmel44": (44100, 3528, 441, 64, None),
    "mfcc": (22050, 1764, 220, 128, 64),
}


def by_librosa(rate, n_fft, hop, n_mels, n_mfcc):
    y = np.random.default_rng(0).normal(0, 0.1, SECONDS * rate).astype(np.float32)

    def run():
        mel = librosa.feature.melspectrogram(y=y, sr=rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels)
        x = librosa.power_to_db(mel)
        if n_mfcc:
            x = librosa.feature.mfcc(S=x, n_mfcc=n_mfcc)
        return np.stack([x, librosa.feature.delta(x), librosa.feature.delta(x, order=2)])

    return run


def by_torchaudio(rate, n_fft, hop, n_mels, n_mfcc):
    y = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, SECONDS * rate).astype(np.float32))
    mel = dict(n_fft=n_fft, hop_length=hop, n_mels=n_mels, norm="slaney", mel_scale="slaney", pad_mode="constant")
    if n_mfcc:
        front = torchaudio.transforms.MFCC(rate, n_mfcc, melkwargs=mel)  # its decibels have 80 dB of range
    else:
        front = torch.nn.Sequential(
            torchaudio.transforms.MelSpectrogram(rate, **mel), torchaudio.transforms.AmplitudeToDB("power", 80.0)
        )
    deltas = torchaudio.transforms.ComputeDeltas(9)

    @torch.inference_mode()
    def run():
        x = front(y)
        slope = deltas(x)
        return torch.stack([x, slope, deltas(slope)])

    return run


def efficientat_by_librosa():
    """Without pre-emphasis and with librosa's own filters."""
    y = np.random.default_rng(0).normal(0, 0.1, SECONDS * 32000).astype(np.float32)
    mel = dict(sr=32000, n_fft=1024, win_length=800, hop_length=320, pad_mode="reflect", n_mels=128, fmax=15000, htk=True)
    return lambda: np.log(librosa.feature.melspectrogram(y=y, norm=None, **mel) + 1e-5)


def efficientat_by_torchaudio():
    """The authors' steps; their filters are made once here, and for each clip in their code."""
    y = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, SECONDS * 32000).astype(np.float32))
    window, emphasis = torch.hann_window(800, periodic=False), torch.tensor([[[-0.97, 1.0]]])
    banks, _ = torchaudio.compliance.kaldi.get_mel_banks(128, 1024, 32000, 0.0, 15000.0, 100.0, -500.0, 1.0)
    banks = torch.nn.functional.pad(banks, (0, 1))

    @torch.inference_mode()
    def run():
        x = torch.nn.functional.conv1d(y[None, None], emphasis)[0, 0]
        x = torch.stft(x, 1024, 320, 800, window, return_complex=True)
        return (banks @ torch.view_as_real(x).square().sum(-1) + 1e-5).log()

    return run


def main():
    work = {}
    for name, row in ROWS.items():
        work["librosa", name] = by_librosa(*row)
        work["torchaudio", name] = by_torchaudio(*row)
    work["librosa", "efficientat"] = efficientat_by_librosa()
    work["torchaudio", "efficientat"] = efficientat_by_torchaudio()
    for run in work.values():
        run()
    print(f"librosa {librosa.__version__}, torchaudio {torchaudio.__version__}", flush=True)
    for line in sys.stdin:
        run = work[tuple(line.split())]
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


main()
