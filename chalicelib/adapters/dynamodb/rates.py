"""Rate limits in DynamoDB: one item a caller, written if nobody else has since it was read.

A granted request costs one strongly consistent read of at most 3 KB (1 RRU) and one write: 1 WRU
up to about 450 requests in the window, 3 WRU at a thousand. A refused one costs the read
alone. At the limit of 1,000 an hour that is less than one write a second to an item.
"""

from collections.abc import Callable
from random import random
from typing import Final

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.refusals import ConditionFailed
from chalicelib.adapters.dynamodb.usage import Item
from chalicelib.adapters.system import SystemClock
from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.ports import Clock
from chalicelib.engine.rates import Quota, Rate, admit, packed, unpacked

SPARE_TRIES: Final = 16
"""Tries beyond one for each request that others may be granted meanwhile."""

PAUSE_MS: Final = 4.0
"""Mean pause after a try that others have overtaken, about as long as a write takes."""

_TABLE: Final = "rates"


class DynamoRates:
    """Items of :class:`chalicelib.adapters.dynamodb.session_models.RateItem`."""

    def __init__(
        self,
        client: DynamoClient,
        log: str,
        clock: Clock | None = None,
        chance: Callable[[], float] = random,
    ) -> None:
        """``chance`` draws the pauses, each from 0 to 1."""
        self._client, self._log, self._chance = client, log, chance
        self._clock = clock or SystemClock()

    def take(self, caller: str, rate: Rate, now_ms: float) -> Quota:
        """Grant one request, or refuse it.

        Who is overtaken tries again. Each time somebody else was granted a request, so that
        it ends: after ``limit`` of those all others are refused. A write whose answer was
        lost may have counted, too: then the request counts twice.
        """
        key: Item = {"pk": {"S": f"{self._log}#{caller}"}}
        item = self._client.get(_TABLE, key)
        for _ in range(rate.limit + SPARE_TRIES):
            times, quota = admit(unpacked(item["t"]["B"]) if item else [], rate, now_ms)
            if not quota.is_granted:
                return quota
            try:
                self._put(key, item, times, rate)
            except ConditionFailed as overtaken:
                item = overtaken.item
                self._clock.wait_ms(2 * PAUSE_MS * self._chance())
            else:
                return quota
        raise StorageUnavailable("a request could not be counted: others kept overtaking")

    def _put(self, key: Item, before: Item | None, times: list[int], rate: Rate) -> None:
        version = int(before["v"]["N"]) if before else 0
        item: Item = {
            **key,
            "v": {"N": str(version + 1)},
            "t": {"B": packed(times)},
            # The item is as good as absent once the window has passed.
            "expires_s": {"N": str((times[-1] + rate.window_ms) // 1000 + 1)},
        }
        if before:
            values: Item = {":v": {"N": str(version)}}
            self._client.put(_TABLE, item, condition="v = :v", values=values)
        else:
            self._client.put(_TABLE, item, condition="attribute_not_exists(pk)")
