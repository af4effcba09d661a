"""One HTTP function, and the requests that it answers."""

import functools
import math
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Final, Literal, TypeAlias

import msgspec
from typing_extensions import override

from chalicelib.engine.auth import Identity
from chalicelib.engine.errors import (
    InvalidFunction,
    InvalidHint,
    TypeMismatch,
    ValidationFailed,
)
from chalicelib.engine.functions.context import ActionCtx
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_paths import PathTemplate
from chalicelib.engine.rates import Rate
from chalicelib.engine.values.types import Node, Role, TableOf, TypeCodec
from chalicelib.engine.values.types.tree import (
    Boolean,
    IdOf,
    Literals,
    Number,
    String,
    UnionOf,
)

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HttpFunction: TypeAlias = Callable[Concatenate[ActionCtx, Request, ...], Response]
PathFunction: TypeAlias = Callable[[ActionCtx, Request, Mapping[str, str]], Response]

OnError: TypeAlias = Callable[[ActionCtx, Exception, str], Response | None]
"""Answers an error, named by a request id in the logs; None leaves it to the engine."""

Authenticate: TypeAlias = Callable[[ActionCtx, Request], Identity | None]
"""Tells who calls by something else than a token; None leaves it to that."""


class Rates(msgspec.Struct, frozen=True):
    """How often one caller may ask: a user that is ``known``, or an address that is not."""

    known: Rate
    unknown: Rate


class Manners(msgspec.Struct, frozen=True):
    """What holds for all HTTP functions of an app: see :class:`Http`."""

    on_error: OnError | None = None
    authenticate: Authenticate | None = None
    rates: Rates | None = None


class Route:
    """One HTTP function, and the requests that it answers."""

    def __init__(
        self,
        method: Method,
        template: PathTemplate,
        function: HttpFunction | PathFunction,
        manners: Manners,
        *,
        streamed: bool = False,
    ) -> None:
        self.method, self.template = method, template
        self.function, self.manners = function, manners
        self.streamed = streamed

    @property
    def name(self) -> str:
        """What it is called in logs."""
        return f"{self.method} {self.template.text}"

    def convert(self, parameters: Mapping[str, str], table_of: TableOf) -> dict[str, Any]:
        """Turn the texts in a path into what the function's hints say.

        Raises:
            ValidationFailed: one of them is not of its type.
        """
        found: dict[str, Any] = {}
        for name, codec in self._codecs.items():
            text = parameters[name]
            try:
                found[name] = codec.convert(value_in(codec.tree, text), table_of)
            except TypeMismatch as wrong:
                raise ValidationFailed(
                    f"{name} in the path is not of its type: {wrong}", parameter=name
                ) from None
        return found

    def build(self) -> None:
        """Build what is built on first use.

        Raises:
            InvalidFunction: a hint is none that a path can hold.
        """
        _ = self._codecs

    @functools.cached_property
    def _codecs(self) -> dict[str, TypeCodec]:
        try:
            hints = typing.get_type_hints(self.function, include_extras=True)
            names = self.template.names
            codecs = {name: TypeCodec(hints[name], Role.ARGUMENT) for name in names}
        except (NameError, KeyError, InvalidHint) as wrong:
            raise InvalidFunction(
                f"{self.name}: write the types of its parameters, and import their names at"
                f" run time: {wrong}"
            ) from None
        for name, codec in codecs.items():
            if not isinstance(codec.tree, String | IdOf | Number | Boolean | Literals):
                raise InvalidFunction(
                    f"{self.name}: {name} stands in the path: make it str, int, float, bool,"
                    " a Literal or an Id"
                )
        return codecs


class MountedRoute(Route):
    """One whose function takes what stands in the path as a mapping of texts, ``path``."""

    @override
    def convert(self, parameters: Mapping[str, str], table_of: TableOf) -> dict[str, Any]:
        """Leave the texts to the function."""
        return {"path": parameters}

    @override
    def build(self) -> None:
        """Build nothing."""


_INTEGER: Final = re.compile(r"-?[0-9]{1,16}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
"""As JSON writes numbers (RFC 8259, section 6), but for zeros in front, which do no harm."""


def value_in(node: Node, text: str) -> Any:
    """Read a text as ``node`` wants it; what cannot be stays text, which the judge refuses."""
    match node:
        case UnionOf(members):
            read = (value_in(member, text) for member in members)
            return next((value for value in read if value != text), text)
        case Number() if _INTEGER.fullmatch(text):
            return int(text)
        case Number() if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case Boolean():
            return {"true": True, "false": False}.get(text, text)
        case Literals(values):
            return {_written(value): value for value in values}.get(text, text)
        case _:
            return text


def _written(literal: Any) -> str:
    return literal if isinstance(literal, str) else msgspec.json.encode(literal).decode()
