"""One type's way from encoded JSON to Python and back: fast where it can, always exact."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from chalicelib.engine.errors import InvalidHint, InvalidValue, TypeMismatch
from chalicelib.engine.values import encoding
from chalicelib.engine.values.types.describe import Role
from chalicelib.engine.values.types.hints import type_of
from chalicelib.engine.values.types.judge import Judge, TableOf
from chalicelib.engine.values.types.search import (
    Search,
    search_decoded,
    search_results,
    search_uninserted,
)
from chalicelib.engine.values.types.tree import BigInt, Bytes, Node, holds
from chalicelib.engine.values.value import Int64, Value


class TypeCodec:
    """Decodes, encodes and judges the values of one hint.

    Raises:
        InvalidHint: The wire has no such type.
    """

    def __init__(self, hint: Any, role: Role, tree: Node | None = None) -> None:
        self.tree = type_of(hint) if tree is None else tree
        self._hint, self._role = hint, role
        try:
            self._decoder = msgspec.json.Decoder(hint, dec_hook=_int64)
        except TypeError as refused:
            raise InvalidHint(str(refused)) from None
        # msgspec would take base64 text for bytes, and would call a hook for every Int64.
        self._always_judged = holds(self.tree, Bytes, BigInt)
        self._search_decoded = search_decoded(self.tree)
        self._search_results = search_results(self.tree)
        self._search_uninserted = search_uninserted(self.tree)

    def decode(self, raw: bytes, table_of: TableOf | None = None) -> Any:
        """Read encoded JSON; ids are looked at only if ``table_of`` is given.

        Raises:
            TypeMismatch: It is not of this type.
            InvalidValue: It is not a value at all.
        """
        if not self._always_judged and b'"$' not in raw and b"\\u0024" not in raw:
            try:
                value = self._decoder.decode(raw)
                if self._search_decoded is None or not self._search_decoded(
                    value, table_of
                ):
                    return value
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass  # refused, or too special: the judge decides, and has the better words
        return self.convert(encoding.decode(raw), table_of)

    def decode_trusted(self, raw: bytes) -> Any:
        """Read what :meth:`encode` wrote, of this type or of an earlier form of it.

        Raises:
            msgspec.ValidationError: It is not of this type; :meth:`convert` has the words.
        """
        if self._always_judged or b'"$' in raw:
            return msgspec.convert(
                encoding.restore(raw), self._hint, builtin_types=(bytes,), dec_hook=_int64
            )
        return self._decoder.decode(raw)

    def convert(self, value: Value, table_of: TableOf | None = None) -> Any:
        """Turn a value, its objects as dicts by wire names, into what the hint says.

        Raises:
            TypeMismatch: It is not of this type.
        """
        judged = self.judge(value, table_of)
        try:
            return msgspec.convert(
                judged, self._hint, builtin_types=(bytes,), dec_hook=_int64
            )
        except msgspec.ValidationError as broken:  # a constraint, which only msgspec knows
            raise TypeMismatch(str(broken)) from None

    def judge(self, value: Value, table_of: TableOf | None = None) -> Any:
        """Return ``value`` with numbers as the hint has them.

        Raises:
            TypeMismatch: It is not of this type.
        """
        return Judge(self._role, table_of).judge(self.tree, value)

    def encode(self, value: Any) -> bytes:
        """Write an instance as encoded JSON. Its type is trusted, its values are not.

        Raises:
            InvalidValue: Something inside is not a value.
        """
        return encode_searched(value, self._search_results)[1]

    def check(self, raw: bytes, table_of: TableOf | None = None) -> None:
        """Refuse encoded JSON that is not of this type, documents that have no id included.

        Raises:
            TypeMismatch: It is not of this type.
        """
        decoded = self.decode(raw, table_of)
        if self._search_uninserted is not None and self._search_uninserted(decoded, None):
            self.judge(encoding.decode(raw), table_of)

    def judge_encoded(self, raw: bytes, table_of: TableOf | None = None) -> None:
        """Refuse encoded JSON that is not of this type.

        Raises:
            TypeMismatch: It is not of this type.
            InvalidValue: It is not a value at all.
        """
        self.judge(encoding.decode(raw), table_of)


def encode_searched(value: Any, search: Search | None) -> tuple[bool, bytes]:
    """Write an instance as encoded JSON; tell first whether ``search`` found nothing.

    Raises:
        InvalidValue: Something inside is not a value.
    """
    try:
        if search is None or not search(value, None):
            return True, msgspec.json.encode(value)
    except (TypeError, AttributeError, UnicodeEncodeError):
        pass  # not what the hint promised: the slow way says what it is
    return False, msgspec.json.encode(encoding.to_wire(to_value(value)))


def to_value(instance: Any) -> Any:
    """Turn Structs and documents, at any depth, into dicts by wire names.

    Raises:
        InvalidValue: Something inside has no place in a value.
    """
    try:
        return msgspec.to_builtins(instance, builtin_types=_KEPT)
    except TypeError as refused:
        raise InvalidValue(str(refused)) from None


# Left as they are, so that the encoding takes the first two and refuses the others by name:
# msgspec would turn a datetime into text, and nobody would notice.
_KEPT: Final = (bytes, Int64, datetime, date, time, timedelta, Decimal, UUID)


def _int64(cls: type, value: Any) -> Any:
    if type(value) is not cls:
        raise NotImplementedError
    return value
