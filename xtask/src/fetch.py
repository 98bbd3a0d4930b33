"""Brings wheels into the cache, each checked by its SHA-256, and prints their paths as a JSON list.

Run with one argument, JSON: {"cache": folder, "machine": "x86_64" or "aarch64",
"wheels": [{"name": ..., "version": ..., "sha256": ...}, ...]}. A wheel that cannot be had is `null` in that list;
the reason goes to stderr, as the progress does.

pip knows where packages come from (its index, `--find-links` folders, certificates, passwords), so pip is asked, and
pip's own session downloads. `pip download` itself starts anew after an interruption, and `pip install --dry-run
--report` downloads the whole wheel to learn its address; that is why pip's finder is called here. It is no public
interface, so where it fails plain `pip download` does the work.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import time

CHUNK = 1 << 20
ATTEMPTS = 5


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
    """The same tags whatever Python runs this, so that the digests are the same: no Python ever loads these files."""
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 26, 25, 24, 18, 17, 12, 5)]
    platforms += [f"manylinux{year}_{machine}" for year in ("2014", "2010", "1")]
    chosen = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--only-binary", ":all:"]
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


@contextlib.contextmanager
def pip_finder(machine):
    """pip's package finder and its session, with the user's settings."""
    from pip._internal.cli.cmdoptions import make_target_python
    from pip._internal.commands import create_command

    command = create_command("download")
    options, _ = command.parse_args(["--no-deps", "--no-cache-dir", "--retries", "2", *tags(machine), "any"])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(
            options=options,
            session=session,
            target_python=make_target_python(options),
            ignore_requires_python=True,
        )
        yield finder, session


def find(finder, wheel):
    """pip's link to the pinned file. A folder's link has no digest: it is checked after the copy."""
    candidates = [c for c in finder.find_all_candidates(wheel["name"]) if str(c.version) == wheel["version"]]
    for candidate in candidates:
        if candidate.link.hash_name == "sha256" and candidate.link.hash == wheel["sha256"]:
            return candidate.link
    for candidate in candidates:
        if candidate.link.hash is None:
            return candidate.link
    if candidates:
        raise Failed(f"pip offers {candidates[0].link.filename}, but not with the SHA-256 that is pinned here")
    raise Failed("pip finds no such wheel (is there a network, or a --find-links folder?)")


class Progress:
    """One line that renews itself on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, name, had, total):
        self.name, self.had, self.total = name, had, total
        self.start = self.shown = time.monotonic()
        self.done = had
        self.live = sys.stderr.isatty()

    def add(self, count):
        self.done += count
        now = time.monotonic()
        if now - self.shown >= (0.3 if self.live else 10):
            self.shown = now
            self.show("\r" if self.live else "\n")

    def show(self, end):
        rate = (self.done - self.had) / max(time.monotonic() - self.start, 1e-3) / 1e6
        whole = f" of {self.total / 1e6:.0f}" if self.total else ""
        print(f"  {self.name}: {self.done / 1e6:.0f}{whole} MB, {rate:.0f} MB/s  ", end=end, file=sys.stderr, flush=True)


