"""Mel spectrograms, log-mel, MFCC, deltas and statistics by librosa and scipy.

Run: EARMARK_ESC10=... python golden/features/make.py

librosa gets 64-bit samples, so that these values are exact to the last digit shown. `versions.json`
also has the differences of librosa's results from 32-bit samples. If EARMARK_ESC10 is the folder of
ESC-10, the features of a few clips are stored at some bands and frames, but no sound.
"""

import ast
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

import librosa
import numpy as np
import scipy.signal
import scipy.stats
import soundfile
import torch
import torchaudio

HERE = Path(__file__).parent
RATE = 22050


def sounds():
    """16-bit samples, so that they are the same everywhere; 0.3 s at 22,050 Hz."""
    n = 6615
    t = np.arange(n) / RATE
    rng = np.random.default_rng(2018)
    impulse = np.zeros(n)
    impulse[3000] = 1.0
    noise = np.clip(rng.normal(0, 0.2, n), -1, 1)
    return {
        "tone": 0.8 * np.sin(2 * np.pi * 1234.5 * t),
        "chirp": 0.5 * np.sin(2 * np.pi * (50 * t + (10000 - 50) / (2 * 0.3) * t**2)),
        "noise": noise,
        "impulse": impulse,
        "silence": np.zeros(2000),
        "one_frame": noise[:150],
        "short": noise[:900],
    }


HTK = {"sr": 16000, "n_fft": 400, "hop_length": 160, "htk": True, "n_mels": 40, "norm": "none"}
CASES = [
    ("reference", {}),
    ("cd_rate", {"sr": 44100, "n_fft": 3528, "hop_length": 441}),
    ("htk_16k", HTK),
    ("fmin_fmax", {"fmin": 100.0, "fmax": 8000.0, "n_mels": 32}),
    ("no_top_db", {"top_db": -1.0, "amin": 1e-8, "ref": 0.5}),
    ("reflect", {"pad_mode": "reflect", "n_mels": 32}),
    ("window", {"n_fft": 1024, "win_length": 800, "hop_length": 256, "window": "hamming", "power": 1.0, "n_mels": 32}),
    ("boxcar_odd", {"n_fft": 1025, "hop_length": 300, "window": "boxcar", "center": False, "n_mels": 24}),
    ("edge", {"n_fft": 2048, "hop_length": 512, "window": "blackmanharris", "pad_mode": "edge", "n_mels": 32}),
    ("symmetric", {"n_fft": 512, "hop_length": 512, "window": "nuttall", "pad_mode": "symmetric", "ref": "max", "n_mels": 20}),
    ("norm_2", {"n_fft": 900, "hop_length": 500, "window": "blackman", "norm": 2.0, "n_mels": 20}),
    ("norm_1", {"n_fft": 900, "hop_length": 500, "window": "flattop", "norm": 1.0, "n_mels": 20, "power": 3.0}),
]  # fmt: skip
EFFICIENTAT = {
    "sr": 32000, "preemphasis": 0.97, "n_fft": 1024, "win_length": 800, "hop_length": 320, "periodic": False,
    "pad_mode": "reflect", "n_mels": 128, "fmax": 15000.0, "htk": True, "bands": "kaldi", "norm": "none",
    "log_offset": 1e-5, "deltas": False,
}  # fmt: skip
DELTAS = [
    {"delta_width": 5},
    {"delta_width": 3, "delta_mode": "nearest"},
    {"delta_width": 15, "delta_mode": "mirror"},
    {"delta_mode": "constant"},
    {"delta_mode": "wrap"},
    {"delta": "fir"},
    {"delta": "fir", "delta_width": 5},
]
CLIPS = [
    "001 - Dog bark/1-100032-A.ogg",
    "002 - Rain/1-17367-A.ogg",
    "004 - Baby cry/1-187207-A.ogg",
    "007 - Helicopter/1-172649-A.ogg",
]


def mel_power(y, settings, n_mels=64):
    s = {"sr": RATE, "n_fft": 1764, "hop_length": 220, "n_mels": n_mels, "norm": "slaney"} | settings
    return librosa.feature.melspectrogram(
        y=y,
        sr=s["sr"],
        n_fft=s["n_fft"],
        win_length=s.get("win_length"),
        hop_length=s["hop_length"],
        window=s.get("window", "hann"),
        center=s.get("center", True),
        pad_mode=s.get("pad_mode", "constant"),
        power=s.get("power", 2.0),
        n_mels=s["n_mels"],
        fmin=s.get("fmin", 0.0),
        fmax=s.get("fmax"),
        htk=s.get("htk", False),
        norm=None if s["norm"] == "none" else s["norm"],
    )


def log_mel(y, settings, n_mels=64):
    top_db = settings.get("top_db", 80.0)
    ref, amin = settings.get("ref", 1.0), np.float32(settings.get("amin", 1e-10))  # settings are 32-bit numbers
    ref = np.max if ref == "max" else float(np.float32(ref))
    mel = mel_power(y, settings, n_mels)
    return librosa.power_to_db(mel, ref=ref, amin=float(amin), top_db=top_db if top_db >= 0 else None)


