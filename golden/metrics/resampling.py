"""Bootstrap intervals by scipy, with the same resamples as Earmark's."""

import numpy as np
from scipy.stats import bootstrap

ALL = (1 << 64) - 1


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL
    return z ^ (z >> 31)


class Draws(np.random.Generator):
    """Draws the same clips as Earmark, so that scipy's intervals are the same to the last digit."""

    def __init__(self, seed):
        super().__init__(np.random.PCG64(0))
        self.seed = seed

    def integers(self, low, high=None, size=None, **_):
        gamma, rows = 0x9E3779B97F4A7C15, []
        assert low == 0 and size[-1] == high
        for resample in range(size[0]):
            state = mix(mix((self.seed + gamma) & ALL) ^ ((resample + 1) * gamma & ALL))
            rows.append([(mix((state + (i + 1) * gamma) & ALL) >> 32) * high >> 32 for i in range(high)])
        return np.array(rows).reshape(size)


def interval(clips, statistic, resampling, rng):
    result = bootstrap(
        (np.arange(clips),),
        lambda drawn: statistic(drawn.astype(int)),
        n_resamples=resampling["resamples"],
        confidence_level=resampling["level"],
        method="percentile",
        vectorized=False,
        rng=rng,
    )
    return {"low": result.confidence_interval.low, "high": result.confidence_interval.high}
