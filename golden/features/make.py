"""Log-mel, MFCC, deltas and statistics by librosa and scipy.

Run: python golden/features/make.py

librosa is given 64-bit samples, so that these values are exact to the last digit shown. `versions.json` also says how far
librosa's own result from 32-bit samples is from them.
"""

import json
from pathlib import Path

import librosa
import numpy as np
import scipy.stats

HERE = Path(__file__).parent
RATE = 22050


def sounds():
    """16-bit samples, so that they are the same numbers everywhere; 0.3 s at 22,050 Hz."""
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


REFERENCE = {}
CASES = [
    ("reference", REFERENCE),
    ("cd_rate", {"sr": 44100, "n_fft": 3528, "hop_length": 441}),
    ("htk_16k", {"sr": 16000, "n_fft": 400, "hop_length": 160, "htk": True, "n_mels": 40, "norm": "none"}),
    ("fmin_fmax", {"fmin": 100.0, "fmax": 8000.0, "n_mels": 32}),
    ("no_top_db", {"top_db": -1.0, "amin": 1e-8, "ref": 0.5}),
    ("reflect", {"pad_mode": "reflect", "n_mels": 32}),
    ("window", {"n_fft": 1024, "win_length": 800, "hop_length": 256, "window": "hamming", "power": 1.0, "n_mels": 32}),
    ("boxcar_odd", {"n_fft": 1025, "hop_length": 300, "window": "boxcar", "center": False, "n_mels": 24}),
]


def log_mel(y, settings, n_mels=64):
    s = {"sr": RATE, "n_fft": 1764, "hop_length": 220, "n_mels": n_mels, "ref": 1.0, "amin": 1e-10, "top_db": 80.0}
    s |= settings
    top_db = s["top_db"] if s["top_db"] >= 0 else None
    ref, amin = np.float32(s["ref"]), np.float32(s["amin"])  # settings are 32-bit numbers
    mel = librosa.feature.melspectrogram(
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
        norm=None if s.get("norm") == "none" else "slaney",
    )
    return librosa.power_to_db(mel, ref=float(ref), amin=float(amin), top_db=top_db)


def stacked(features):
    """librosa refuses fewer than nine frames unless the mode is `nearest`; Earmark takes that mode there."""
    mode = "interp" if features.shape[1] >= 9 else "nearest"
    return np.stack([features] + [librosa.feature.delta(features, width=9, order=o, mode=mode) for o in (1, 2)])


def mfcc(y, settings, n_mfcc=64):
    return librosa.feature.mfcc(S=log_mel(y, settings, n_mels=128), n_mfcc=n_mfcc)


def statistics(m):
    skew = [0.0 if np.ptp(row) < 1e-5 else scipy.stats.skew(row) for row in m]
    return np.concatenate([m.max(1), m.min(1), m.var(1), skew])


def main():
    ints = {name: np.round(y * 32767).astype("<i2") for name, y in sounds().items()}
    for name in ("tone", "chirp", "noise"):
        np.save(HERE / f"{name}.npy", ints[name])
    values, cases, gaps = [], [], {}

    def add(kind, setting_name, settings, sound, array, single=None):
        array = np.ascontiguousarray(array, dtype="<f4")
        cases.append({
            "name": f"{setting_name}/{sound}/{kind}", "kind": kind, "settings": settings, "sound": sound,
            "shape": list(array.shape), "offset": sum(v.size for v in values),
        })  # fmt: skip
        values.append(array)
        if single is not None:
            gaps[cases[-1]["name"]] = float(np.abs(np.asarray(single, dtype=np.float64) - array).max())

    for setting_name, settings in CASES:
        for sound, samples in ints.items():
            y = samples.astype(np.float64) / 32768
            if not settings.get("center", True) and len(y) < settings["n_fft"]:
                continue
            y32 = y.astype(np.float32)
            if setting_name in ("reference", "htk_16k"):
                add("logmel", setting_name, settings, sound, stacked(log_mel(y, settings)), stacked(log_mel(y32, settings)))
            else:
                add("logmel", setting_name, settings | {"deltas": False}, sound,
                    log_mel(y, settings)[None], log_mel(y32, settings)[None])  # fmt: skip
    for sound, samples in ints.items():
        y = samples.astype(np.float64) / 32768
        add("mfcc", "reference", {}, sound, stacked(mfcc(y, {})), stacked(mfcc(y.astype(np.float32), {})))
        add("statistics", "reference", {}, sound, statistics(mfcc(y, {})))
    y = ints["chirp"].astype(np.float64) / 32768
    add("mfcc", "htk_16k", {"sr": 16000, "n_fft": 400, "hop_length": 160, "htk": True, "n_mels": 40, "n_mfcc": 13,
                            "deltas": False}, "chirp",
        librosa.feature.mfcc(S=log_mel(y, {"sr": 16000, "n_fft": 400, "hop_length": 160, "htk": True, "n_mels": 40}),
                             n_mfcc=13)[None])  # fmt: skip

    (HERE / "values.f32").write_bytes(b"".join(v.tobytes() for v in values))
    (HERE / "cases.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
    versions = {m.__name__: m.__version__ for m in (librosa, np, scipy)}
    versions["greatest difference of librosa from 32-bit samples"] = dict(
        sorted(gaps.items(), key=lambda item: -item[1])[:8]
    )
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main()
