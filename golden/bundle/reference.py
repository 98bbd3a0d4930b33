"""Tags WAV files with a bundle of Earmark, using only NumPy and ONNX Runtime: docs/bundle.md as
code.

python reference.py BUNDLE SOUND.wav...    prints probability and label for each file and class
"""

import json
import struct
import sys
from math import gcd
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view

WINDOWS = {"hann": [0.5, 0.5], "hamming": [0.54, 0.46], "blackman": [0.42, 0.5, 0.08], "boxcar": [1.0],
           "blackmanharris": [0.35875, 0.48829, 0.14128, 0.01168],
           "nuttall": [0.3635819, 0.4891775, 0.1365995, 0.0106411],
           "flattop": [0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368]}  # fmt: skip
SETS = {"paper": ["max", "min", "var", "skew"], "moments": ["mean", "std", "skew", "kurtosis"],
        "all": ["max", "min", "var", "skew", "mean", "std", "kurtosis"]}  # fmt: skip


def read_wav(path):
    data, chunks, at = Path(path).read_bytes(), {}, 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        chunks.setdefault(name, data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
    assert (form, bits) in [(1, 16), (3, 32)], f"{path}: only WAV of 16-bit integers or 32-bit floats is read here"
    kind, full_scale = ("<i2", 32768) if form == 1 else ("<f4", 1)
    return np.frombuffer(chunks[b"data"], kind).reshape(-1, channels).mean(1, dtype=float) / full_scale, rate


def cosine_window(name, length, periodic=True):
    angles = 2 * np.pi * np.arange(length) / (length if periodic else max(length - 1, 1))
    return sum((-1) ** k * a * np.cos(k * angles) for k, a in enumerate(WINDOWS[name]))


def resample(y, rate, to, settings):
    if rate == to:
        return y
    unit_in, unit_out = rate // gcd(rate, to), to // gcd(rate, to)
    units = -(-settings["taps"] // min(unit_in, unit_out))
    units += units % 2
    n_in, n_out = units * unit_in, units * unit_out
    low = min(n_in, n_out)
    cutoff = low / n_in / (1 + sum(k / low**power for power, k in enumerate(settings["cutoff"], 1)))
    h = cosine_window("blackmanharris", n_in) ** 2 * np.sinc((np.arange(n_in) - n_in // 2) * cutoff)
    h = np.fft.rfft(h / h.sum(), 2 * n_in)
    kept = n_in + 1 if n_in < n_out else n_out
    length = (2 * len(y) * to + rate) // (2 * rate)
    blocks = -(-(length + n_out // 2) // n_out)
    out = np.zeros((blocks + 1) * n_out)
    for block in range(blocks):
        spectrum = (np.fft.rfft(y[block * n_in : (block + 1) * n_in], 2 * n_in) * h)[:kept]
        out[block * n_out : (block + 2) * n_out] += np.fft.irfft(spectrum, 2 * n_out) * n_out / n_in
    return out[n_out // 2 :][:length]


def kaldi_bank(s):
    """In 32 bits, as torchaudio's."""
    f, mel = np.float32, lambda hz: 1127 * np.log(1 + hz / 700)
    low = mel(s["fmin"])
    step = (mel(s.get("fmax", s["sr"] / 2)) - low) / (s["n_mels"] + 1)
    left, peak, right = (np.arange(k, s["n_mels"] + k, dtype=f)[:, None] * f(step) + f(low) for k in range(3))
    hz = np.arange(s["n_fft"] // 2, dtype=f) * (f(s["sr"]) / f(s["n_fft"]))
    at = f(1127) * np.log((1 + hz / f(700)).astype(float)).astype(f)
    bank = np.maximum(0, np.minimum((at - left) / (peak - left), (right - at) / (right - peak)))
    return np.pad(bank, [(0, 0), (0, s["n_fft"] // 2 + 1 - bank.shape[1])]).astype(float)


def mel_bank(s):
    if s.get("bands") == "kaldi":
        return kaldi_bank(s)
    if s["htk"]:
        to_mel, to_hz = lambda hz: 2595 * np.log10(1 + hz / 700), lambda mel: 700 * (10 ** (mel / 2595) - 1)
    else:
        to_mel = lambda hz: hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)
        to_hz = lambda mel: np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    edges = to_hz(np.linspace(to_mel(s["fmin"]), to_mel(s.get("fmax", s["sr"] / 2)), s["n_mels"] + 2))[:, None]
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    hz = np.arange(s["n_fft"] // 2 + 1) * s["sr"] / s["n_fft"]
    bank = np.maximum(0, np.minimum((hz - left) / (peak - left), (right - hz) / (right - peak)))
    if s["norm"] == "slaney":
        return bank * 2 / (right - left)
    return bank if s["norm"] == "none" else bank / (bank ** s["norm"]).sum(1, keepdims=True) ** (1 / s["norm"])


def log_mel(y, s):
    if "preemphasis" in s:
        y = y.astype(np.float32)
        y = (y[1:] - np.float32(s["preemphasis"]) * y[:-1]).astype(float)
    length = s.get("win_length", s["n_fft"])
    window, before = np.zeros(s["n_fft"]), (s["n_fft"] - length) // 2
    window[before : before + length] = cosine_window(s["window"], length, s.get("periodic", True))
    y = np.pad(y, s["n_fft"] // 2, s["pad_mode"]) if s["center"] else y
    frames = sliding_window_view(y, s["n_fft"])[:: s["hop_length"]]
    mel = mel_bank(s) @ (np.abs(np.fft.rfft(frames * window)) ** s["power"]).T
    if "log_offset" in s:
        return np.log(mel + s["log_offset"])
    decibels = lambda power: 10 * np.log10(np.maximum(power, s["amin"]))
    reference = decibels(mel.max() if s["ref"] == "max" else s["ref"])
    floor = decibels(mel.max()) - s["top_db"] if s["top_db"] >= 0 else -np.inf
    return np.maximum(decibels(mel), floor) - reference


def mfcc(bands, n_mfcc):
    n, k, m = len(bands), np.arange(n_mfcc)[:, None], np.arange(len(bands))
    return np.sqrt(np.where(k == 0, 1, 2) / n) * np.cos(np.pi * k * (2 * m + 1) / (2 * n)) @ bands


def with_deltas(rows, s):
    width, half, frames = s["delta_width"], s["delta_width"] // 2, rows.shape[1]
    k = np.arange(-half, half + 1)
    slope = k / (k**2).sum()
    if s["delta"] == "fir":
        zeros = np.zeros((len(rows), max(0, 3 * half - width)))
        ends = [(0, 0), (min(width, 3 * half), half)]
        around = sliding_window_view(np.hstack([zeros, np.pad(rows, ends, "edge")]), 4 * half + 1, axis=1)
        return np.stack([rows, around[:, :, 2 * half :] @ slope, around @ np.convolve(slope, slope)])
    curvature = 2 * (k**2 - (k**2).mean()) / ((k**4).sum() - (k**2).sum() * (k**2).mean())
    modes = {"interp": "edge", "nearest": "edge", "mirror": "reflect", "constant": "constant", "wrap": "wrap"}
    around = sliding_window_view(np.pad(rows, [(0, 0), (half, half)], modes[s["delta_mode"]]), width, axis=1)
    if s["delta_mode"] == "interp" and frames >= width:
        around = around[:, np.clip(np.arange(frames), half, frames - 1 - half)]
    return np.stack([rows, around @ slope, around @ curvature])


def statistics(y, s):
    rows = mfcc(log_mel(y, s), s["n_mfcc"])
    centred, varies = rows - rows.mean(1, keepdims=True), np.ptp(rows, axis=1) >= 1e-5
    variance = np.where(varies, rows.var(1), 1)
    values = {"max": rows.max(1), "min": rows.min(1), "var": rows.var(1), "mean": rows.mean(1), "std": rows.std(1),
              "skew": np.where(varies, (centred**3).mean(1) / variance**1.5, 0),
              "kurtosis": np.where(varies, (centred**4).mean(1) / variance**2 - 3, 0)}  # fmt: skip
    return np.concatenate([values[name] for name in (SETS[s["set"]] if isinstance(s["set"], str) else s["set"])])


def summary(y, s):
    bands = log_mel(y, s)
    coefficients = mfcc(bands, s["n_mfcc"])
    rows, frames = np.concatenate([bands, coefficients]), bands.shape[1]
    steps = lambda rows, lag: rows[:, lag:] - rows[:, :-lag] if frames > lag else np.zeros((len(rows), 1))
    described = [rows.mean(1), rows.std(1), *np.quantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)]
    described += [steps(rows, 1).std(1), np.abs(steps(rows, 1)).mean(1), steps(rows, 8).std(1)]
    size = -(-len(bands) // 16)
    groups = np.array([bands[start : start + size].mean(0) for start in range(0, len(bands), size)])
    moving = np.concatenate([groups, coefficients])
    window, times = cosine_window("hann", frames) if frames > 1 else np.ones(1), -(-frames // 512)
    spectrum = np.fft.rfft((moving - moving.mean(1, keepdims=True)) * window, 512 * times)
    power = np.abs(spectrum) ** 2 / (window**2).sum()
    octaves = [10 * np.log10(power[:, times << k : times << (k + 1)].mean(1) + 1e-3) for k in range(8)]
    moves = steps(groups, 1) - steps(groups, 1).mean(1, keepdims=True)
    covariance = moves @ moves.T / moves.shape[1]
    sizes = np.sqrt(np.diag(covariance) + 1e-6)
    together = (covariance / np.outer(sizes, sizes))[np.triu_indices(len(groups), 1)]
    return np.concatenate([*described, *octaves, together])


def features(y, s):
    """[channels, bins, frames]"""
    if s["kind"] == "wave":
        return y[None, None]
    if s["kind"] == "summary":
        return summary(y, s)[:, None, None]
    rows = log_mel(y, s) if s["kind"] == "logmel" else mfcc(log_mel(y, s), s["n_mfcc"])
    return with_deltas(rows, s) if s["deltas"] else rows[None]


def windows(x, scaling, w):
    """[windows, channels, bins, frames]"""
    if scaling == "clip":
        deviation = x.std((1, 2))
        scaling = {"mean": x.mean((1, 2)), "deviation": np.where(deviation > 1e-6, deviation, 1)}
    if scaling:
        mean, deviation = (np.asarray(scaling[key])[:, None, None] for key in ["mean", "deviation"])
        x = (x - mean) / deviation
    length = min(w["frames"], max(x.shape[2], w.get("least_frames", w["frames"])))
    missing = max(0, length - x.shape[2])
    ends = [(0, 0), (0, 0), (missing // 2, missing - missing // 2)]
    if w["padding"] == "zero":
        x = np.pad(x, ends, constant_values=w["pad_value"])
    else:
        x = np.pad(x, ends, "reflect" if w["padding"] == "reflect" and x.shape[2] > 1 else "wrap")
    last = x.shape[2] - length
    starts = sorted({*range(0, last + 1, w["hop"]), last})
    return np.stack([x[:, :, start : start + length] for start in starts]).astype(np.float32)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def run(folder, file, output, x):
    session = onnxruntime.InferenceSession(Path(folder, file), providers=["CPUExecutionProvider"])
    return session.run([output], {"x": x.astype(np.float32)})[0].astype(float)


def embedding(folder, config, name, layers, at):
    """The mean over the windows: [size, 1, 1]"""
    e = next(e for e in config["embeddings"] if (e["name"], e.get("layers", "last")) == (name, layers))
    x = windows(features(at(e["features"]["sr"]), e["features"]), e["network"]["scaling"], e["windows"])
    output = {"last": "embedding", "stages": "stages"}[layers]
    return run(folder, e["network"]["file"], output, x).mean(0)[:, None, None]


def tag(folder, sound):
    """The mean over pieces of a minute, weighted by their lengths."""
    config = json.loads(Path(folder, "config.json").read_text())
    assert config["format"] in (1, 2) and config["resampler"]["kind"] == "fft_windowed_sinc"
    y, rate = read_wav(sound)
    resampled = {}

    def at(to):
        if to not in resampled:
            resampled[to] = resample(y, rate, to, config["resampler"])
        return resampled[to]

    starts = range(0, len(y), 60 * rate)
    ends = [min(start + 60 * rate, len(y)) for start in starts]
    place = lambda sample, to: (2 * sample * to + rate) // (2 * rate)
    of_pieces = [
        probabilities(folder, config, lambda to: at(to)[place(start, to) : place(end, to)])
        for start, end in zip(starts, ends)
    ]
    return config["labels"], np.average(of_pieces, axis=0, weights=np.subtract(ends, starts))


def probabilities(folder, config, at):
    activation, columns = {"softmax": softmax, "sigmoid": sigmoid}[config["activation"]], []
    for learner in config["learners"]:
        s, w, of_networks = learner["features"], learner["windows"], []
        if s["kind"] == "embedding":
            x = embedding(folder, config, s["model"], s.get("layers", "last"), at)
        else:
            x = features(at(s["sr"]), s)
        for network in learner["networks"]:
            logits = run(folder, network["file"], "logits", windows(x, network["scaling"], w))
            averaged = activation(logits).mean(0) if w["average"] == "probabilities" else activation(logits.mean(0))
            of_networks.append(averaged)
        columns.append(np.mean(of_networks, axis=0))
    if not config["stack"]:
        return np.mean(columns, axis=0)
    if config["statistics"]:
        columns.append(statistics(at(config["statistics"]["sr"]), config["statistics"]))
    return run(folder, config["stack"], "probabilities", np.concatenate(columns)[None])[0]


if __name__ == "__main__":
    for path in sys.argv[2:]:
        print(path, file=sys.stderr)
        for label, probability in zip(*tag(sys.argv[1], path)):
            print(f"{probability:.9f} {label}")
