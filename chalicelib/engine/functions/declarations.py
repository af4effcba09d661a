"""TypeScript declarations of what is served: the files of a client's ``_generated``.

They hold no more than the registry does, in an order that does not depend on when a function
was first called: the same apps give the same text.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chalicelib.engine import errors
from chalicelib.engine.errors import AppError
from chalicelib.engine.functions.registration import Function, Visibility
from chalicelib.engine.functions.registry import RegisteredFunction, Registry
from chalicelib.engine.functions.spec import app_functions
from chalicelib.engine.schema import BUILTIN_TABLES, Page, PaginationOptions, TableSchema
from chalicelib.engine.values.types import ObjectOf, Role, type_of
from chalicelib.engine.values.types.typescript import (
    INDENT,
    WIDTH,
    Foreign,
    TypeScript,
    comment_text,
    key_text,
)

_HEADER: Final = """\
/* eslint-disable */
/**
 * Generated from the functions and tables that are served: `make types` writes it anew.
 */
"""

_API_JS: Final = f"""\
{_HEADER}
import {{ anyApi }} from "convex/server";

/** The functions that clients may call. */
export const api = anyApi;

/** The functions that only functions, schedules and admins reach. */
export const internal = anyApi;
"""

_NAMES: Final = """\
/** The names of the tables. */
export type TableNames = keyof Documents;

/** A document as clients receive it. */
export type Doc<TableName extends TableNames> = Documents[TableName];

/** The id of a document. */
export type Id<TableName extends TableNames | SystemTableNames> = GenericId<TableName>;

"""

_FOREIGN: Final[Mapping[type, Foreign]] = {
    PaginationOptions: Foreign("PaginationOptions"),
    Page: Foreign("PaginationResult", items="page"),
}
"""What ``usePaginatedQuery`` looks for, by the names that its own types have."""

_FROM_SERVER: Final = ("FunctionReference", *(f.name for f in _FOREIGN.values()))


def declarations(registry: Registry) -> dict[str, str]:
    """Return the texts of the files by name.

    Raises:
        InvalidFunction: A function cannot be served as it is written.
        InvalidHint: A type is none of the wire; the message says what to write instead.
    """
    tables = dict(sorted(_app_tables(registry).items()))
    types = TypeScript(
        {name: table.document for name, table in tables.items()},
        registry.tables.keys(),
        _FOREIGN,
    )
    return {
        "dataModel.d.ts": _data_model(registry, tables, types),
        "api.d.ts": _api(registry, types),
        "api.js": _API_JS,
    }


def error_codes(packages: tuple[str, ...]) -> list[str]:
    """List the codes with which the engine and ``packages`` tell clients of an error."""
    return sorted({error.code for error in _app_errors(AppError, packages)})


def _app_errors(
    base: type[AppError], packages: tuple[str, ...]
) -> Iterator[type[AppError]]:
    homes = (errors.__name__, *packages)
    is_known = any(f"{base.__module__}.".startswith(f"{home}.") for home in homes)
    if (
        is_known and base.data is AppError.data
    ):  # others speak of something else than a code
        yield base
    for error in base.__subclasses__():
        yield from _app_errors(error, packages)


def _app_tables(registry: Registry) -> dict[str, TableSchema]:
    return {n: table for n, table in registry.tables.items() if n not in BUILTIN_TABLES}


def _data_model(
    registry: Registry, tables: Mapping[str, TableSchema], types: TypeScript
) -> str:
    documents = "".join(_document(table, types) for table in tables.values())
    codes = "".join(f'\n{INDENT}| "{code}"' for code in error_codes(registry.packages))
    return f"""\
{_HEADER}
import type {{ SystemTableNames }} from "convex/server";
import type {{ GenericId }} from "convex/values";

/** The documents of each table. */
export type Documents = {{
{documents}}};

{_NAMES}/** What an error that a function raises on purpose is told apart by. */
export type AppErrorCode ={codes};

