"""What Earmark draws from its random streams: shuffles, integers, floats, and the Beta, normal and
uniform distributions, by a second implementation of the algorithms of `rand` 0.10 and `rand_distr`
0.6: Fisher and Yates with several indices from one number (Brackett-Rozinsky, Lemire 2024), Canon's
method for integers, Cheng's BB and BC (1978) for Beta, and the ziggurat of Marsaglia and Tsang
(2000) for the normal distribution. Plain Python without libraries.

make.py writes the results to draws.csv.
"""

import math
import pathlib

from make import ALL, chacha8_words, state_of

SEEDS = [(0, []), (7, [1, 2]), (ALL, [ALL])]


class Stream:
    """The words of a stream, and numbers derived from them."""

    def __init__(self, seed, keys):
        self.words = chacha8_words(state_of(seed, keys))

    def u32(self):
        return next(self.words)

    def u64(self):
        low = next(self.words)
        return low | next(self.words) << 32

    def below(self, bound, bits=64):
        """A number in 0..bound by Canon's method: at most one more number reduces the bias."""
        draw = self.u64 if bits == 64 else self.u32
        product = draw() * bound
        high, low = product >> bits, product & ((1 << bits) - 1)
        if low > (1 << bits) - bound:
            high += low + (draw() * bound >> bits) >= 1 << bits
        return high

    def shuffled(self, n):
        order = list(range(n))
        chunk, left = 0, 1
        for i in range(n if n > 1 else 0):
            bound = i + 1
            if left == 0:
                # As many factors (i + 1), (i + 2), ... as fit into 32 bits, from one number.
                product = bound
                while product * (bound + left + 1) < 1 << 32:
                    left += 1
                    product *= bound + left
                left += 1
                chunk = self.below(product, 32)
            left -= 1
            index = chunk if left == 0 else chunk % bound
            chunk //= bound
            order[i], order[index] = order[index], order[i]
        return order

    def float32(self, low, high):
        return (self.u32() >> 9) / (1 << 23) * (high - low) + low

    def float64(self, low, high):
        return (self.u64() >> 12) / (1 << 52) * (high - low) + low

    def open01(self):
        return ((self.u64() >> 12) + 0.5) / (1 << 52)

    def beta(self, alpha):
        """Beta(alpha, alpha), where Cheng's a and b are equal."""
        total = 2 * alpha
        odds = lambda u, scale: scale * math.log(u / (1 - u))
        if alpha > 1:
            scale = math.sqrt((total - 2) / (2 * alpha * alpha - total))
            gamma = alpha + 1 / scale
            while True:
                u, other = self.open01(), self.open01()
                v = odds(u, scale)
                w = alpha * math.exp(v)
                z, r = u * u * other, gamma * v - math.log(4)
                s = alpha + r - w
                if s + 1 + math.log(5) >= 5 * z or s >= math.log(z) or not r + total * math.log(total / (alpha + w)) < math.log(z):
                    # Of two equal parameters, `rand_distr` uses the second one first.
                    return alpha / (alpha + w)
        scale = 1 / alpha
        k1 = (1 / 72 + alpha / 24) / (alpha * scale - 14 / 18)
        k2 = 0.25 + (0.5 + 0.25) * alpha
        while True:
            u, other = self.open01(), self.open01()
            z = u * u * other
            if u < 0.5:
                if 0.25 * other + z - u * other >= k1:
                    continue
            elif z > 0.25 and z >= k2:
                continue
            v = odds(u, scale)
            w = alpha * math.exp(v)
            quick = u >= 0.5 and z <= 0.25
            if quick or not total * (math.log(total / (alpha + w)) + v) - math.log(4) < math.log(z):
                return w / (alpha + w)

    def normal(self):
        while True:
            bits = self.u64()
            i = bits & 0xFF
            u = (bits >> 12) / (1 << 51) - 1
            x = u * EDGES[i]
            if abs(x) < EDGES[i + 1]:
                return x
            if i == 0:
                a, b = 1, 0
                while -2 * b < a * a:
                    a, b = math.log(self.open01()) / TAIL, math.log(self.open01())
                return a - TAIL if u < 0 else TAIL - a
            share = (self.u64() >> 11) / (1 << 53)
            if density(EDGES[i + 1]) + (density(EDGES[i]) - density(EDGES[i + 1])) * share < density(x):
                return x


TAIL, AREA = 3.654152885361008796, 0.00492867323399


def density(x):
    return math.exp(-x * x / 2)


def edges():
    """The right edges of 256 layers of equal area; the lowest layer includes the tail."""
    x = [AREA / density(TAIL), TAIL]
    for _ in range(254):
        x.append(math.sqrt(-2 * math.log(AREA / x[-1] + density(x[-1]))))
    return x + [0.0]


EDGES = edges()

INTEGERS = [1, 2, 7, 1000, (1 << 40) + 1, 3 << 62]
MIXED = 9


def rows(seed, keys):
    """Yields kind, parameter and values; each row is drawn from the beginning of the stream."""
    stream = lambda: Stream(seed, keys)
    for n in [0, 1, 2, 5, 13, 14, 41, 300]:
        yield "shuffle", n, stream().shuffled(n)
    for bound in INTEGERS:
        one = stream()
        yield "u64", bound, [one.below(bound) for _ in range(12)]
    for bound in [7, 3 << 30]:
        one = stream()
        yield "u32", bound, [one.below(bound, 32) for _ in range(12)]
    for width in [1.0, 0.5]:
        one = stream()
        yield "f32", width, [one.float32(-width, width) for _ in range(6)]
    one = stream()
    yield "f64", 1.0, [one.float64(-1.0, 1.0) for _ in range(6)]
    one = stream()
    yield "normal", 0.25, [0.25 * one.normal() for _ in range(600)]
    one = stream()
    # An inclusive range is one step of the mantissa wider, so that its end can be reached.
    yield "uniform", 0.125, [(one.u64() >> 12) / (1 << 52) * (0.25 / (1 - 2.0**-52)) - 0.125 for _ in range(6)]
    for alpha in [0.25, 1.0, 3.0]:
        one = stream()
        partners = one.shuffled(MIXED)
        weights = [one.beta(alpha) for _ in range(MIXED)]
        yield "mixup", alpha, [item for pair in zip(partners, weights) for item in pair]
    one = stream()
    # The start of a crop of 100 out of 1,000 frames.
    yield "crop", 100, [one.below(901) for _ in range(6)]
    one = stream()
    # The same after a cyclic shift: a second number is drawn and ignored.
    yield "shifted", 100, [(one.below(1000), one.below(1))[0] for _ in range(6)]


def write():
    lines = ["seed,keys,what,parameter,values"]
    for seed, keys in SEEDS:
        for what, parameter, values in rows(seed, keys):
            lines.append(f"{seed},{' '.join(map(str, keys))},{what},{parameter},{' '.join(map(repr, values))}")
    pathlib.Path(__file__).with_name("draws.csv").write_text("\n".join(lines) + "\n")
