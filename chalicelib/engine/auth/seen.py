"""An identity that notes what is read of it: a result is shared by all who look the same there.

What was asked for counts, also if it is not there, and so does whether anybody is signed in
(docs/hazards.md B13). Nothing of an identity can be read without a note: its real fields are
hidden from code in C, such as encoders, that would reach past :meth:`__getattribute__`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from typing_extensions import override

from chalicelib.engine.auth.identity import Caller, Identity, Unverified, user_of

SIGNED_IN: Final = "@signedIn"
"""Note: it was asked whether anybody is signed in."""

ALL: Final = "@all"
"""Note: all attributes were read, or how many there are."""

Claims = frozenset[str]
"""What was read: names of attributes after a dot, and of fields after an ``@``."""

NOTHING: Final[Claims] = frozenset()
EVERYTHING: Final[Claims] = frozenset({SIGNED_IN, ALL, "@expires_at"})

_FIELDS: Final = frozenset(Identity.__struct_fields__)


class SeenIdentity(Identity, frozen=True, dict=True, eq=False):
    """An identity whose readings are noted."""

    @override
    def __getattribute__(self, name: str) -> Any:
        if name in _FIELDS:
            return object.__getattribute__(self, "__dict__")["real"](name)
        return object.__getattribute__(self, name)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and all(
            getattr(self, name) == getattr(other, name) for name in _FIELDS
        )

    @override
    def __hash__(self) -> int:
        return hash(self.token_identifier)

    @override
    def __repr__(self) -> str:
        return f"Identity({self.token_identifier!r})"


class SeenAttributes(Mapping[str, Any]):
    """Attributes whose readings are noted; no dict, so that nothing reads past the notes."""

    def __init__(self, attributes: Mapping[str, Any], noted: set[str]) -> None:
        self.__attributes, self.__noted = attributes, noted

    @override
    def __getitem__(self, name: str) -> Any:
        self.__noted.add(f".{name}")
        return self.__attributes[name]

    @override
    def __iter__(self) -> Iterator[str]:
        self.__noted.add(ALL)
        return iter(self.__attributes)

    @override
    def __len__(self) -> int:
        self.__noted.add(ALL)
        return len(self.__attributes)

    @override
    def __repr__(self) -> str:
        return repr(dict(self))


class _Hidden:
    """Stands where a field is: no encoder takes it."""


def watched(identity: Identity, noted: set[str]) -> Identity:
    """Return ``identity`` so that what is read of it is added to ``noted``."""
    attributes = SeenAttributes(identity.attributes, noted)

    def real(name: str) -> Any:
        if name == "attributes":
            return attributes
        noted.add(f"@{name}")
        return getattr(identity, name)

    hidden: Any = _Hidden()
    seen = SeenIdentity(hidden, hidden, hidden, hidden, hidden)
    seen.__dict__["real"] = real
    return seen


def projection(caller: Caller, claims: Claims) -> bytes:
    """What ``caller`` shows to whoever reads ``claims``, as a text that is equal if that is."""
    if not claims:
        return b""
    if isinstance(caller, Unverified):
        return b"?"  # to ask for the identity is an error, which nobody else is told
    user = user_of(caller)
    if user is None:
        return b"-"
    return msgspec.json.encode([_shown(user, claim) for claim in sorted(claims)])


def _shown(user: Identity, claim: str) -> list[Any]:
    if claim == SIGNED_IN:
        return []
    if claim == ALL:
        return [sorted(user.attributes.items())]
    kind, name = claim[0], claim[1:]
    if kind == "@":
        return [getattr(user, name)]
    return [user.attributes[name]] if name in user.attributes else []