def mfcc(y, settings, n_mfcc=64):
    return librosa.feature.mfcc(S=log_mel(y, settings, n_mels=128), n_mfcc=n_mfcc)


def delta_of_librosa_05():
    """`librosa.feature.delta` of librosa 0.5.1, extracted from its source."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, "librosa==0.5.1"], check=True)
        with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
            source = archive.extractfile("librosa-0.5.1/librosa/feature/utils.py").read().decode()
    function = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "delta")
    function.decorator_list = []  # a cache on disk
    names = {"np": np, "scipy": scipy, "ParameterError": ValueError}
    # NumPy no longer accepts a list of slices as an index.
    exec(ast.unparse(function).replace("delta_x[idx]", "delta_x[tuple(idx)]"), names)
    return names["delta"]


DELTA_05 = delta_of_librosa_05()


def stacked(features, settings={}):
    """Mode `nearest` for fewer frames than the width, as in Earmark; librosa rejects `interp`."""
    width, mode = settings.get("delta_width", 9), settings.get("delta_mode", "interp")
    if settings.get("delta") == "fir":
        return np.stack([features] + [DELTA_05(features, width=width, order=o) for o in (1, 2)])
    if mode == "interp" and features.shape[1] < width:
        mode = "nearest"
    return np.stack([features] + [librosa.feature.delta(features, width=width, order=o, mode=mode) for o in (1, 2)])


def statistics(m):
    """Skewness and kurtosis are 0 for what varies by less than 1e-5, where they are rounding."""
    varies = np.ptp(m, axis=1) >= 1e-5
    with warnings.catch_warnings(action="ignore"):
        skew, kurtosis = scipy.stats.skew(m, axis=1), scipy.stats.kurtosis(m, axis=1)
    shapes = np.where(varies, skew, 0.0), np.where(varies, kurtosis, 0.0)
    return np.concatenate([m.max(1), m.min(1), m.var(1), shapes[0], m.mean(1), m.std(1), shapes[1]])


def summary(y, settings, n_mfcc=20):
    """The front end `summary` in NumPy."""
    bands = log_mel(y, settings)
    coefficients = librosa.feature.mfcc(S=bands, n_mfcc=n_mfcc)
    rows = np.concatenate([bands, coefficients])
    frames = rows.shape[1]

    def steps(lag):
        return rows[:, lag:] - rows[:, :-lag] if frames > lag else np.zeros((len(rows), 1))

    described = [rows.mean(1), rows.std(1), *np.quantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)]
    described += [steps(1).std(1), np.abs(steps(1)).mean(1), steps(8).std(1)]
    size = -(-len(bands) // 16)
    groups = np.array([bands[start : start + size].mean(0) for start in range(0, len(bands), size)])
    moving = np.concatenate([groups, coefficients])
    window = scipy.signal.get_window("hann", frames) if frames > 1 else np.ones(1)
    times = -(-frames // 512)
    spectrum = np.fft.rfft((moving - moving.mean(1, keepdims=True)) * window, 512 * times, axis=1)
    power = np.abs(spectrum) ** 2 / (window**2).sum()
    octaves = [power[:, times * 2**k : times * 2 ** (k + 1)].mean(1) for k in range(8)]
    moves = np.diff(groups) if frames > 1 else np.zeros((len(groups), 1))
    covariance = np.cov(moves, bias=True)
    sizes = np.sqrt(np.diag(covariance) + 1e-6)
    together = (covariance / np.outer(sizes, sizes))[np.triu_indices(len(groups), 1)]
    return np.concatenate([*described, *(10 * np.log10(octave + 1e-3) for octave in octaves), together])


def efficientat(y):
    """The log-mel of Schmid, Koutini and Widmer (2023), before it is scaled, by torch and torchaudio."""
    s = EFFICIENTAT
    y = y.astype(np.float32)  # pre-emphasis in 32 bits, as in the authors' code
    emphasised = torch.from_numpy(y[1:] - np.float32(s["preemphasis"]) * y[:-1]).double()
    window = torch.hann_window(s["win_length"], periodic=s["periodic"], dtype=torch.float64)
    spectrum = torch.stft(emphasised, s["n_fft"], s["hop_length"], s["win_length"], window, return_complex=True)
    banks, _ = torchaudio.compliance.kaldi.get_mel_banks(
        s["n_mels"], s["n_fft"], s["sr"], 0.0, s["fmax"], vtln_low=100.0, vtln_high=-500.0, vtln_warp_factor=1.0
    )
    banks = torch.nn.functional.pad(banks, (0, 1)).double()
    return (banks @ spectrum.abs() ** 2 + s["log_offset"]).log().numpy()


class Golden:
    """The cases and the concatenation of their values."""

    def __init__(self):
        self.cases, self.values, self.size, self.gaps = [], [], 0, {}

    def add(self, kind, name, settings, sound, array, single=None, **more):
        array = np.ascontiguousarray(array, dtype="<f4")
        case = {"name": f"{name}/{sound}/{kind}", "kind": kind, "settings": settings, "sound": sound}
        self.cases.append(case | {"shape": list(array.shape), "offset": self.size} | more)
        self.values.append(array)
        self.size += array.size
        if single is not None:
            self.gaps[case["name"]] = float(np.abs(np.asarray(single, dtype=np.float64) - array).max())

    def write(self, cases, values):
        (HERE / values).write_bytes(b"".join(value.tobytes() for value in self.values))
        (HERE / cases).write_text("[\n" + ",\n".join(json.dumps(case) for case in self.cases) + "\n]\n")


def made(golden, samples):
    for name, settings in CASES:
        for sound, y in samples.items():
            if not settings.get("center", True) and len(y) < settings["n_fft"]:
                continue
            y32 = y.astype(np.float32)
            if sound in ("chirp", "noise", "one_frame"):
                golden.add("mel", name, settings, sound, mel_power(y, settings)[None])
            if name in ("reference", "htk_16k"):
                golden.add("logmel", name, settings, sound, stacked(log_mel(y, settings)), stacked(log_mel(y32, settings)))
            else:
                golden.add("logmel", name, settings | {"deltas": False}, sound,
                           log_mel(y, settings)[None], log_mel(y32, settings)[None])  # fmt: skip
    for sound in ("tone", "chirp", "noise", "impulse", "silence", "short"):
        golden.add("logmel", "efficientat", EFFICIENTAT, sound, efficientat(samples[sound])[None])
    for settings in DELTAS:
        small = settings | {"n_mels": 12}
        for sound in ("chirp", "short", "one_frame"):
            name = "_".join(str(value) for value in settings.values())
            golden.add("logmel", name, small, sound, stacked(log_mel(samples[sound], small), settings))
    for sound, y in samples.items():
        golden.add("mfcc", "reference", {}, sound, stacked(mfcc(y, {})), stacked(mfcc(y.astype(np.float32), {})))
        for name, settings in [CASES[0], CASES[1], CASES[4]]:
            golden.add("statistics", name, settings | {"set": "all"}, sound, statistics(mfcc(y, settings)))
        for name, settings in [CASES[0], CASES[1], CASES[4]]:
            golden.add("summary", name, settings, sound, summary(y, settings)[:, None, None])
    tiled = np.tile(samples["chirp"], 9)
    assert 1 + len(tiled) // 40 > 512
    golden.add("summary", "two_periods", {"hop_length": 40, "n_mels": 30, "n_mfcc": 12}, "chirp_9",
               summary(tiled, {"hop_length": 40, "n_mels": 30}, 12)[:, None, None])  # fmt: skip
    golden.add("mfcc", "htk_16k", HTK | {"n_mfcc": 13, "deltas": False}, "chirp",
               librosa.feature.mfcc(S=log_mel(samples["chirp"], HTK), n_mfcc=13)[None])  # fmt: skip
    golden.add("mfcc", "odd", {"n_mels": 41, "n_mfcc": 41, "delta_width": 5}, "chirp",
               stacked(librosa.feature.mfcc(S=log_mel(samples["chirp"], {"n_mels": 41}), n_mfcc=41), {"delta_width": 5}))  # fmt: skip


def heard(golden, folder):
    """Features of real sounds, at every fourth band and every 25th frame."""
    settings = {"sr": 44100, "n_fft": 3528, "hop_length": 441}
    for clip in CLIPS:
        y, rate = soundfile.read(folder / clip)
        assert rate == 44100 and y.ndim == 1, clip
        for kind, features in [("logmel", log_mel(y, settings)), ("mfcc", mfcc(y, settings))]:
            golden.add(kind, "cd_rate", settings, clip, stacked(features)[:, ::4, ::25], bins=4, frames=25)
        golden.add("summary", "cd_rate", settings, clip, summary(y, settings)[:, None, None])
        golden.add("statistics", "cd_rate", settings | {"set": "all"}, clip, statistics(mfcc(y, settings)))


def main():
    ints = {name: np.round(y * 32767).astype("<i2") for name, y in sounds().items()}
    for name in ("tone", "chirp", "noise"):
        np.save(HERE / f"{name}.npy", ints[name])
    golden = Golden()
    made(golden, {name: samples / 32768 for name, samples in ints.items()})
    golden.write("cases.json", "values.f32")
    if "EARMARK_ESC10" in os.environ:
        real = Golden()
        heard(real, Path(os.environ["EARMARK_ESC10"]))
        real.write("esc10.json", "esc10.f32")
    else:
        print("EARMARK_ESC10 is not set: esc10.json and esc10.f32 stay as they are")
    versions = {m.__name__: m.__version__ for m in (librosa, np, scipy, soundfile, torchaudio)}
    versions["greatest difference of librosa from 32-bit samples"] = dict(
        sorted(golden.gaps.items(), key=lambda item: -item[1])[:8]
    )
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
