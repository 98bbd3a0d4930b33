"""Short files in every format, and what libsndfile (soundfile) or FFmpeg (av) decode from them.

Run: python golden/audio/make.py

Each `NAME.EXT` has a `NAME.EXT.npy` next to it: the mean of its channels as 32-bit floats. If
EARMARK_ESC10 is the folder of ESC-10, `esc10.csv` gets measurements of some of its clips: for each
half second the mean, the root mean square, and the mean with a random sign for every sample, which
changes if the sound is shifted.
"""

import json
import os
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

HERE = Path(__file__).parent


def signal(rate, seconds, channels):
    """Tones and a chirp, different in each channel, below full scale."""
    t = np.arange(round(rate * seconds)) / rate
    rows = []
    for c in range(channels):
        chirp = np.sin(2 * np.pi * (100 * t + (0.3 * rate - 100) / (2 * seconds) * t**2))
        rows.append(0.3 * np.sin(2 * np.pi * 440 * (c + 1) * t + c) + 0.25 * chirp * (1 - 0.3 * c))
    return np.stack(rows, axis=1)


SNDFILE = [
    ("u8.wav", 22050, 0.1, 1, "PCM_U8"),
    ("s16_stereo.wav", 22050, 0.1, 2, "PCM_16"),
    ("s24.wav", 48000, 0.05, 1, "PCM_24"),
    ("s24_stereo.wav", 22050, 0.1, 2, "PCM_24"),
    ("s32.wav", 8000, 0.1, 1, "PCM_32"),
    ("f32_stereo.wav", 22050, 0.1, 2, "FLOAT"),
    ("f64.wav", 22050, 0.1, 1, "DOUBLE"),
    ("s16_six.wavex", 16000, 0.1, 6, "PCM_16"),
    ("s16.flac", 44100, 0.2, 1, "PCM_16"),
    ("s24_stereo.flac", 22050, 0.1, 2, "PCM_24"),
    ("s16.aiff", 22050, 0.1, 1, "PCM_16"),
    ("s24_stereo.aiff", 22050, 0.1, 2, "PCM_24"),
    ("vorbis.ogg", 44100, 0.2, 1, "VORBIS"),
    ("vorbis_stereo.ogg", 22050, 0.3, 2, "VORBIS"),
    ("lame.mp3", 44100, 0.2, 1, "MPEG_LAYER_III"),
    ("s16_8k.wav", 8000, 0.1, 1, "PCM_16"),
    ("u8_stereo.wav", 11025, 0.1, 2, "PCM_U8"),
    ("s24_96k.wavex", 96000, 0.02, 2, "PCM_24"),
    ("s32_stereo.wavex", 32000, 0.03, 2, "PCM_32"),
    ("f32_192k.wavex", 192000, 0.01, 1, "FLOAT"),
    ("f64_stereo.wav", 44100, 0.03, 2, "DOUBLE"),
    ("alaw.wav", 8000, 0.1, 1, "ALAW"),
    ("ulaw_stereo.wav", 8000, 0.1, 2, "ULAW"),
    ("s8.aiff", 11025, 0.1, 1, "PCM_S8"),
    ("s32.aiff", 48000, 0.02, 1, "PCM_32"),
    ("s16_little.aifc", 44100, 0.03, 2, "PCM_16"),
    ("f32.aifc", 44100, 0.03, 1, "FLOAT"),
    ("f64.aifc", 22050, 0.05, 2, "DOUBLE"),
    ("s8.flac", 11025, 0.1, 1, "PCM_S8"),
    ("s16_stereo.flac", 48000, 0.2, 2, "PCM_16"),
    ("s16_six.flac", 16000, 0.05, 6, "PCM_16"),
    ("s24_96k.flac", 96000, 0.05, 1, "PCM_24"),
    ("vorbis_44k_stereo.ogg", 44100, 0.1, 2, "VORBIS"),
    ("vorbis_48k.ogg", 48000, 0.1, 2, "VORBIS"),
    ("vorbis_8k.ogg", 8000, 0.3, 1, "VORBIS"),
    ("vorbis_six.ogg", 32000, 0.1, 6, "VORBIS"),
    ("lame_48k_stereo.mp3", 48000, 0.1, 2, "MPEG_LAYER_III"),
    ("lame_32k.mp3", 32000, 0.1, 1, "MPEG_LAYER_III"),
    ("lame_22k_stereo.mp3", 22050, 0.2, 2, "MPEG_LAYER_III"),
    ("lame_16k.mp3", 16000, 0.2, 1, "MPEG_LAYER_III"),
    ("lame_8k.mp3", 8000, 0.3, 1, "MPEG_LAYER_III"),
]


