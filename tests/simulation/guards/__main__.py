"""``python -m tests.simulation.guards [name …]``: removes guards, and tells what misses them.

``--shrink`` tells a short story of each. ``--record`` writes the seeds down for the tests, each
guard's as they are found; it tries those that are known first, and goes on where it was interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from tests.simulation.guards import GUARDS, Guard
from tests.simulation.guards.hunt import hunt_all, hunters, tell
from tests.simulation.guards.known import finish, known_seeds, recorded
from tests.simulation.guards.known import record as write_down

HITS = 3
"""Seeds to write down for a guard: a change of the world leaves one of them, with luck."""

MORE_S = 15.0
"""How long the second and the third are sought."""

STORY_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Return 1 if the simulation does not miss a guard."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.guards")
    parser.add_argument("names", nargs="*", metavar="name", help="or a part of it")
    parser.add_argument("--record", action="store_true", help="write the seeds down")
    parser.add_argument("--shrink", action="store_true", help="tell a story of each")
    options = parser.parse_args(arguments)
    names = options.names or [""]
    guards = [guard for guard in GUARDS if any(name in guard.name for name in names)]
    if options.record:
        guards = _left(guards)
    found = _hunt(guards, record=options.record)
    if options.record and all(found.values()):
        finish()
    if options.shrink:
        _tell(guards, found)
    return 0 if all(found.values()) else 1


def _left(guards: Sequence[Guard]) -> list[Guard]:
    """The guards that a recording before this one, if it was interrupted, has not done."""
    done = recorded()
    left = [guard for guard in guards if guard.name not in done]
    if len(left) < len(guards):
        print(f"{len(guards) - len(left)} were recorded before this was interrupted")
    return left


def _hunt(guards: Sequence[Guard], *, record: bool) -> dict[str, tuple[int, ...]]:
    found = {}
    hits, known = (HITS, known_seeds()) if record else (1, {})
    for hunt in hunt_all(guards, os.cpu_count() or 1, hits, MORE_S, known):
        found[hunt.guard] = hunt.seeds
        if record and hunt.seeds:
            write_down(hunt.guard, hunt.seeds)
        about = f"{len(found)} of {len(guards)}, {hunt.cpu_s:.0f} s"
        print(
            f"without “{hunt.guard}”: seeds {hunt.seeds} ({about}): {hunt.said}", flush=True
        )
    return found


def _tell(guards: Sequence[Guard], found: dict[str, tuple[int, ...]]) -> None:
    with hunters(1) as pool:
        for guard in guards:
            for seed in found[guard.name][:1]:
                story = pool.submit(tell, guard, seed, STORY_S).result()
                print(f"\nwithout “{guard.name}”, {guard.profile}, seed {seed}: {story}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
