"""A plugin of mypy: the fields given to ``ctx.db.patch`` are those of the document, by type.

``patch(run_id, status="failed")`` takes any names as far as Python's types can say. Named in
``[tool.mypy]`` as ``plugins = ["testing/mypy_plugin.py"]``, this gives each call the signature that
belongs to the table of its id. At run time fields are checked in any case.
"""

from collections.abc import Callable
from typing import Final

from mypy.nodes import ARG_NAMED_OPT, ARG_POS
from mypy.plugin import MethodSigContext, Plugin
from mypy.types import CallableType, FunctionLike, Instance, get_proper_type
from typing_extensions import override

_PATCH: Final = "chalicelib.engine.database.documents.Writer.patch"
_ID: Final = "chalicelib.engine.schema.documents.Id"


class DocumentsPlugin(Plugin):
    """Knows of documents what a signature cannot say."""

    @override
    def get_method_signature_hook(
        self, fullname: str
    ) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return what makes the signature of ``patch``, for each call of it."""
        return _patch_signature if fullname == _PATCH else None


def _patch_signature(context: MethodSigContext) -> FunctionLike:
    """The id, and any of the arguments by which such a document is made."""
    plain = context.default_signature
    constructor = _constructor(context)
    if constructor is None:
        return plain
    named = list(zip(constructor.arg_names, constructor.arg_types, strict=True))[1:]
    return plain.copy_modified(
        arg_types=[plain.arg_types[0], *(kind for _, kind in named)],
        arg_kinds=[ARG_POS, *(ARG_NAMED_OPT for _ in named)],
        arg_names=[plain.arg_names[0], *(name for name, _ in named)],
    )


def _constructor(context: MethodSigContext) -> CallableType | None:
    """The ``__init__`` of the document whose id is the first argument; None: not known."""
    if not context.args or not context.args[0]:
        return None
    given = get_proper_type(context.api.get_expression_type(context.args[0][0]))
    if not isinstance(given, Instance) or given.type.fullname != _ID:
        return None
    document = get_proper_type(given.args[0])
    made = document.type.get_method("__init__") if isinstance(document, Instance) else None
    kind = get_proper_type(made.type) if made is not None else None
    return kind if isinstance(kind, CallableType) else None


def plugin(_version: str) -> type[Plugin]:
    """Return the plugin, to mypy."""
    return DocumentsPlugin