/** What such an error says: the `data` of a `ConvexError`. */
export type AppErrorData = {{
  code: AppErrorCode;
  message: string;
  details: Record<string, any>;
}};
"""


def _document(table: TableSchema, types: TypeScript) -> str:
    tree = type_of(table.document)  # not that of its codec: no system fields are stored
    assert isinstance(tree, ObjectOf)  # noqa: S101 - a document is a class
    comment = comment_text(_docstring(table.document), 1)
    return f"{comment}{INDENT}{key_text(table.name)}: {types.fields(tree, _OUT, 1)};\n"


def _api(registry: Registry, types: TypeScript) -> str:
    body = "".join(
        f"\n{comment}export declare const {name}: {_tree(registry, visibility, types)};\n"
        for name, visibility, comment in _ROOTS
    )
    return _HEADER + "\n" + "".join(_imports(body)) + body


def _imports(body: str) -> Iterator[str]:
    for names, module in (
        (_FROM_SERVER, "convex/server"),
        (("GenericId",), "convex/values"),
        (("Doc", "Id"), "./dataModel.js"),
    ):
        used = [name for name in names if re.search(rf"\b{name}\b", body)]
        if used:
            yield f'import type {{ {", ".join(used)} }} from "{module}";\n'


class _Level:
    """What stands under one name: a function, modules and functions below it, or both."""

    def __init__(self) -> None:
        self.function: Function[Any, Any] | None = None
        self.below: dict[str, _Level] = {}

    def at(self, registered: RegisteredFunction) -> "_Level":
        level = self
        for name in re.split("[/:]", registered.path):
            level = level.below.setdefault(name, _Level())
        return level


def _tree(registry: Registry, visibility: Visibility, types: TypeScript) -> str:
    root = _Level()
    for registered in app_functions(registry):
        if registered.function.visibility == visibility:
            root.at(registered).function = registered.function
    return _below(root, types, 0)


def _below(level: _Level, types: TypeScript, depth: int) -> str:
    lines = []
    for name, inner in sorted(level.below.items()):
        parts = []
        if inner.function is not None:
            lines.append(comment_text(_docstring(inner.function), depth + 1))
            parts.append(_reference(inner.function, types, depth + 1, len(name)))
        if inner.below:
            parts.append(_below(inner, types, depth + 1))
        lines.append(f"{INDENT * (depth + 1)}{key_text(name)}: {' & '.join(parts)};\n")
    return f"{{\n{''.join(lines)}{INDENT * depth}}}" if lines else "{}"


def _reference(
    function: Function[Any, Any], types: TypeScript, depth: int, name_chars: int
) -> str:
    signature = function.signature
    parts = (
        f'"{function.kind}"',
        f'"{function.visibility}"',
        types.text(signature.arguments, Role.ARGUMENT, depth + 1),
        types.text(signature.result, _OUT, depth + 1),
    )
    flat = f"FunctionReference<{', '.join(parts)}>"
    pad = INDENT * depth
    if "\n" not in flat and len(pad) + name_chars + len(flat) < WIDTH - len(": ;"):
        return flat
    lines = ",\n".join(
        part.removeprefix("\n") if part.startswith("\n") else f"{pad}{INDENT}{part}"
        for part in parts
    )
    return f"FunctionReference<\n{lines}\n{pad}>"


def _docstring(described: Any) -> str | None:
    """Return the docstring that stands there, not one that a class has inherited."""
    own = vars(described).get("__doc__")
    return inspect.cleandoc(own) if isinstance(own, str) else None


_OUT: Final = Role.RESULT
_ROOTS: Final[tuple[tuple[str, Visibility, str], ...]] = (
    ("api", "public", "/** The functions that clients may call. */\n"),
    (
        "internal",
        "internal",
        "/** The functions that only functions, schedules and admins reach. */\n",
    ),
)
