"""The port of rate limits: slow, not always answered, and watched from outside."""

from collections import defaultdict

from chalicelib.adapters.memory.rates import MemoryRates
from chalicelib.engine.rates import Quota, Rate, RateLimiter
from tests.simulation.properties import Broken, Property
from tests.simulation.world import World


class RateLedger:
    """Every request that counts, as the store has it, and what callers were told of theirs."""

    def __init__(self) -> None:
        self.counted: dict[str, list[int]] = defaultdict(list)
        self.granted = self.refused = self.served = 0

    def count(self, caller: str, at: int, rate: Rate) -> None:
        """Take in a request that counts from now on, as having come ``at`` some time."""
        times = self.counted[caller]
        if times and at < times[-1]:
            raise Broken(Property.RATES, f"a request counts at {at}, after {times[-1]}")
        times.append(at)
        within = [time for time in times if time > at - rate.window_ms]
        if len(within) > rate.limit:
            raise Broken(
                Property.RATES, f"{len(within)} of {rate.limit} were granted by {at}"
            )

    def told(self, caller: str, rate: Rate, now_ms: float, quota: Quota) -> None:
        """Take in the answer to a request that came at ``now_ms`` by its clock."""
        self.granted += quota.is_granted
        self.refused += not quota.is_granted
        if self.granted > sum(map(len, self.counted.values())):
            raise Broken(Property.RATES, "a request was granted, and does not count")
        since = int(now_ms) - rate.window_ms
        within = sum(time > since for time in self.counted[caller])
        if not quota.is_granted and within < rate.limit:
            raise Broken(Property.RATES, f"refused, with {within} of {rate.limit} granted")

    def serve(self) -> None:
        """Take in a request that was served."""
        self.served += 1
        if self.served > self.granted:
            raise Broken(Property.RATES, "a request was served that was not granted")


class SlowRates:
    """A limiter in memory; each call takes a while, there and back."""

    def __init__(self, world: World, ledger: RateLedger) -> None:
        self._world, self._ledger, self._inner = world, ledger, MemoryRates()

    def take(self, caller: str, rate: Rate, now_ms: float) -> Quota:
        """Grant one request, or refuse it."""
        self._world.pause()
        quota = self._inner.take(caller, rate, now_ms)
        if quota.is_granted:
            _, times = self._inner._times[caller]
            self._ledger.count(caller, times[-1], rate)
        self._world.pause()
        return quota


class WatchedRates:
    """A limiter whose answers are held to what counts."""

    def __init__(self, inner: RateLimiter, ledger: RateLedger) -> None:
        self._inner, self._ledger = inner, ledger

    def take(self, caller: str, rate: Rate, now_ms: float) -> Quota:
        """Grant one request, or refuse it."""
        quota = self._inner.take(caller, rate, now_ms)
        self._ledger.told(caller, rate, now_ms, quota)
        return quota
