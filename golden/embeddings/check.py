"""Reads the tables of `earmark embed` with NumPy, pandas and pyarrow, and compares `earmark
similar` with scikit-learn.

    python golden/embeddings/check.py EARMARK

EARMARK_AUDIOSET is a folder with the published weights mn04_as_mAP_432.pt; without it, nothing is
checked. Versions: golden/requirements.txt.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.neighbors import NearestNeighbors

earmark = str(pathlib.Path(sys.argv[1]).resolve())
if not os.environ.get("EARMARK_AUDIOSET"):
    sys.exit("EARMARK_AUDIOSET is not set" if "CI" in os.environ else 0)
weights = pathlib.Path(os.environ["EARMARK_AUDIOSET"]) / "mn04_as_mAP_432.pt"

with tempfile.TemporaryDirectory() as folder:

    def run(words):
        environment = os.environ | {"EARMARK_MODELS": f"{folder}/models"}
        ran = subprocess.run([earmark, *words.split()], cwd=folder, env=environment, check=True, stdout=subprocess.PIPE)
        return ran.stdout

    place = pathlib.Path(folder)
    run(f"model import {weights} --arch mn04 --name mn04_as")
    run("synth --out data --seed 3 --train-clips 60 --test-clips 12")
    run("embed data --out x.npy")
    run("embed data --windows --out windows.parquet")
    run("embed data --out x.parquet")

    values, rows = np.load(place / "x.npy"), pd.read_csv(place / "x.csv")
    frame = pd.read_parquet(place / "x.parquet")
    assert values.shape == (72, 384) and values.dtype == np.float32
    assert list(frame.columns) == ["path", "start", "end", "embedding"]
    assert np.array_equal(np.stack(frame["embedding"]), values)
    assert frame[["path", "start", "end"]].to_dict("list") == rows.to_dict("list")
    model = json.loads((place / "x.json").read_text())
    metadata = pq.read_metadata(place / "x.parquet").metadata
    assert metadata[b"earmark.model"].decode() == model["model"] == "mn04_as"
    assert metadata[b"earmark.sha256"].decode() == model["sha256"]
    assert pq.read_table(place / "windows.parquet").num_rows >= 72

    found = NearestNeighbors(n_neighbors=72, metric="cosine", algorithm="brute").fit(values.astype(np.float64))
    for query in [0, 17, 71]:
        path = rows["path"][query]
        similar = json.loads(run(f"similar {path} --in x.npy --with-query --top 72 --json"))
        distances, indices = found.kneighbors(values[query : query + 1].astype(np.float64))
        expected = dict(zip(rows["path"][indices[0]], 1 - distances[0], strict=True))
        assert len(similar) == 72
        assert all(abs(row["cosine"] - expected[row["path"]]) < 1e-6 for row in similar)
        best = similar[0]["path"], similar[1]["path"]
        assert best == tuple(rows["path"][indices[0][:2]]), best

    # pandas writes some of the rows again, without the model.
    frame[frame["end"] > 0.5].to_parquet(place / "some.parquet")
    run(f"similar {rows['path'][0]} --in some.parquet --model mn04_as")
    # pyarrow keeps the model.
    pq.write_table(pq.read_table(place / "x.parquet"), place / "again.parquet")
    run(f"similar {rows['path'][0]} --in again.parquet")

print("NumPy, pandas, pyarrow and scikit-learn agree")
