"""``python -m benchmarks [part …]``: prints the numbers, goals beside them."""

import sys
from importlib import import_module
from typing import Final

PARTS: Final = (
    "dynamodb_costs",
    "contention",
    "local_load",
    "queries",
    "fanout",
    "crowd",
    "matching",
    "imports",
    "append",
    "jobs",
)


def main(wanted: list[str]) -> int:
    """Run the parts that are named, or all; return the exit status."""
    unknown = set(wanted) - set(PARTS)
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}", file=sys.stderr)
        print(f"parts: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    print("Goals: ✓ met, ✗ missed. Both sides of a load run on this machine.")
    for name in wanted or PARTS:
        # One after the other, and each imported only now: none weighs on another.
        import_module(f"benchmarks.{name}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
