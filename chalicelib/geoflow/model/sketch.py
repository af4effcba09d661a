"""How long things take, kept small: a sketch that adds up, and tells any quantile to 2 %.

Values fall into buckets whose borders grow by a constant factor, so that each bucket's middle
is within 2 % of all that is in it. Sketches of days are merged by adding their buckets.
Source: C. Masson, J. E. Rim, H. K. Lee, DDSketch: A Fast and Fully-Mergeable Quantile Sketch
with Relative-Error Guarantees, VLDB 2019.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

RELATIVE_ERROR: Final = 0.02
"""Most by which a quantile is wrong, as a share of the true one."""

LEAST_MS: Final = 1.0
"""What is shorter counts as this, in milliseconds: no clock here is finer."""

MOST_MS: Final = 100 * 365 * 86_400_000.0
"""What is longer counts as this: it bounds a sketch to about 720 buckets."""

_GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)

Sketch = Mapping[str, int]
"""How many values are in each bucket, by the bucket's number in decimal digits."""


def bucket_of(duration_ms: float) -> str:
    """Return the bucket of a duration."""
    held = min(max(duration_ms, LEAST_MS), MOST_MS)
    return str(math.ceil(math.log(held) / math.log(_GROWTH)))


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """Return the sketch of all that is in the sketches."""
    total = Counter[str]()
    for sketch in sketches:
        total.update(sketch)
    return total


def quantile(sketch: Sketch, share: float) -> float | None:
    """Return the duration that ``share`` of all are not longer than; None of nothing.

    In milliseconds; ``share`` is 0 to 1.
    """
    rank, seen = share * (sum(sketch.values()) - 1), 0
    for bucket in sorted(sketch, key=int):
        seen += sketch[bucket]
        if seen > rank:
            return 2 * _GROWTH ** int(bucket) / (_GROWTH + 1)
    return None
