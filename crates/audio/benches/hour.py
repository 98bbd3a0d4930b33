"""The peer of hour.rs: libsndfile decodes block by block, soxr (HQ) resamples.

python hour.py --make-flac FOLDER writes 15.flac ... beside 15.wav ...; --hear FILE prints seconds and megabytes.
"""

import sys
import time
from pathlib import Path

import soundfile
import soxr


def make_flac(folder):
    for minutes in [15, 30, 60]:
        with soundfile.SoundFile(folder / f"{minutes}.wav") as wav:
            with soundfile.SoundFile(folder / f"{minutes}.flac", "w", wav.samplerate, 1, "PCM_16") as flac:
                for block in wav.blocks(65_536, dtype="int16"):
                    flac.write(block)


def hear(path):
    start = time.process_time()
    samples = 0
    with soundfile.SoundFile(path) as file:
        resampler = soxr.ResampleStream(file.samplerate, 22_050, 1, dtype="float32", quality="HQ")
        for block in file.blocks(16_384, dtype="float32"):
            samples += len(resampler.resample_chunk(block))
        samples += len(resampler.resample_chunk(block[:0], last=True))
    seconds = time.process_time() - start
    assert samples > 0
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")][0]
    print(seconds, int(peak.split()[1]) / 1024)


if sys.argv[1] == "--make-flac":
    make_flac(Path(sys.argv[2]))
else:
    hear(sys.argv[2])
