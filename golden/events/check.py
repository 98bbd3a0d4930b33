"""Reads a run's event files with TensorBoard.

    python golden/events/check.py EARMARK

Trains a tiny recipe with the binary EARMARK, kills it when a job has finished some epochs, appends
half a record to the event file of that job as a power failure might, and resumes the run.
TensorBoard's EventAccumulator must read the same for every job as history.csv has: each epoch once,
with four scalars (32-bit floats). Versions: golden/requirements.txt.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

EPOCHS = 12
RECIPE = f"""
seed = 3
[data]
folds = 2
[features.logmel]
kind = "logmel"
[[learners]]
name = "resnet"
arch = "resnet_nano"
features = "logmel"
crop_seconds = 0.5
epochs = {EPOCHS}
batch_size = 16
learning_rate = 0.05
"""
NAME = "events.out.tfevents.earmark"
TAGS = ["loss", "accuracy", "learning_rate", "held_out_accuracy"]


def scalars(job):
    events = EventAccumulator(str(job)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def history(job):
    with open(job / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    column = lambda tag: [(int(row["epoch"]), float(np.float32(row[tag]))) for row in rows if row[tag]]
    return {tag: column(tag) for tag in TAGS if column(tag)}


def main():
    earmark = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "recipe.toml").write_text(RECIPE)
        synth = ["synth", "--out", "data", "--seed", "5", "--train-clips", "72", "--test-clips", "12"]
        subprocess.run([earmark, *synth], cwd=folder, check=True)
        train = [earmark, "train", "--recipe", "recipe.toml", "--data", "data", "--out", "run", "--jobs", "1"]

        first = folder / "run/jobs/resnet/fold0"
        running = subprocess.Popen(train, cwd=folder)
        while not (first / NAME).exists() or len(scalars(first)["loss"]) < 3:
            assert running.poll() is None, "the run ended before it could be watched"
            time.sleep(0.05)
        running.kill()
        running.wait()
        seen = len(scalars(first)["loss"])
        with open(first / NAME, "ab") as file:
            file.write((first / NAME).read_bytes()[:20])
        subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL)

        jobs = sorted(path.parent for path in folder.glob("run/jobs/*/*/" + NAME))
        for job in jobs:
            got, expected = scalars(job), history(job)
            assert got == expected, f"{job.relative_to(folder)}: {got}, history.csv has {expected}"
            assert [step for step, _ in got["loss"]] == list(range(1, EPOCHS + 1))
        print(f"{len(jobs)} jobs, {EPOCHS} epochs each, one killed after {seen}: TensorBoard reads what history.csv says")
        assert len(jobs) == 3


if __name__ == "__main__":
    main()
