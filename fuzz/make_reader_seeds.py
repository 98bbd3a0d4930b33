"""Writes the seeds of the targets `archives`, `registry`, `bundles`, `trees` and `embeddings`.

Run: python fuzz/make_reader_seeds.py, with XGBoost and pyarrow of golden/requirements.txt
"""

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import xgboost

CORPUS = Path(__file__).parent / "corpus"
ZIP, TAR = 0, 1
TIME = (2026, 1, 1, 0, 0, 0)
CUTOFF = [13.745202940783823, 121.73532586374934, 5964.163279612051]


def zip_of(entries, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in entries:
            info = zipfile.ZipInfo(name, TIME)
            info.compress_type = method
            info.external_attr = (0o120777 if content is None else 0o100644) << 16
            file.writestr(info, content if content is not None else "/etc/passwd")
    return out.getvalue()


def tar_of(entries, form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as file:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "../../etc/passwd"
            else:
                info.size = len(content)
            file.addfile(info, io.BytesIO(content or b""))
    return gzip.compress(out.getvalue(), mtime=0)


def archives():
    files = [("a/b.wav", b"RIFF" * 8), ("a/c.csv", b"fname,label\n"), ("d.txt", b"")]
    whole = zip_of(files)
    yield "deflated.zip", ZIP, whole
    yield "stored.zip", ZIP, zip_of(files, zipfile.ZIP_STORED)
    yield "outside.zip", ZIP, zip_of([("../b.wav", b"b")])
    yield "link.zip", ZIP, zip_of([("a", None), ("a/b", b"b")])
    yield "twice.zip", ZIP, zip_of([("a", b"1"), ("a/b", b"2")])
    yield "bomb.zip", ZIP, zip_of([("zeros", bytes(8 << 20))])
    yield "cut.zip", ZIP, whole[: len(whole) // 2]
    yield "pax.tar.gz", TAR, tar_of([(name * 40, content) for name, content in files])
    yield "ustar.tar.gz", TAR, tar_of(files, tarfile.USTAR_FORMAT)
    yield "gnu.tar.gz", TAR, tar_of([("x" * 150, b"long")], tarfile.GNU_FORMAT)
    yield "link.tar.gz", TAR, tar_of([("a", None), ("a/b", b"b")])
    yield "absolute.tar.gz", TAR, tar_of([("/etc/passwd", b"root")])


SET = """[mine]
title = "Mine"
about = "Some sounds"
home = "https://example.org"
licence = "CC0"
licence_url = "https://example.org/cc0"
credit = "Me"
"""
ARCHIVE = """[[mine.archives]]
name = "mine.zip"
url = "https://example.org/mine.zip"
"""
MD5 = 'md5 = "d41d8cd98f00b204e9800998ecf8427e"\n'


def registries():
    yield "one.toml", SET + ARCHIVE + MD5
    rows = '[mine.rows]\ntable = "a.csv"\ncolumn = "b"\nvalue = "c"\nfile = "d"\nfolder = "e"\n'
    yield "rows.toml", SET + "limits = { files = 3 }\n" + ARCHIVE + MD5 + "size = 7\nstrip = 1\n" + rows
    yield "path.toml", SET + (ARCHIVE + MD5).replace("mine.zip", "../mine.zip")
    yield "no_sum.toml", SET + ARCHIVE
    yield "list_elsewhere.toml", SET + ARCHIVE + 'sums = "/etc/passwd"\n'


def bundles():
    mel = {
        "kind": "logmel", "sr": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20,
        "fmin": 0.0, "fmax": 3600.0,
    }
    windows = {"frames": 50, "hop": 20, "padding": "zero", "pad_value": 0.0, "average": "probabilities"}
    network = {"file": "learner-a.onnx", "scaling": None}
    learner = {"name": "a", "arch": "resnet_nano", "features": mel, "windows": windows, "networks": [network]}
    resampler = {"kind": "fft_windowed_sinc", "window": "blackmanharris_squared", "taps": 1024, "cutoff": CUTOFF}
    config = {
        "format": 1, "earmark": "0.1.0", "labels": ["Bark", "Rain"], "activation": "softmax",
        "resampler": resampler, "learners": [learner], "statistics": None, "stack": None,
    }
    yield "plain.json", config
    yield "stack.json", config | {"stack": "stack.onnx"}
    yield "path.json", config | {"stack": "../stack.onnx"}
    yield "newer.json", config | {"format": 7}
    yield "one_label.json", config | {"labels": ["Bark"]}
    huge = windows | {"frames": 1 << 60, "hop": 1}
    yield "huge.json", config | {"learners": [learner | {"windows": huge}]}



def trees():
    """Yields names, numbers of features and classes, and XGBoost's JSON."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4)).astype("f4")
    x[::7, 1] = np.nan

    def fit(classes, **more):
        table = xgboost.DMatrix(x, label=np.arange(60) % classes)
        settings = {"objective": "multi:softprob", "num_class": classes, "max_depth": 2, "nthread": 1} | more
        return json.loads(xgboost.train(settings, table, 2).save_raw("json"))

    def part(model):
        return model["learner"]["gradient_booster"]["model"]["trees"][0]

    whole = json.dumps(fit(3)).encode()
    yield "three.json", 4, 3, whole
    yield "two.json", 4, 2, json.dumps(fit(2)).encode()
    yield "stump.json", 4, 3, json.dumps(fit(3, max_depth=0, grow_policy="lossguide", max_leaves=2)).encode()
    yield "other_size.json", 5, 3, whole
    yield "cut.json", 4, 3, whole[: len(whole) // 2]
    circle = fit(3)
    part(circle)["left_children"][1] = 0
    yield "circle.json", 4, 3, json.dumps(circle).encode()
    far = fit(3)
    part(far)["split_indices"][0] = 1 << 30
    yield "far.json", 4, 3, json.dumps(far).encode()
    regression = fit(3)
    regression["learner"]["objective"]["name"] = "reg:squarederror"
    yield "regression.json", 4, 3, json.dumps(regression).encode()
    labels = xgboost.DMatrix(x, label=random.random((60, 3)) < 0.4)
    several = xgboost.train({"objective": "binary:logistic", "max_depth": 2, "nthread": 1}, labels, 2)
    yield "several.json", 4, 3, several.save_raw("json")


def embeddings():
    """Yields names and files with three rows, and files that are broken on purpose."""
    values = np.arange(12, dtype="f4").reshape(3, 4)
    array = io.BytesIO()
    np.save(array, values)
    yield "rows.npy", array.getvalue()
    yield "cut.npy", array.getvalue()[:-5]
    yield "huge.npy", array.getvalue().replace(b"(3, 4), }" + 10 * b" ", b"(99999999999, 4), }")
    columns = {"path": ["a.wav", "a.wav", "b.wav"], "start": [0.0, 1.0, 0.0], "end": [1.0, 2.0, 1.0]}
    lists = pyarrow.array(list(values), pyarrow.list_(pyarrow.float32()))
    table = pyarrow.table(columns | {"embedding": lists})

    def written(**options):
        file = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(table, file, store_schema=False, **options)
        return file.getvalue().to_pybytes()

    yield "snappy.parquet", written()
    yield "plain.parquet", written(compression="none", use_dictionary=False)
    yield "groups.parquet", written(row_group_size=1)
    yield "zstd.parquet", written(compression="zstd")
    yield "cut.parquet", written()[:-9]

    def footer(metadata):
        return b"PAR1" + metadata + struct.pack("<I", len(metadata)) + b"PAR1"

    yield "deep.parquet", footer(b"\x1c" * 100_000)
    yield "endless.parquet", footer(b"\x29\xfc" + b"\xff" * 8 + b"\x7f")


def main():
    seeds = {Path("archives") / name: struct.pack("B", kind) + content for name, kind, content in archives()}
    seeds |= {Path("registry") / name: text.encode() for name, text in registries()}
    seeds |= {Path("bundles") / name: json.dumps(config).encode() for name, config in bundles()}
    for name, features, classes, content in trees():
        seeds[Path("trees") / name] = bytes([features, classes]) + content
    seeds |= {Path("embeddings") / name: content for name, content in embeddings()}
    for name, content in seeds.items():
        (CORPUS / name).parent.mkdir(parents=True, exist_ok=True)
        (CORPUS / name).write_bytes(content)
    print(len(seeds), "seeds,", sum(map(len, seeds.values())), "bytes")


main()
