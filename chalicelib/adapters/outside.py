"""Requests to other servers over HTTP/1.1, to addresses that were looked at first.

The name is looked up once, every address is judged, and the connection goes to one of those: a
name that changes between the look and the call (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec
from typing_extensions import override

from chalicelib.engine.errors import AddressRefused, RequestFailed
from chalicelib.engine.outside import Letter, Outside, Reply

Address = IPv4Address | IPv6Address

MOST_ADDRESSES: Final = 4
"""Addresses of one host that are tried, one after the other."""

_PORTS: Final = {"https": 443, "http": 80}
_FIRST_FREE_PORT: Final = 1024
"""Below are services that are not HTTP, such as mail: only 80 and 443 are used there."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""Holds IPv4 addresses, private ones too. Source: RFC 6052."""


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the Internet, and nobody's own network."""
    if isinstance(address, IPv6Address):
        inner = address.sixtofour or address.ipv4_mapped
        if inner is not None and not is_public(inner):
            return False
        if address.is_site_local:
            return False  # fec0::/10, which Python takes for global
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_public_or_loopback(address: Address) -> bool:
    """Tell whether an address is public, or of this machine itself."""
    return address.is_loopback or is_public(address)


class _Target(msgspec.Struct, frozen=True):
    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]


class HttpOutside(Outside):
    """Sends requests to what ``allowed`` lets through; ``plain`` serves ``http:``, too."""

    def __init__(
        self, *, allowed: Callable[[Address], bool] = is_public, plain: bool = False
    ) -> None:
        self._allowed = allowed
        self._schemes = ("https", "http") if plain else ("https",)

    @override
    def check(self, url: str) -> None:
        self._target(url)

    @override
    def send(self, letter: Letter) -> Reply:
        end_s = time.monotonic() + letter.timeout_s
        target = self._target(letter.url)
        with _typed_errors(), self._connected(target, end_s) as connected:
            connection = http.client.HTTPConnection(target.host, target.port)
            # By its port a connection tells whether to name it in the header Host.
            connection.default_port = _PORTS[target.scheme]
            connection.sock = connected
            connection.request(
                letter.method, target.path, letter.body, {**letter.headers, **_CLOSE}
            )
            answer = connection.getresponse()
            headers = {name.lower(): text for name, text in answer.getheaders()}
            body = answer.read(letter.max_bytes)
            if time.monotonic() > end_s:
                raise TimeoutError
            return Reply(answer.status, headers, body)

    def _target(self, url: str) -> _Target:
        parts, host, port = self._parsed(url)
        addresses = _looked_up(host, port)
        if not all(self._allowed(ip_address(address)) for address in addresses):
            # Which one is not said: it would tell what names mean in one's own network.
            raise AddressRefused(f"{host} has an address that is not public")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return _Target(parts.scheme, host, port, path, addresses)

    def _parsed(self, url: str) -> tuple[SplitResult, str, int]:
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").encode("idna").decode()
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError as error:
            raise AddressRefused(f"it is no URL: {error}") from None
        if parts.scheme not in self._schemes:
            raise AddressRefused(f"its scheme is none of {', '.join(self._schemes)}")
        if not host or not url.isascii() or not url.isprintable() or " " in url:
            raise AddressRefused("it is no URL")
        if parts.username is not None or parts.password is not None:
            raise AddressRefused("it names a user: put that into a credential")
        if port < _FIRST_FREE_PORT and port not in _PORTS.values():
            raise AddressRefused(f"port {port} is not one of HTTP")
        return parts, host, port

    @contextmanager
    def _connected(self, target: _Target, end_s: float) -> Iterator[socket.socket]:
        raw = _connection(target, end_s)
        # A server that sends a byte now and then would else keep us for ever.
        watch = Timer(max(0.0, end_s - time.monotonic()), _cut, (raw,))
        watch.daemon = True
        watch.start()
        try:
            with raw, self._secured(raw, target) as connected:
                yield connected
        finally:
            watch.cancel()

    def _secured(self, raw: socket.socket, target: _Target) -> socket.socket:
        if target.scheme == "http":
            return raw
        return self._trust.wrap_socket(raw, server_hostname=target.host)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context()


_CLOSE: Final = {"Connection": "close"}


def _looked_up(host: str, port: int) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RequestFailed(f"the name {host!r} is not known") from None
    # A scope names an interface of ours, so that such an address is none of the Internet.
    return tuple(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))


def _connection(target: _Target, end_s: float) -> socket.socket:
    """Connect to the first address that takes it."""
    failed: OSError | None = None
    tried: Sequence[str] = target.addresses[:MOST_ADDRESSES]
    for address in tried:
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            break
        try:
            found = socket.create_connection((address, target.port), timeout=left_s)
        except OSError as error:
            failed = error
            continue
        return found
    raise failed or TimeoutError


def _cut(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise what the network raises as one error, that says nothing of this machine."""
    try:
        yield
    except TimeoutError:
        raise RequestFailed("no whole answer came in time") from None
    except ssl.SSLCertVerificationError as error:
        raise RequestFailed(
            f"its certificate is not good: {error.verify_message}"
        ) from None
    except ssl.SSLError as error:
        raise RequestFailed(f"TLS failed: {error.reason or 'broken off'}") from None
    except ConnectionRefusedError:
        raise RequestFailed("it refused the connection") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RequestFailed(f"the connection broke: {type(error).__name__}") from None
