"""Archives by other writers: the same files in Python's zipfile and tarfile, each in several ways.

Writes *.zip and *.tar.gz, files.md5 (the files in them) and versions.json to its own folder:
`python golden/archives/make.py`
"""

import gzip
import hashlib
import io
import json
import pathlib
import platform
import tarfile
import zipfile

HERE = pathlib.Path(__file__).parent
DATE = (2018, 7, 31, 0, 0, 0)
FILES = {
    "set/table.csv": b"fname,label\na.wav,Bark\n",
    "set/audio/a.wav": bytes(i * i % 251 for i in range(3000)),
    "set/audio/empty.wav": b"",
    "set/audio/h\u00fchner gackern.wav": b"\x00" * 2000,
    "set/" + "a long folder name/" * 8 + "b.wav": b"deep",
}


class Stream(io.RawIOBase):
    """A file without seeking, so that sizes are written after the data."""

    def __init__(self, path):
        self.file = open(path, "wb")

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)

    def close(self):
        self.file.close()
        super().close()


def make_zip(target, method, zip64=False, comment=b""):
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.comment = comment
        folder = zipfile.ZipInfo("set/", DATE)
        folder.external_attr = 0o40755 << 16 | 0x10
        archive.writestr(folder, b"")
        for name, data in FILES.items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = method
            info.external_attr = 0o100644 << 16
            with archive.open(info, "w", force_zip64=zip64) as entry:
                entry.write(data)


def make_tar(name, form):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form, pax_headers={"comment": "of all that follows"}) as archive:
        folder = tarfile.TarInfo("./set")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for path, data in FILES.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    (HERE / name).write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def main():
    make_zip(HERE / "stored.zip", zipfile.ZIP_STORED)
    make_zip(HERE / "deflated.zip", zipfile.ZIP_DEFLATED, comment=b"33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6")
    with Stream(HERE / "streamed.zip") as stream:
        make_zip(stream, zipfile.ZIP_DEFLATED)
    # With limits this low, every entry and the end of the archive have the 64-bit format.
    limits = zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = 0, 0
    make_zip(HERE / "zip64.zip", zipfile.ZIP_DEFLATED, zip64=True)
    zipfile.ZIP64_LIMIT, zipfile.ZIP_FILECOUNT_LIMIT = limits
    make_tar("gnu.tar.gz", tarfile.GNU_FORMAT)
    make_tar("pax.tar.gz", tarfile.PAX_FORMAT)

    sums = [f"{hashlib.md5(data).hexdigest()}  {name}\n" for name, data in FILES.items()]
    (HERE / "files.md5").write_text("".join(sums))
    versions = {"python": platform.python_version()}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
