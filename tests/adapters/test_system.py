"""The machine's clock and its chance."""

import time

from chalicelib.adapters.system import SystemClock, SystemIds


class TestClock:
    def test_counts_milliseconds_since_1970(self) -> None:
        before = time.time() * 1000

        now_ms = SystemClock().now_ms()

        assert before - 1 <= now_ms <= time.time() * 1000 + 1

    def test_waits_as_long_as_it_is_told(self) -> None:
        clock, started = SystemClock(), time.monotonic()

        clock.wait_ms(20)

        assert 0.02 <= time.monotonic() - started < 2

    def test_does_not_wait_for_what_is_past(self) -> None:
        clock, started = SystemClock(), time.monotonic()

        clock.wait_ms(-1_000)

        assert time.monotonic() - started < 0.5


class TestIds:
    def test_never_repeats_a_name(self) -> None:
        ids = SystemIds()

        names = {ids.transaction_id() for _ in range(1_000)}

        assert len(names) == 1_000

    def test_seeds_with_sixteen_fresh_bytes(self) -> None:
        ids = SystemIds()

        seeds = {ids.seed() for _ in range(1_000)}

        assert {len(seed) for seed in seeds} == {16}
        assert len(seeds) == 1_000
