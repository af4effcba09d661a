"""A function's signature as the wire sees it: arguments in, result out, both judged.

Everything is built when it is first asked for, because it costs about a millisecond a
function and a process calls few of the functions that it serves.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from chalicelib.engine.errors import (
    ArgumentValidationError,
    InvalidFunction,
    InvalidHint,
    ReturnsValidationError,
    TypeMismatch,
)
from chalicelib.engine.schema import wire_name
from chalicelib.engine.values.types import (
    Node,
    ObjectOf,
    Role,
    TableOf,
    TypeCodec,
    documents_in,
    encode_searched,
    field_of,
    search_results,
    validator_json,
)


class Signature:
    """The types of one function, its ctx left out."""

    def __init__(self, implementation: Callable[..., Any]) -> None:
        self._implementation = implementation

    def decode_args(
        self, raw: bytes | dict[str, Any], table_of: TableOf | None = None
    ) -> dict[str, Any]:
        """Return the keyword arguments of a call.

        ``raw`` is the encoded JSON of an object, or that object as a value. Ids are checked
        to be of the right table if ``table_of`` is given.

        Raises:
            ArgumentValidationError: They are not what the function takes.
            InvalidValue: They are not a value at all.
        """
        try:
            if isinstance(raw, bytes):
                arguments = self._arguments.decode(raw, table_of)
            else:
                arguments = self._arguments.convert(raw, table_of)
        except TypeMismatch as wrong:
            raise ArgumentValidationError(str(wrong)) from None
        return msgspec.structs.asdict(arguments)

    def bind(self, positional: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name.

        Raises:
            ArgumentValidationError: There are more than it takes, or one was given twice.
        """
        if len(positional) > len(self._names):
            raise ArgumentValidationError(
                f"{len(positional)} arguments were given, {len(self._names)} are taken"
            )
        bound = dict(zip(self._names, positional, strict=False))
        if twice := bound.keys() & named.keys():
            raise ArgumentValidationError(f"{min(twice)} was given twice")
        return {**bound, **named}

    def encode_args(self, arguments: Mapping[str, Any]) -> bytes:
        """Return the encoded JSON of arguments by name, those left at a default left out.

        Raises:
            ArgumentValidationError: They are not what the function takes.
            InvalidValue: Something inside is not a value.
        """
        try:
            instance = self._struct(**arguments)
        except TypeError as wrong:
            raise ArgumentValidationError(str(wrong)) from None
        raw = encode_searched(instance, self._search_arguments)[1]
        self.decode_args(raw)
        return raw

    def encode_result(self, value: Any) -> bytes:
        """Return a result as the wire has it, documents with ``_id`` and ``_creationTime``.

        Raises:
            InvalidValue: Something inside is not a value.
        """
        return self._result.encode(value)

    def decode_result(self, raw: bytes) -> Any:
        """Return a result as the function had it.

        Raises:
            ReturnsValidationError: It is not what the signature promises.
        """
        try:
            return self._result.decode(raw)
        except TypeMismatch as wrong:
            raise ReturnsValidationError(str(wrong)) from None

    def check_result(self, raw: bytes, table_of: TableOf | None = None) -> None:
        """Judge an encoded result.

        Raises:
            ReturnsValidationError: It is not what the signature promises.
        """
        try:
            self._result.check(raw, table_of)
        except TypeMismatch as wrong:
            raise ReturnsValidationError(str(wrong)) from None

    def args_json(self) -> dict[str, Any]:
        """Return the validator JSON of the arguments."""
        return validator_json(self._arguments.tree, Role.ARGUMENT)

    def returns_json(self) -> dict[str, Any]:
        """Return the validator JSON of the result."""
        return validator_json(self._result.tree, Role.RESULT)

    @property
    def arguments(self) -> ObjectOf:
        """The tree of the arguments."""
        tree = self._arguments.tree
        assert isinstance(tree, ObjectOf)  # noqa: S101 - as built below
        return tree

    @property
    def struct(self) -> type[msgspec.Struct]:
        """The class of the arguments."""
        return self._struct

    @property
    def result_hint(self) -> Any:
        """The hint of the result."""
        return self._hints["return"]

    @property
    def result(self) -> Node:
        """The tree of the result."""
        return self._result.tree

    def build(self) -> None:
        """Build everything now.

        Raises:
            InvalidFunction: It cannot be served as it is written.
            InvalidHint: A type is none of the wire; the message says what to write instead.
        """
        _ = self._arguments, self._result, self._search_arguments

    @functools.cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._implementation, include_extras=True)
        except NameError as unknown:
            raise InvalidFunction(
                f"{unknown}: import the names of hints at run time too, not under"
                " TYPE_CHECKING"
            ) from None

    @functools.cached_property
    def _parameters(self) -> tuple[inspect.Parameter, ...]:
        ctx, *parameters = inspect.signature(self._implementation).parameters.values() or (
            None,
        )
        if ctx is None or ctx.kind not in _POSITIONAL:
            raise InvalidFunction("its first parameter is the ctx")
        for parameter in parameters:
            if parameter.kind not in _NAMED:
                raise InvalidFunction(
                    f"{parameter}: arguments have names; write one parameter for each"
                )
            if parameter.name not in self._hints:
                raise InvalidFunction(f"{parameter.name}: write its type")
            if parameter.name.startswith("_"):
                raise InvalidFunction(f"{parameter.name}: names with _ are reserved")
        return tuple(parameters)

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self._parameters if p.kind in _POSITIONAL)

    @functools.cached_property
    def _struct(self) -> type[msgspec.Struct]:
        fields: list[Any] = [
            (p.name, self._hints[p.name])
            if p.default is p.empty
            else (p.name, self._hints[p.name], p.default)
            for p in self._parameters
        ]
        try:
            return msgspec.defstruct(
                "Arguments",
                fields,
                kw_only=True,
                forbid_unknown_fields=True,
                omit_defaults=True,
                rename=wire_name,
            )
        except (TypeError, ValueError) as refused:
            raise InvalidFunction(str(refused)) from None

    @functools.cached_property
    def _arguments(self) -> TypeCodec:
        fields = tuple(
            field_of(
                wire_name(p.name),
                p.name,
                self._hints[p.name],
                default=p.default is not p.empty,
            )
            for p in self._parameters
        )
        tree = ObjectOf(self._struct, fields)
        if found := documents_in(tree):
            name = found[0].cls.__name__
            raise InvalidFunction(f"{name} is a document: take an Id[{name}] instead")
        return TypeCodec(self._struct, Role.ARGUMENT, tree)

    @functools.cached_property
    def _search_arguments(self) -> Any:
        return search_results(self._arguments.tree)

    @functools.cached_property
    def _result(self) -> TypeCodec:
        if "return" not in self._hints:
            raise InvalidFunction("write what it returns, or -> None")
        try:
            return TypeCodec(self._hints["return"], Role.RESULT)
        except InvalidHint as refused:
            raise InvalidHint(f"return: {refused}") from None


_POSITIONAL: Final = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.POSITIONAL_ONLY,
)
_NAMED: Final = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)
