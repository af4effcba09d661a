"""One write against many subscriptions: what finding the sessions it concerns costs.

Each subscription reads one document by an index, as a screen of details does. Then one
document changes that one session reads.
"""

import time
from typing import Final

from benchmarks.report import Line, at_most, print_table
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.log import IndexKey
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Subscription
from chalicelib.engine.values.order import key_bytes

SUBSCRIPTIONS: Final = (1_000, 10_000, 100_000, 1_000_000)
WRITES: Final = 2_000
_BY_ID, _BY_NUMBER = 1, 2


def subscription(number: int) -> Subscription:
    """Return a subscription of somebody who reads the document with this number."""
    prefix = key_bytes([number])
    interval = Interval(_BY_NUMBER, prefix, prefix + b"\xff")
    return Subscription(prefix, interval, f"connection-{number}")


def written(number: int) -> tuple[IndexKey, ...]:
    """Return the keys that a write to the document with this number touches."""
    internal = number.to_bytes(16, "big")
    return (_BY_ID, internal), (_BY_NUMBER, key_bytes([number]) + internal)


def match_us(subscriptions: int) -> float:
    """Return the microseconds that matching one write takes."""
    index = MemorySubscriptions()
    for number in range(subscriptions):
        index.add([subscription(number)])
    writes = [written(n * 7919 % subscriptions) for n in range(WRITES)]
    began = time.thread_time()
    found = [index.match(keys) for keys in writes]
    spent = time.thread_time() - began
    assert all(len(connections) == 1 for connections in found)
    return spent / WRITES * 1e6


def run() -> None:
    """Measure, and print."""
    match_us(1000)
    lines = [
        Line(f"{number:,} subscriptions", (at_most(match_us(number), "µs", 10),))
        for number in SUBSCRIPTIONS
    ]
    print_table("One write, matched against all subscriptions", ("CPU",), lines)


if __name__ == "__main__":
    run()
