"""A call: which function, with what, for whom."""

from typing import Literal

import msgspec

from chalicelib.engine.auth import AdminIdentity, Caller
from chalicelib.engine.errors import (
    BadArguments,
    FunctionNotFound,
    WrongFunctionKind,
)
from chalicelib.engine.functions.registry import RegisteredFunction, Registry
from chalicelib.engine.log import Origin

Kind = Literal["query", "mutation", "action"]


class Call(msgspec.Struct, frozen=True):
    """One call as a transport hands it over.

    ``arguments`` is the JSON text of an object, or of an array that holds just one.
    ``trusted`` callers reach internal functions; so does an admin. ``via`` is the function of
    the engine that is run with these arguments, and runs ``path`` in turn. ``job`` is the
    id of the job in whose course the call is made: the system makes it. ``origin`` is from
    where a client called, be it this function or the one that calls it.
    """

    path: str
    arguments: bytes
    caller: Caller = None
    journal: str | None = None
    trusted: bool = False
    via: str | None = None
    job: str | None = None
    origin: Origin | None = None

    @property
    def known_origin(self) -> Origin | None:
        """From where it came; that the admin key was shown is known in any case."""
        if not isinstance(self.caller, AdminIdentity):
            return self.origin
        return msgspec.structs.replace(self.origin or Origin(), is_admin=True)

    @property
    def reaches_internal(self) -> bool:
        """Whether internal functions answer to this call."""
        return self.trusted or isinstance(self.caller, AdminIdentity)


def resolve(registry: Registry, call: Call, kind: Kind | None) -> RegisteredFunction:
    """Find the function that a call names.

    Raises:
        FunctionNotFound: there is none, or it is internal and the caller may not reach it.
        WrongFunctionKind: it is of another kind than ``kind``.
    """
    found = registry.lookup(call.via or call.path)
    trusted = call.reaches_internal
    if found is None or (found.function.visibility == "internal" and not trusted):
        path = call.path.replace(".js:", ":")
        if kind is None:
            raise FunctionNotFound(
                f"Could not find function for '{path}'. "
                f"Did you forget to run `npx convex dev`?"
            )
        raise FunctionNotFound(f"Could not find public function for '{path}'.")
    if kind is not None and found.function.kind != kind:
        raise WrongFunctionKind(
            f"Trying to execute {found.path} as {kind}, but it is defined as "
            f"{found.function.kind}."
        )
    return found


def arguments_object(text: bytes) -> bytes:
    """Return the arguments object out of ``[{…}]`` or ``{…}``.

    Raises:
        BadArguments: the text is neither.
    """
    text = text.strip()
    if text[:1] == b"{":
        return text
    try:
        found = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadArguments(_WANTED) from error
    if not found:
        return b"{}"
    if len(found) > 1 or bytes(found[0])[:1] != b"{":
        raise BadArguments(_WANTED)
    return bytes(found[0])


_WANTED = "Arguments must be an object, or an array that holds just one object."
