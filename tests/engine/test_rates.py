"""What is kept of a caller's requests, and how much room that takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.engine.rates import HOUR_MS, Rate, admit, packed, unpacked

NOON = 1_700_000_000_000


@given(st.lists(st.integers(0, 2**45)).map(sorted))
def test_times_are_read_as_they_were_written(times: list[int]) -> None:
    assert unpacked(packed(times)) == times


@given(st.lists(st.integers(0, HOUR_MS), max_size=1000).map(sorted))
def test_a_thousand_times_within_an_hour_take_2220_bytes_at_most(times: list[int]) -> None:
    assert len(packed([NOON + time for time in times])) <= 2220


def test_the_worst_thousand_is_mostly_two_bytes_each() -> None:
    long, rest = 2**14, 219
    times = [NOON + long * place for place in range(rest + 1)]
    times += [times[-1] + 15 * place for place in range(1, 780)]

    assert len(times) == 999
    assert len(packed(times)) <= 2220


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60),
    st.integers(1, 4),
)
def test_no_window_ever_holds_more_than_the_limit_and_none_is_refused_without_need(
    steps: list[tuple[int, int]], limit: int
) -> None:
    rate, now = Rate(limit, 50), 0
    kept: list[int] = []
    granted: list[int] = []

    for _, wait in steps:
        now += wait
        kept, quota = admit(kept, rate, now)
        within = [time for time in granted if time > now - 50]
        assert quota.is_granted == (len(within) < limit)
        if quota.is_granted:
            granted.append(now)
