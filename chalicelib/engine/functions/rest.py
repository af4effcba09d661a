"""A function as an endpoint of a REST API: its arguments out of path, query and body.

What stands in the path template are arguments by their wire names. The others are in the query
of a GET or a DELETE, and in the JSON body of anything else. A function of pages takes ``limit``
and ``cursor`` instead of ``paginationOpts``.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from chalicelib.engine.errors import (
    BodyTooLarge,
    InvalidFunction,
    InvalidId,
    UnsupportedMediaType,
    ValidationFailed,
)
from chalicelib.engine.functions.context import ActionCtx, MutationCtx
from chalicelib.engine.functions.http_messages import Request
from chalicelib.engine.functions.http_paths import PathTemplate
from chalicelib.engine.functions.http_route import Method, value_in
from chalicelib.engine.functions.registration import (
    ActionFunction,
    Function,
    MutationFunction,
)
from chalicelib.engine.schema import PaginationOptions
from chalicelib.engine.values.ids import decode_id
from chalicelib.engine.values.types import Field, UnionOf
from chalicelib.engine.values.types.json_schema import (
    Components,
    argument_schemas,
    result_schema,
)
from chalicelib.engine.values.types.tree import (
    Boolean,
    IdOf,
    Literals,
    Node,
    Null,
    Number,
    ObjectOf,
    String,
)

JSON_TYPE: Final = "application/json"

DEFAULT_PAGE_ITEMS: Final = 50
"""Items of a page if nobody says how many."""

MAX_PAGE_ITEMS: Final = 100
"""Most items of one page."""

MAX_PAGE_BYTES: Final = 3 << 20
"""What is read for one page at most, in bytes as ``values.size`` counts them; it ends then.

