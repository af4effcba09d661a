"""Counts the requests of HTTP functions by who asks, and says in headers what is left."""

import ipaddress
from hashlib import blake2b
from math import ceil
from typing import Final

import msgspec

from chalicelib.engine.auth import AdminIdentity, Caller, user_of
from chalicelib.engine.errors import RateLimited
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_route import Rates
from chalicelib.engine.ports import Clock
from chalicelib.engine.rates import Quota, Rate, RateLimiter

IPV6_NETWORK_BITS: Final = 64
"""What of an IPv6 address names a caller: whoever has one address has all of its /64.

Source: RFC 6177, which gives every site at least that.
"""

_MS: Final = 1000
_DIGEST_BYTES: Final = 16


class RateNumbers(msgspec.Struct, frozen=True):
    """Requests an hour that a deployment allows instead of what its apps say; None: as they do."""

    known: int | None = None
    unknown: int | None = None


class HttpQuota:
    """Takes a request of a caller out of what the app grants."""

    def __init__(
        self, limiter: RateLimiter | None, clock: Clock, numbers: RateNumbers
    ) -> None:
        self._limiter, self._clock, self._numbers = limiter, clock, numbers

    def take(self, rates: Rates | None, request: Request, caller: Caller) -> Quota | None:
        """Count one request; None where nothing is limited.

        Preflights of browsers are not: they show no token, so that all pages at one address
        would use up what is granted to the unknown there.
        """
        if rates is None or self._limiter is None or request.method == "OPTIONS":
            return None
        name = _known_name(caller)
        rate = (
            _chosen(rates.unknown, self._numbers.unknown)
            if name is None
            else _chosen(rates.known, self._numbers.known)
        )
        text = name or f"from {_network(request.source)}"
        digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
        return self._limiter.take(digest, rate, self._clock.now_ms())

    def refusal(self, quota: Quota) -> RateLimited:
        """Say when to ask again."""
        wait_s = self._wait_s(quota)
        return RateLimited(
            f"you have asked {quota.limit} times within an hour: ask again in {wait_s} s",
            limit=quota.limit,
            retryAfter=wait_s,
        )

    def told(self, response: Response, quota: Quota | None) -> Response:
        """Add to an answer what is left, and when there will be more."""
        if quota is None:
            return response
        headers = {
            "X-RateLimit-Limit": str(quota.limit),
            "X-RateLimit-Remaining": str(quota.remaining),
            "X-RateLimit-Reset": str(ceil(quota.reset_ms / _MS)),
        }
        if not quota.is_granted:
            headers["Retry-After"] = str(self._wait_s(quota))
        return msgspec.structs.replace(response, headers={**response.headers, **headers})

    def _wait_s(self, quota: Quota) -> int:
        return max(1, ceil((quota.reset_ms - self._clock.now_ms()) / _MS))


def _known_name(caller: Caller) -> str | None:
    user = user_of(caller)
    if user is not None:
        return f"user {user.token_identifier}"
    return "admin" if isinstance(caller, AdminIdentity) else None


def _chosen(rate: Rate, limit: int | None) -> Rate:
    return rate if limit is None else msgspec.structs.replace(rate, limit=limit)


def _network(source: str) -> str:
    """What of an address is one caller; what is no address stands for itself."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))
