"""The first numbers of Earmark's random streams, by a second implementation: splitmix64 over seed
and keys, then the ChaCha key stream with 8 rounds (D. J. Bernstein 2008). Plain Python without
libraries.

Writes streams.csv, and with draws.py draws.csv, to its own folder: `python golden/random/make.py`
"""

import itertools
import pathlib
import struct

ALL = (1 << 64) - 1
CASES = [(0, []), (0, [0]), (1, [2, 3]), (1, [3, 2]), (ALL, [ALL, 17, 0])]


def splitmix(state):
    z = (state + 0x9E3779B97F4A7C15) & ALL
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL
    return z ^ (z >> 31)


def chacha8_words(key):
    """The infinite key stream as 32-bit numbers."""
    for block in itertools.count():
        yield from chacha8(key, block)


def chacha8(key, block):
    """A block of the key stream as sixteen 32-bit numbers."""
    counter = [block & 0xFFFFFFFF, block >> 32, 0, 0]
    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key)) + counter
    w = start[:]

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            w[x] = (w[x] + w[y]) & 0xFFFFFFFF
            w[z] ^= w[x]
            w[z] = ((w[z] << n) | (w[z] >> (32 - n))) & 0xFFFFFFFF

    for _ in range(4):
        for column in range(4):
            quarter(column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return [(a + b) & 0xFFFFFFFF for a, b in zip(w, start)]


def state_of(seed, keys):
    """The ChaCha key for a seed and keys."""
    state = splitmix(seed)
    for key in keys:
        state = splitmix(state ^ key)
    state = splitmix(state ^ len(keys))
    seed_bytes = b""
    for _ in range(4):
        state = splitmix(state)
        seed_bytes += struct.pack("<Q", state)
    return seed_bytes


def stream(seed, keys):
    """The first 64-bit numbers."""
    words = chacha8(state_of(seed, keys), 0)
    return [low | high << 32 for low, high in zip(words[::2], words[1::2])]


if __name__ == "__main__":
    import draws

    lines = ["seed,keys,first,second"]
    for seed, keys in CASES:
        first, second = stream(seed, keys)[:2]
        lines.append(f"{seed},{' '.join(map(str, keys))},{first},{second}")
    pathlib.Path(__file__).with_name("streams.csv").write_text("\n".join(lines) + "\n")
    draws.write()