Documents that its items only point to are not counted.
"""

LIMIT: Final = "limit"
CURSOR: Final = "cursor"

Schema: TypeAlias = dict[str, Any]

_PAGE: Final = "paginationOpts"
_BODILESS: Final = frozenset({"GET", "DELETE"})


class Endpoint:
    """A function, and where it answers. Nothing is built before it is first needed."""

    def __init__(
        self,
        method: Method,
        path: str,
        function: Function[..., Any],
        *,
        max_body_bytes: int,
    ) -> None:
        self.method, self.template = method, PathTemplate.parse(path)
        self.function, self._max_body_bytes = function, max_body_bytes

    def arguments(self, request: Request, path: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments that a request gives, as values by their wire names.

        ``path`` is what stands in its path.

        Raises:
            BodyTooLarge: the body is.
            UnsupportedMediaType: the body is of another type than JSON.
            ValidationFailed: the body is no JSON object, or something has no place.
        """
        wire = {name: self._in_path(name, text) for name, text in path.items()}
        wire |= self._in_query(request.query)
        for name, value in self._in_body(request).items():
            if name in wire:
                raise ValidationFailed(
                    f"{name} stands in the path: leave it out of the body", parameter=name
                )
            wire[name] = value
        return wire

    def with_page_items(self, arguments: dict[str, Any], items: int) -> dict[str, Any]:
        """Return arguments that ask for a page of other length."""
        return {**arguments, _PAGE: {**arguments[_PAGE], "numItems": items}}

    def run(self, ctx: ActionCtx | MutationCtx, arguments: dict[str, Any]) -> Any:
        """Call the function; within a mutation, as a part of its transaction.

        Raises:
            ArgumentValidationError: the arguments are not what it takes.
            InvalidValue: one of them is no value at all.
        """
        given = self.function.signature.decode_args(arguments)
        if isinstance(self.function, MutationFunction):
            return ctx.run_mutation(self.function, **given)
        if isinstance(self.function, ActionFunction) and isinstance(ctx, ActionCtx):
            return ctx.run_action(self.function, **given)
        query: Any = self.function
        return ctx.run_query(query, **given)

    def build(self) -> None:
        """Build everything now.

        Raises:
            InvalidFunction: the path names what is no argument, or an argument stands in the
                path or the query that is no text.
        """
        missing = set(self.template.names) - set(self._fields)
        if missing:
            raise InvalidFunction(f"{self.template.text}: no argument {min(missing)}")
        for name in (*self.template.names, *self.query_names):
            if name not in {LIMIT, CURSOR} and not _is_text(self._fields[name].node):
                raise InvalidFunction(f"{self.template.text}: {name} cannot be a text")

    @functools.cached_property
    def is_paginated(self) -> bool:
        """Whether the function gives pages."""
        field = self._fields.get(_PAGE)
        return (
            field is not None
            and isinstance(field.node, ObjectOf)
            and field.node.cls is PaginationOptions
        )

    @functools.cached_property
    def query_names(self) -> tuple[str, ...]:
        """The parameters in the query."""
        own = self._rest if self.method in _BODILESS else ()
        return (*own, LIMIT, CURSOR) if self.is_paginated else own

    @functools.cached_property
    def body_names(self) -> tuple[str, ...]:
        """The fields of the body."""
        return () if self.method in _BODILESS else self._rest

    def schemas(self, components: Components) -> tuple[dict[str, Schema], frozenset[str]]:
        """Return the JSON Schema of each argument, and which of them must be there."""
        found, required = argument_schemas(self.function.signature.struct, components)
        if not self.is_paginated:
            return found, required
        limit = {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_PAGE_ITEMS,
            "default": DEFAULT_PAGE_ITEMS,
        }
        return {**found, LIMIT: limit, CURSOR: {"type": "string"}}, required

    def result_schema(self, components: Components) -> Schema:
        """Return the JSON Schema of the result."""
        return result_schema(self.function.signature.result_hint, components)

    @functools.cached_property
    def _fields(self) -> Mapping[str, Field]:
        return self.function.signature.arguments.by_name

    @functools.cached_property
    def _rest(self) -> tuple[str, ...]:
        taken = {*self.template.names, *((_PAGE,) if self.is_paginated else ())}
        return tuple(name for name in self._fields if name not in taken)

    def _in_path(self, name: str, text: str) -> Any:
        node = self._fields[name].node
        if isinstance(node, IdOf):
            _check_id(name, text, node.table)
        return value_in(node, text)

    def _in_query(self, query: Mapping[str, str]) -> dict[str, Any]:
        unknown = sorted(set(query) - set(self.query_names))
        if unknown:
            raise ValidationFailed(
                f"there is no parameter {unknown[0]!r} here", parameter=unknown[0]
            )
        found = {
            name: value_in(self._fields[name].node, text)
            for name, text in query.items()
            if name not in {LIMIT, CURSOR}
        }
        if self.is_paginated:
            cursor = query.get(CURSOR)
            found[_PAGE] = {
                "numItems": _limit(query.get(LIMIT)),
                "cursor": cursor,
                "maximumBytesRead": MAX_PAGE_BYTES,
            }
        return found

    def _in_body(self, request: Request) -> dict[str, Any]:
        if not request.body:
            return {}
        if len(request.body) > self._max_body_bytes:
            raise BodyTooLarge(self._max_body_bytes)
        kind = request.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != JSON_TYPE:
            raise UnsupportedMediaType(kind, JSON_TYPE)
        body = request.json()
        if not isinstance(body, dict):
            raise ValidationFailed("the body must be a JSON object")
        unknown = sorted(set(body) - set(self._fields))
        if unknown or (body and self.method in _BODILESS):
            name = unknown[0] if unknown else min(body)
            raise ValidationFailed(
                f"the body has a field {name!r}, which has no place here", parameter=name
            )
        return body


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE_ITEMS
    number = value_in(Number(whole=True), text)
    if not isinstance(number, int) or not 0 < number <= MAX_PAGE_ITEMS:
        raise ValidationFailed(
            f"{LIMIT} is a whole number from 1 to {MAX_PAGE_ITEMS}", parameter=LIMIT
        )
    return number


def _check_id(name: str, text: str, table: str) -> None:
    """Refuse what was never an id, by its form; of which table it is, the function tells."""
    try:
        decode_id(text)
    except InvalidId:
        raise ValidationFailed(f"{name} is no id of {table}", parameter=name) from None


def _is_text(node: Node) -> bool:
    if isinstance(node, UnionOf):
        return all(map(_is_text, node.members))
    return isinstance(node, String | IdOf | Number | Boolean | Literals | Null)
