"""Sessions in memory do not fill it, however many clients come and go."""

from __future__ import annotations

import pytest

from chalicelib.adapters.memory import sessions
from chalicelib.adapters.memory.sessions import MemorySessions

DAY_MS = 24 * 3_600_000.0


def die(store: MemorySessions, name: str, now_ms: float) -> None:
    """Come, and go."""
    assert store.acquire(name, "me", now_ms=now_ms, deadline_ms=now_ms + 1000).mine
    store.condemn(name)
    store.bury(name)


def known_dead(store: MemorySessions, names: list[str]) -> list[str]:
    return [name for name, lease in store.leases(names).items() if lease.dead]


def test_the_oldest_dead_are_forgotten_when_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "DEAD_KEPT", 3)
    store, names = MemorySessions(), [f"c{n}" for n in range(6)]

    for name in names:
        die(store, name, 0)
    store.acquire("living", "me", now_ms=1, deadline_ms=1000)

    assert known_dead(store, names) == names[-3:]
    assert not store.leases(["living"])["living"].dead


def test_few_dead_are_known_for_a_day() -> None:
    store = MemorySessions()
    die(store, "c1", 0)

    store.acquire("living", "me", now_ms=DAY_MS, deadline_ms=DAY_MS + 1000)
    assert known_dead(store, ["c1"]) == ["c1"]

    store.acquire("living", "me", now_ms=DAY_MS + 1, deadline_ms=DAY_MS + 1000)
    assert known_dead(store, ["c1"]) == []