def append(session, link, part):
    """Downloads what `part` lacks; true once it is whole."""
    had = os.path.getsize(part) if os.path.exists(part) else 0
    headers = {"Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
    with contextlib.closing(session.get(link.url_without_fragment, headers=headers, stream=True)) as response:
        if response.status_code == 416:  # Nothing lies behind what we have: whole, or not this file at all.
            return True
        if 400 <= response.status_code < 500:
            raise Failed(f"the server answers {response.status_code} {response.reason}")
        response.raise_for_status()
        if response.status_code != 206:
            had = 0  # The server ignores ranges, or it is a folder.
        length = int(response.headers.get("Content-Length", 0))
        if had:
            say(f"  {link.filename}: goes on after {had / 1e6:.0f} MB")
        progress = Progress(link.filename, had, had + length if length else 0)
        with open(part, "ab" if had else "wb") as file:
            while chunk := response.raw.read(CHUNK):
                file.write(chunk)
                progress.add(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        progress.show("\n")
        return not length or progress.done >= progress.total


def download(session, link, part):
    """Downloads to `part`; a broken connection is taken up again where it broke."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if append(session, link, part):
                return
            reason = "the connection ended early"
        except Failed:
            raise
        except OSError as error:  # The disk's (they have a number), or the connection's.
            if error.errno is not None and not isinstance(error, ConnectionError):
                raise
            reason = error
        except Exception as error:  # urllib3's errors, which pip bundles under changing names.
            reason = error
        say(f"  {link.filename}: {reason}")
        if attempt < ATTEMPTS:
            time.sleep(2**attempt)
    raise Failed(f"the download broke {ATTEMPTS} times; what came so far is kept, and the next run goes on there")


def fetch_by_session(finder, session, cache, wheel):
    link = find(finder, wheel)
    target = os.path.join(cache, link.filename)
    part = target + ".part"
    resumed = os.path.exists(part)
    download(session, link, part)
    if resumed and digest(part) != wheel["sha256"]:
        say(f"  {link.filename}: the part that was there does not fit; once more from the start")
        os.remove(part)
        download(session, link, part)
    return accept(part, target, wheel)


def fetch_by_pip(cache, machine, wheel):
    wanted = f"{wheel['name']}=={wheel['version']}"
    with tempfile.TemporaryDirectory(dir=cache, prefix=".pip-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--dest", folder]
        done = subprocess.run([*command, *tags(machine), wanted], stdout=sys.stderr)
        files = [name for name in os.listdir(folder) if name.endswith(".whl")]
        if done.returncode != 0 or not files:
            raise Failed(f"`pip download {wanted}` failed, see above")
        return accept(os.path.join(folder, files[0]), os.path.join(cache, files[0]), wheel)


def accept(path, target, wheel):
    """Moves a downloaded file to its place in the cache if it is the pinned one, and removes it if not."""
    found = digest(path)
    if found != wheel["sha256"]:
        os.remove(path)
        raise Failed(f"SHA-256 is {found}, not {wheel['sha256']}; the file was removed")
    os.replace(path, target)
    return target


def fetch(stack, cache, machine, missing):
    """Yields (index, path or error) for each of the missing wheels."""
    finder = session = None
    try:
        finder, session = stack.enter_context(pip_finder(machine))
    except Exception as error:
        say(f"  pip's inner parts are not as expected ({error!r}): plain `pip download` does the work")
    for index, wheel in missing:
        try:
            if finder:
                try:
                    yield index, fetch_by_session(finder, session, cache, wheel)
                    continue
                except (AttributeError, TypeError) as error:
                    say(f"  pip's inner parts are not as expected ({error!r}): plain `pip download` does the work")
            yield index, fetch_by_pip(cache, machine, wheel)
        except (Failed, OSError) as error:
            yield index, error


def main():
    logging.basicConfig(format="  pip: %(message)s", level=logging.WARNING)  # Why the index cannot be reached, if so.
    wanted = json.loads(sys.argv[1])
    cache, machine, wheels = wanted["cache"], wanted["machine"], wanted["wheels"]
    paths = [in_cache(cache, wheel) for wheel in wheels]
    missing = [(index, wheels[index]) for index, path in enumerate(paths) if path is None]
    if missing:
        say("fetching " + ", ".join(f"{wheel['name']} {wheel['version']}" for _, wheel in missing))
        with contextlib.ExitStack() as stack:
            for index, result in fetch(stack, cache, machine, missing):
                if isinstance(result, Exception):
                    # An address may hold the password of an index.
                    reason = re.sub(r"://[^/@\s]+@", "://", str(result))
                    say(f"  {wheels[index]['name']} {wheels[index]['version']}: {reason}")
                else:
                    paths[index] = result
    print(json.dumps(paths))


if __name__ == "__main__":
    main()
