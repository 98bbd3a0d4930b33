"""Unpacks the chosen files of wheels into a folder, side by side as in site-packages.

Run with two arguments: the folder, and JSON [{"path": wheel, "keep": [shell patterns]}, ...].
"""

import fnmatch
import json
import sys
import zipfile


def unpack(wheel, folder, patterns):
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if any(fnmatch.fnmatchcase(n, pattern) for pattern in patterns)]
        if not names:
            sys.exit(f"{wheel} holds no {' or '.join(patterns)}")
        archive.extractall(folder, names)


for entry in json.loads(sys.argv[2]):
    unpack(entry["path"], sys.argv[1], entry["keep"])
