"""The peer of `cache.rs`: sound files to log-mel with deltas in .npy files, by librosa in two processes.

    python crates/datasets/benches/cache.py OUT_FOLDER < LIST_OF_FILES

Prints the seconds from the first file to the last, the processes being up and librosa warm.
Written for librosa 0.11.0.
"""

import os
import sys
import time

# Two processes are the threads; more would only fight for the two cores.
for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import multiprocessing

import librosa
import numpy as np


def features(path):
    y, sr = librosa.load(path, sr=22050)
    mel = librosa.feature.melspectrogram(y=y, sr=sr, n_fft=1764, hop_length=220, n_mels=64, pad_mode="constant")
    db = librosa.power_to_db(mel)
    return np.stack([db, librosa.feature.delta(db), librosa.feature.delta(db, order=2)])


def work(job):
    path, out = job
    np.save(out, features(path))


def main():
    out = sys.argv[1]
    paths = sys.stdin.read().splitlines()
    jobs = [(path, os.path.join(out, f"{at}.npy")) for at, path in enumerate(paths)]
    with multiprocessing.Pool(2) as pool:
        pool.map(work, jobs[:8], chunksize=1)
        start = time.perf_counter()
        pool.map(work, jobs, chunksize=4)
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
