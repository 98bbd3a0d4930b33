"""Tables of embeddings as NumPy, pyarrow and pandas write them, and nearest rows by scikit-learn.

Run: python golden/embeddings/make.py
`written.json` describes each file: whether Earmark reads it, and what it contains. `nearest.json`
has rows, queries, and for each query all rows in ascending order of cosine distance.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
from sklearn.neighbors import NearestNeighbors

HERE = Path(__file__).parent
MODEL = {"earmark.model": "mn04_as", "earmark.sha256": "ab" * 32}


def table(rows, size, seed, repeated=False):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, size)).astype(np.float32)
    if repeated:
        values = values[rng.integers(0, 3, rows)]
    paths = [f"sounds/é {row % 7}, \"x\".wav" for row in range(rows)]
    start = np.arange(rows) * 0.5
    return paths, start, start + 0.5, values


def columns(content, dtype=pa.float32()):
    paths, start, end, values = content
    return {
        "path": pa.array(paths),
        "start": pa.array(start),
        "end": pa.array(end),
        "embedding": pa.array(list(values), pa.list_(dtype)),
    }


described = []


def describe(name, content, model):
    paths, start, end, values = content
    described.append({
        "file": name,
        "paths": paths,
        "start": start.tolist(),
        "end": end.tolist(),
        "values": [[float(v) for v in row] for row in values],
        "model": model,
    })


def arrow(name, content, model=MODEL, **options):
    pq.write_table(pa.table(columns(content), metadata=model), HERE / name, **options)
    describe(name, content, model)


small = table(40, 6, 1)
arrow("default.parquet", small)
arrow("plain.parquet", small, compression="none", use_dictionary=False)
arrow("repeated.parquet", table(300, 5, 2, repeated=True), None)
arrow("groups.parquet", table(200, 4, 3), row_group_size=33, data_page_size=256)
arrow("one_value.parquet", table(20, 1, 4), None, compression="none")
paths, start, end, values = small
frame = pd.DataFrame({"embedding": list(values), "note": "x", "end": end, "path": paths, "start": start})
frame.to_parquet(HERE / "pandas.parquet")
describe("pandas.parquet", small, None)
required = pa.schema([
    pa.field("path", pa.string(), False),
    pa.field("start", pa.float64(), False),
    pa.field("end", pa.float64(), False),
    pa.field("embedding", pa.list_(pa.field("element", pa.float32(), False)), False),
], MODEL)
pq.write_table(pa.table(columns(small), required), HERE / "required.parquet")
describe("required.parquet", small, MODEL)


def numpy(name, content, model, **options):
    paths, start, end, values = content
    np.save(HERE / f"{name}.npy", values, **options)
    pd.DataFrame({"path": paths, "start": start, "end": end}).to_csv(HERE / f"{name}.csv", index=False)
    if model:
        names = {"model": model["earmark.model"], "sha256": model["earmark.sha256"]}
        (HERE / f"{name}.json").write_text(json.dumps(names) + "\n")
    describe(f"{name}.npy", content, model)


numpy("array", small, MODEL)
(HERE / "written.json").write_text(json.dumps(described) + "\n")

# Files that are refused.
faulty = HERE / "faulty"
faulty.mkdir(exist_ok=True)
pq.write_table(pa.table(columns(small)), faulty / "zstd.parquet", compression="zstd")
pq.write_table(pa.table(columns(small)), faulty / "version2.parquet", data_page_version="2.0")
pq.write_table(pa.table(columns(small, pa.float64())), faulty / "double.parquet")
pq.write_table(pa.table({k: v for k, v in columns(small).items() if k != "start"}), faulty / "no_start.parquet")
ragged = [row[: 6 - (index == 17)] for index, row in enumerate(values)]
pq.write_table(pa.table(columns((paths, start, end, ragged))), faulty / "ragged.parquet")
with_null = [None if index == 3 else row for index, row in enumerate(values)]
pq.write_table(pa.table(columns((paths, start, end, with_null))), faulty / "null.parquet")
nan = values.copy()
nan[5, 2] = np.nan
pq.write_table(pa.table(columns((paths, start, end, nan))), faulty / "nan.parquet")
binary = columns(small) | {"path": pa.array([b"a\xff.wav"] * 40, pa.binary())}
pq.write_table(pa.table(binary), faulty / "bytes.parquet")
for name, array in [
    ("double", values.astype(np.float64)),
    ("flat", values[0]),
    ("fortran", np.asfortranarray(values)),
    ("nan", nan),
    ("no_rows", values[:39]),
]:
    np.save(faulty / f"{name}.npy", array)
    pd.DataFrame({"path": paths, "start": start, "end": end}).to_csv(faulty / f"{name}.csv", index=False)

# Nearest rows. Rows 7 and 21 are multiples of row 3, so they tie with it; row 11 is zero.
rng = np.random.default_rng(5)
rows = rng.normal(size=(60, 19)).astype(np.float32)
rows[7], rows[21], rows[11] = rows[3] * 2, rows[3] * 0.5, 0
queries = np.concatenate([rows[3:4], rows[30:31] * 4, rng.normal(size=(3, 19)).astype(np.float32)])
# In 64 bits, and sorted by row where distances tie.
found = NearestNeighbors(n_neighbors=60, metric="cosine", algorithm="brute").fit(rows.astype(np.float64))
distances, indices = found.kneighbors(queries.astype(np.float64))
cases = []
for query, distance, index in zip(queries, distances, indices, strict=True):
    order = np.lexsort((index, distance.round(12)))
    cases.append({
        "query": [float(v) for v in query],
        "rows": index[order].tolist(),
        "distances": distance[order].tolist(),
    })
content = {"rows": [[float(v) for v in row] for row in rows], "cases": cases}
(HERE / "nearest.json").write_text(json.dumps(content) + "\n")

versions = {"numpy": np.__version__, "pandas": pd.__version__, "pyarrow": pa.__version__, "scikit-learn": sklearn.__version__}
(HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
