"""Writes the data sets of docs/results/level2.md that are made of others: few.csv, noisy.csv and
many.csv in the current folder.

    python golden/choice/sets.py ESC10 EMBEDDED URBAN

ESC10 has a folder per class and file names that begin with the fold; EMBEDDED is what `earmark
synth` writes; URBAN has metadata/halves.csv with the columns fname, label, fold, recording, and
audio/.
"""

import csv
import random
import sys
from pathlib import Path

# The share of labels that are wrong in noisy.csv, and the clips of a class in many.csv.
WRONG, CLIPS = 0.2, 15


def write(name, header, rows):
    with open(name, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def first(rows, count, key):
    """The first rows of each key."""
    seen, kept = {}, []
    for row in rows:
        seen[key(row)] = seen.get(key(row), 0) + 1
        if seen[key(row)] <= count:
            kept.append(row)
    return kept


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def main():
    esc10, embedded, urban = (Path(folder).resolve() for folder in sys.argv[1:4])
    esc10 = [
        (file, folder.name.split(" - ")[-1], int(file.name[0]), "esc" + file.name.split("-")[1])
        for folder in sorted(esc10.iterdir()) if folder.is_dir()
        for file in sorted(folder.glob("*.ogg"))
    ]
    header = ("path", "label", "fold", "recording")
    write("few.csv", header, first(esc10, 2, lambda row: row[1:3]))

    draws, labels = random.Random(0), sorted({row[1] for row in esc10})
    wrong = set(draws.sample(range(len(esc10)), int(len(esc10) * WRONG)))
    noisy = []
    for index, (path, label, fold, recording) in enumerate(esc10):
        given = draws.choice([other for other in labels if other != label]) if index in wrong else label
        noisy.append((path, given, fold, recording, label))
    write("noisy.csv", (*header, "true_label"), noisy)

    many = [(path, label, recording) for path, label, _, recording in first(esc10, 3, lambda row: row[1:3])]
    sounds = {file.name: file for file in embedded.rglob("*.wav")}
    for row in rows_of(next(embedded.rglob("train*.csv"))):
        many.append((sounds[row["fname"]], "synthetic " + row["label"], row["fname"]))
    sounds = {file.name: file for file in (urban / "audio").rglob("*.ogg")}
    for row in rows_of(urban / "metadata" / "halves.csv"):
        many.append((sounds[Path(row["fname"]).name], "urban " + row["label"], "urban" + row["recording"]))
    random.Random(1).shuffle(many)
    write("many.csv", ("path", "label", "recording"), first(many, CLIPS, lambda row: row[1]))


if __name__ == "__main__":
    main()
