"""Runs many seeds of a profile until one breaks: ``python -m tests.simulation.hunt calm``."""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.profiles import PROFILES
from tests.simulation.properties import Broken
from tests.simulation.run import run
from tests.simulation.shrink import shrink, story

BROKEN = 3
"""Exit status when a property does not hold; others are those of Python."""


def main() -> int:
    """Return ``BROKEN`` if a property was, 0 if not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("profile", choices=sorted(PROFILES))
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--all", action="store_true", help="go on after a broken one")
    parser.add_argument(
        "--trace", action="store_true", help="print everything that happens"
    )
    parser.add_argument(
        "--shrink", action="store_true", help="tell a short story of a broken one"
    )
    options = parser.parse_args()
    stats: Counter[str] = Counter()
    broken, digest, began = 0, 0, time.process_time()
    for seed in range(options.first, options.first + options.seeds):
        try:
            done = run(seed, PROFILES[options.profile], print if options.trace else None)
            stats.update(done.world.stats)
            stats["entries"] += len(done.oracle.entries)
            digest = digest * 31 + done.world.digest & 0xFFFFFFFF
        except Broken as why:
            broken += 1
            print(f"{options.profile} seed {seed}: {why}", flush=True)
            if options.shrink:
                _shrink(options.profile, seed)
            if not options.all:
                break
    told = ", ".join(f"{number} {name}" for name, number in stats.most_common())
    print(
        f"{options.profile}: {options.seeds} seeds, {broken} broken, digest {digest:08x}; {told}"
    )
    print(f"{time.process_time() - began:.1f} s", file=sys.stderr)
    return BROKEN if broken else 0


def _shrink(profile: str, seed: int) -> None:
    shrunk = shrink(seed, PROFILES[profile])
    if shrunk is not None:
        print(story(shrunk))


if __name__ == "__main__":
    sys.exit(main())
