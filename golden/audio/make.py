"""Short files in every format, and what libsndfile (soundfile) or FFmpeg (av) decode from them.

Run: python golden/audio/make.py

Each `NAME.EXT` has a `NAME.npy` beside it: the mean of its channels, 32-bit floats.
"""

import json
from pathlib import Path

import av
import numpy as np
import soundfile

HERE = Path(__file__).parent


def signal(rate, seconds, channels):
    """Tones and a chirp, other ones in each channel; full scale is not reached."""
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


def main():
    for name, rate, seconds, channels, subtype in SNDFILE:
        path = HERE / name.replace(".wavex", ".wav")
        kind = {"ogg": "OGG", "flac": "FLAC", "aiff": "AIFF", "mp3": "MP3", "wavex": "WAVEX", "wav": "WAV"}
        soundfile.write(path, signal(rate, seconds, channels), rate, subtype=subtype, format=kind[name.split(".")[1]])
        samples, _ = soundfile.read(path, always_2d=True)
        np.save(path.with_name(path.name + ".npy"), samples.mean(axis=1).astype("<f4"))
    for name, codec, rate, seconds, channels in [
        ("ffmpeg_stereo.mp3", "libmp3lame", 44100, 0.2, 2),
        ("aac.m4a", "aac", 44100, 0.2, 1),
        ("aac_stereo.m4a", "aac", 22050, 0.3, 2),
    ]:
        path = HERE / name
        write_av(str(path), codec, rate, seconds, channels)
        np.save(path.with_name(name + ".npy"), read_av(str(path)).mean(axis=1).astype("<f4"))
    # A WAV file whose writer could not go back to fill in its lengths.
    stereo = (HERE / "s16_stereo.wav").read_bytes()
    for name, length in [("streamed_ffmpeg.wav", 0xFFFFFFFF), ("streamed_zero.wav", 0)]:
        length = length.to_bytes(4, "little")
        (HERE / name).write_bytes(stereo[:4] + length + stereo[8:40] + length + stereo[44:])
        (HERE / f"{name}.npy").write_bytes((HERE / "s16_stereo.wav.npy").read_bytes())
    versions = {"soundfile": soundfile.__version__, "libsndfile": soundfile.__libsndfile_version__}
    versions |= {"av": av.__version__, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))}
    (HERE / "versions.json").write_text(json.dumps(versions | {"numpy": np.__version__}, indent=1) + "\n")


main()
