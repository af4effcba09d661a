"""The public keys of a provider: fetched over HTTP, parsed, kept, and fetched again.

PyJWT and cryptography are imported where they are used: they load slowly, and most
invocations verify no token.
"""

import base64
import binascii
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

FETCH_TIMEOUT_S: Final = 5
"""How long a provider may take to answer, in seconds: a caller waits for it."""

MAX_DOCUMENT_BYTES: Final = 256 * 1024
"""Largest document taken from a provider, in bytes; real ones have a few thousand."""

FRESH_MS: Final = 10 * 60_000
"""How long keys are used without asking again, in milliseconds.

So long, at most, does a key live that its provider has withdrawn.
"""

STALE_MS: Final = 60 * 60_000
"""How long keys are used while their provider cannot be reached, in milliseconds.

So that a short outage of a provider does not sign everybody out.
"""

RETRY_MS: Final = 10_000
"""Pause after a failed fetch, in milliseconds: callers get its error at once meanwhile."""

UNKNOWN_KEY_MS: Final = 60_000
"""Least time between two fetches for unknown keys, in milliseconds.

Anybody can send a token with an invented key id; each must not cost the provider a request.
"""

_SHAPES: Final = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
_MIN_RSA_BITS: Final = 2048

Fetch = Callable[[str], bytes]
"""Returns the body behind a URL; raises :class:`Unavailable`."""


class Unavailable(Exception):
    """A document cannot be had. The message, a phrase, says why."""


class Malformed(Exception):
    """A document was had and is not what it should be."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the one algorithm that it is used with."""

    id: str | None
    algorithm: str
    key: Any  # jwt.PyJWK; its module is not imported yet

    def signed(self, token: str) -> bool:
        """Tell whether ``token`` bears the signature of this key."""
        import jwt  # noqa: PLC0415

        try:
            jwt.PyJWS().decode(token, self.key, algorithms=[self.algorithm])
        except (jwt.PyJWTError, ValueError, RecursionError):
            return False
        return True


def fetch(url: str) -> bytes:
    """Return the body behind ``url``, a ``data:`` URL or one of HTTP.

    Redirects are refused: a discovery document must be answered with 200 (OpenID Connect
    Discovery 1.0, section 4.2), and following them could leave HTTPS.

    Raises:
        Unavailable: no answer in time, one that is not 200, or one that is too large.
    """
    if url.startswith("data:"):
        return _data(url)
    import urllib3  # noqa: PLC0415

    try:
        with urllib3.PoolManager(num_pools=1) as pool:
            response = pool.request(
                "GET",
                url,
                headers={"Accept": "application/json"},
                timeout=urllib3.Timeout(total=FETCH_TIMEOUT_S),
                redirect=False,
                retries=False,
                preload_content=False,
            )
            body = response.read(MAX_DOCUMENT_BYTES + 1, decode_content=True)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Unavailable(f"no answer ({type(error).__name__})") from None
    if response.status != 200:  # noqa: PLR2004
        raise Unavailable(f"HTTP status {response.status}")
    if len(body) > MAX_DOCUMENT_BYTES:
        raise Unavailable(f"an answer of more than {MAX_DOCUMENT_BYTES} bytes")
    return body


def _data(url: str) -> bytes:
    head, _, body = url.partition(",")
    try:
        plain = unquote_to_bytes(body)
        return base64.b64decode(plain, validate=True) if head.endswith(";base64") else plain
    except binascii.Error:
        raise Unavailable("a data: URL that is not base64") from None


def parse_keys(document: bytes, algorithms: frozenset[str]) -> tuple[Key, ...]:
    """Return those keys of a JWK Set that may verify one of ``algorithms``.

    Others are passed over, as RFC 7517 section 5 asks for: a provider may publish keys of
    types that we do not know.

    Raises:
        Malformed: it is no JWK Set.
    """
    try:
        keys = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    except (ValueError, RecursionError):
        raise Malformed("not valid JSON") from None
    if not isinstance(keys, list):
        raise Malformed("valid JSON without a list 'keys', so no JWK Set")
    return tuple(
        key
        for data in keys
        if isinstance(data, dict)
        for algorithm in sorted(algorithms)
        if (key := _parse_key(data, algorithm)) is not None
    )


def _parse_key(data: dict[str, Any], algorithm: str) -> Key | None:
    import jwt  # noqa: PLC0415

    kind, curve = _SHAPES[algorithm]
    # The key names its algorithm or leaves it open; a token never chooses: else a public
    # key could be used as the secret of an HMAC.
    fits = (
        data.get("kty") == kind
        and (curve is None or data.get("crv") == curve)
        and data.get("alg", algorithm) == algorithm
        and data.get("use", "sig") == "sig"
    )
    if not fits:
        return None
    try:
        parsed = jwt.PyJWK(data, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if kind == "RSA" and parsed.key.key_size < _MIN_RSA_BITS:
        return None
    kid = data.get("kid")
    return Key(kid if isinstance(kid, str) else None, algorithm, parsed)


class KeyRing:
    """The keys of one provider, fetched when first asked for. Safe under threads.

    ``load`` fetches and parses them; what it raises reaches the caller when there are no
    keys to go on with.
    """

    def __init__(
        self, load: Callable[[], tuple[Key, ...]], now_ms: Callable[[], float]
    ) -> None:
        self._load, self._now_ms = load, now_ms
        self._lock = threading.Lock()
        self._keys: tuple[Key, ...] | None = None
        self._failure: Exception = Unavailable("not asked yet")
        self._loaded_ms = self._tried_ms = self._asked_ms = float("-inf")

    def rounds(self) -> Iterator[tuple[Key, ...]]:
        """Yield the keys, and then, if none of them was the one, the keys fetched anew."""
        keys = self._current()
        yield keys
        renewed = self._renewed(keys)
        if renewed is not keys:
            yield renewed

    def _current(self) -> tuple[Key, ...]:
        if (keys := self._usable(FRESH_MS)) is not None:
            return keys
        keys = self._usable(STALE_MS)
        # One thread fetches. The others go on with what there is, or else wait for it.
        if self._lock.acquire(blocking=keys is None):
            try:
                stale = self._usable(FRESH_MS) is None
                if stale and self._now_ms() - self._tried_ms >= RETRY_MS:
                    self._try_load()
            finally:
                self._lock.release()
            keys = self._usable(STALE_MS)
        if keys is None:
            raise self._failure.with_traceback(None)
        return keys

    def _renewed(self, seen: tuple[Key, ...]) -> tuple[Key, ...]:
        with self._lock:
            due = self._now_ms() - self._asked_ms >= UNKNOWN_KEY_MS
            if self._keys is seen and due:
                self._asked_ms = self._now_ms()
                self._try_load()
            return seen if self._keys is None else self._keys

    def _try_load(self) -> None:
        self._tried_ms = self._now_ms()
        try:
            self._keys = self._load()
        except Exception as error:  # noqa: BLE001 - kept, and raised when there are no keys
            self._failure = error
        else:
            self._loaded_ms = self._tried_ms

    def _usable(self, age_ms: float) -> tuple[Key, ...] | None:
        return self._keys if self._now_ms() - self._loaded_ms < age_ms else None
