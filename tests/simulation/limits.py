"""The engine's numbers, made small: what happens at a thousand happens at two."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

SMALL: dict[str, dict[str, float]] = {
    "database.tail": {"PAGE_ENTRIES": 3, "KEPT_ENTRIES": 8, "LONG_TAIL_ENTRIES": 4},
    "database.snapshot": {"FIRST_PAGE_ROWS": 2, "LAST_PAGE_ROWS": 3},
    "database.committer": {"MAX_LAG_ENTRIES": 5, "APPLY_BATCH_ENTRIES": 2},
    "database.schema_steps": {"BACKFILL_ROWS": 2},
    "functions.cache": {"MAX_BYTES": 3000},
    "functions.combiner": {"PATIENCE_MS": 400, "LEASE_MS": 150, "HOLD_MS": 60},
    "functions.mutations": {"LONE_RUNS": 1},
    "functions.runner": {"FREE_QUERY_RUNS": 2},
    "sync.states": {"STATES_KEPT": 1},
    "sync.reception": {"RESPONSE_ENVELOPE_BYTES": 200},
    "sync.outbox": {"RESPONSE_ENVELOPE_BYTES": 200},
    "sync.fanout": {"WOKEN_HERE": 1, "WOKEN_BY_JOB": 1, "WOKEN_AHEAD": 1},
    "sync.transition": {"MAX_ROUNDS": 2},
}
"""By module of the engine, and name."""


def current() -> dict[str, dict[str, float]]:
    """The same numbers as they are."""
    return {
        module: {name: getattr(_found(module), name) for name in numbers}
        for module, numbers in SMALL.items()
    }


@contextmanager
def small_limits() -> Iterator[None]:
    """Let the engine have small numbers inside the block."""
    held = current()
    try:
        _set(SMALL)
        yield
    finally:
        _set(held)


def _set(limits: Mapping[str, Mapping[str, float]]) -> None:
    for module, numbers in limits.items():
        for name, number in numbers.items():
            setattr(_found(module), name, number)


def _found(module: str) -> object:
    return import_module(f"chalicelib.engine.{module}")