def write_av(path, codec, rate, seconds, channels, **options):
    layout = "mono" if channels == 1 else "stereo"
    with av.open(path, "w", options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 96000
        samples = signal(rate, seconds, channels).astype(np.float32).T
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)


def read_av(path):
    with av.open(path) as file:
        frames = [frame.to_ndarray() for frame in file.decode(audio=0)]
    return np.concatenate(frames, axis=1).T.astype(np.float64)


CLIPS = [
    "001 - Dog bark/1-30226-A.ogg",
    "002 - Rain/1-17367-A.ogg",
    "004 - Baby cry/1-187207-A.ogg",
    "006 - Person sneeze/1-26143-A.ogg",
    "010 - Fire crackling/1-17150-A.ogg",
]


def signs(n):
    state, drawn = 1, []
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        drawn.append(1.0 if state >> 63 else -1.0)
    return np.array(drawn)


def measure(folder):
    rows = ["file,start,end,mean,rms,signed"]
    for name in CLIPS:
        samples, rate = soundfile.read(folder / name, dtype="float64")
        for start in range(0, len(samples), rate // 2):
            part = samples[start : start + rate // 2]
            numbers = [part.mean(), np.sqrt((part**2).mean()), (part * signs(len(part))).mean()]
            rows.append(",".join([name, str(start), str(start + len(part)), *[f"{x:.10f}" for x in numbers]]))
    (HERE / "esc10.csv").write_text("\n".join(rows) + "\n")


def resample():
    """Tones resampled with soxr's high quality: 1024 samples from the middle of half a second."""
    rows, samples = ["from,to,hz,start"], []
    for old, new in [(44100, 22050), (48000, 44100), (44100, 16000), (16000, 44100), (8000, 22050)]:
        nyquist = min(old, new) / 2
        parts = [0.01, 0.1, 0.5, 0.8, 0.9]
        if old > new:
            parts += [part for part in [1.01, 1.05, 1.2, 1.9] if part * nyquist < old / 2]
        for part in parts:
            tone = 0.5 * np.sin(2 * np.pi * part * nyquist * np.arange(old // 2) / old + 0.3)
            resampled = soxr.resample(tone.astype(np.float32), old, new, quality="HQ")
            start = len(resampled) // 2 - 512
            rows.append(f"{old},{new},{part * nyquist!r},{start}")
            samples.append(resampled[start : start + 1024])
    (HERE / "soxr.csv").write_text("\n".join(rows) + "\n")
    np.save(HERE / "soxr.npy", np.concatenate(samples).astype("<f4"))


def main():
    for name, rate, seconds, channels, subtype in SNDFILE:
        path = HERE / name.replace(".wavex", ".wav")
        kind = name.split(".")[1].upper()
        # Little-endian AIFF is what macOS records.
        endian = "LITTLE" if "little" in name else "FILE"
        kind = "AIFF" if kind == "AIFC" else kind
        soundfile.write(path, signal(rate, seconds, channels), rate, subtype=subtype, format=kind, endian=endian)
        samples, _ = soundfile.read(path, always_2d=True)
        np.save(path.with_name(path.name + ".npy"), samples.mean(axis=1).astype("<f4"))
    for name, codec, rate, seconds, channels in [
        ("ffmpeg_stereo.mp3", "libmp3lame", 44100, 0.2, 2),
        ("aac.m4a", "aac", 44100, 0.2, 1),
        ("aac_stereo.m4a", "aac", 22050, 0.3, 2),
        ("aac_48k_stereo.m4a", "aac", 48000, 0.1, 2),
        ("aac_8k.m4a", "aac", 8000, 0.4, 1),
    ]:
        path = HERE / name
        write_av(str(path), codec, rate, seconds, channels)
        np.save(path.with_name(name + ".npy"), read_av(str(path)).mean(axis=1).astype("<f4"))
    # A WAV file whose writer could not seek back to fill in the lengths.
    stereo = (HERE / "s16_stereo.wav").read_bytes()
    for name, length in [("streamed_ffmpeg.wav", 0xFFFFFFFF), ("streamed_zero.wav", 0)]:
        length = length.to_bytes(4, "little")
        (HERE / name).write_bytes(stereo[:4] + length + stereo[8:40] + length + stereo[44:])
        (HERE / f"{name}.npy").write_bytes((HERE / "s16_stereo.wav.npy").read_bytes())
    if "EARMARK_ESC10" in os.environ:
        measure(Path(os.environ["EARMARK_ESC10"]))
    resample()
    versions = {"soundfile": soundfile.__version__, "libsndfile": soundfile.__libsndfile_version__}
    versions |= {"av": av.__version__, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))}
    (HERE / "versions.json").write_text(json.dumps(versions | {"soxr": soxr.__version__, "numpy": np.__version__}, indent=1) + "\n")


main()
