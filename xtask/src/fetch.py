"""Brings wheels into the cache, each checked by its SHA-256, and prints their paths as a JSON list.

Run with one argument, JSON: {"cache": folder, "machine": "x86_64" or "aarch64", "wheels":
[{"name": ..., "version": ..., "sha256": ...}, ...]}. A wheel that cannot be had is `null` in that
list; the reason goes to stderr, as the progress does.

`pip download` fetches: it knows the user's index, `--find-links` folders, certificates and
passwords.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

CHUNK = 1 << 20


class Failed(Exception):
    """A wheel that cannot be had, and why."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def tags(machine):
    """The same tags whatever Python runs this, so that the digests are the same: no Python ever
    loads these files."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 26, 25, 24, 18, 17, 12, 5)]
    platforms += [f"manylinux{year}_{machine}" for year in ("2014", "2010", "1")]
    chosen = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    chosen += ["--only-binary", ":all:"]
    for platform in platforms:
        chosen += ["--platform", platform]
    return chosen


def in_cache(cache, wheel):
    """A wheel that an earlier run fetched, or that somebody put there by hand."""
    start = f"{wheel['name'].replace('-', '_')}-{wheel['version']}-"
    for name in sorted(os.listdir(cache)):
        if name.startswith(start) and name.endswith(".whl"):
            path = os.path.join(cache, name)
            if digest(path) == wheel["sha256"]:
                return path
    return None


def fetch(cache, machine, wheel):
    """Downloads a wheel beside its place, checks it and moves it there."""
    wanted = f"{wheel['name']}=={wheel['version']}"
    with tempfile.TemporaryDirectory(dir=cache, prefix=".pip-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
        command += ["--dest", folder, *tags(machine), wanted]
        # From pip 25.1 on a connection that breaks is taken up where it broke.
        environment = {"PIP_RESUME_RETRIES": "5", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(command, stdout=sys.stderr, env={**environment, **os.environ})
        names = [name for name in os.listdir(folder) if name.endswith(".whl")]
        if done.returncode != 0 or not names:
            raise Failed(f"`pip download {wanted}` failed, see above")
        path = os.path.join(folder, names[0])
        found = digest(path)
        if found != wheel["sha256"]:
            raise Failed(f"pip offers a file whose SHA-256 is {found}, not {wheel['sha256']}")
        target = os.path.join(cache, names[0])
        os.replace(path, target)
        return target


def main():
    wanted = json.loads(sys.argv[1])
    cache, machine, wheels = wanted["cache"], wanted["machine"], wanted["wheels"]
    paths = [in_cache(cache, wheel) for wheel in wheels]
    missing = [(index, wheels[index]) for index, path in enumerate(paths) if path is None]
    if missing:
        say("fetching " + ", ".join(f"{wheel['name']} {wheel['version']}" for _, wheel in missing))
    for index, wheel in missing:
        try:
            paths[index] = fetch(cache, machine, wheel)
        except (Failed, OSError) as error:
            say(f"  {wheel['name']} {wheel['version']}: {error}")
    print(json.dumps(paths))


if __name__ == "__main__":
    main()
