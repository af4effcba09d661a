"""The decorators that make a plain function a query, a mutation or an action.

They only wrap: no global registry learns of it, and a function stays callable with a ctx.
"""

import functools
from collections.abc import Callable
from typing import (
    Any,
    ClassVar,
    Concatenate,
    Final,
    Generic,
    Literal,
    ParamSpec,
    TypeAlias,
    TypeVar,
    overload,
)

from typing_extensions import override

from chalicelib.engine.functions.context import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    SystemCtx,
)
from chalicelib.engine.functions.retries import Retry
from chalicelib.engine.functions.signature import Signature
from chalicelib.engine.schema import wire_name

P = ParamSpec("P")
R = TypeVar("R")

Kind: TypeAlias = Literal["query", "mutation", "action"]
Visibility: TypeAlias = Literal["public", "internal"]


class Function(Generic[P, R]):
    """A function that the engine serves, generic in its parameters without ctx.

    ``visibility`` is "public" if clients may call it. The object itself is the reference by
    which other functions run or schedule it.
    """

    kind: ClassVar[Kind]
    __name__: str

    def __init__(
        self, implementation: Callable[..., R], visibility: Visibility, name: str | None
    ) -> None:
        wrapper: Any = self
        functools.update_wrapper(wrapper, implementation)
        self.implementation: Final = implementation
        self.visibility: Final = visibility
        self.wire_name: Final = name or wire_name(self.__name__)

    @functools.cached_property
    def signature(self) -> Signature:
        """Its types; built as they are needed."""
        return Signature(self.implementation)

    def __call__(self, ctx: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it with a ctx of its kind; nothing is validated."""
        return self.implementation(ctx, *args, **kwargs)

    @override
    def __repr__(self) -> str:
        return f"<{self.visibility} {self.kind} {self.__module__}.{self.__name__}>"


class QueryFunction(Function[P, R]):
    """A function that reads."""

    kind = "query"

    @override
    def __call__(self, ctx: QueryCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it within the transaction of ``ctx``; nothing is validated."""
        return self.implementation(ctx, *args, **kwargs)


class SystemQueryFunction(QueryFunction[P, R]):
    """A query of the CLI or the dashboard: only admins reach it, and it sees what is served."""


class Schedulable(Function[P, R]):
    """A function that can be scheduled: a mutation or an action."""


class MutationFunction(Schedulable[P, R]):
    """A function that reads and writes, in one transaction."""

    kind = "mutation"

    @override
    def __call__(self, ctx: MutationCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it within the transaction of ``ctx``; nothing is validated."""
        return self.implementation(ctx, *args, **kwargs)


class ActionFunction(Schedulable[P, R]):
    """A function that may do anything, outside of any transaction.

    ``retry`` says how it is run again when it has failed as a job; without, it is not.
    """

    kind = "action"
    retry: Retry | None = None

    @override
    def __call__(self, ctx: ActionCtx, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it as a part of the action of ``ctx``; nothing is validated."""
        return self.implementation(ctx, *args, **kwargs)


class _QueryDecorator:
    """``@query``, or ``@query(name="listAll")`` to name it on the wire."""

    def __init__(self, visibility: Visibility) -> None:
        self._visibility: Final = visibility

    @overload
    def __call__(
        self, f: Callable[Concatenate[QueryCtx, P], R], /
    ) -> QueryFunction[P, R]: ...
    @overload
    def __call__(
        self, *, name: str
    ) -> Callable[[Callable[Concatenate[QueryCtx, P], R]], QueryFunction[P, R]]: ...
    def __call__(self, f: Any = None, *, name: Any = None) -> Any:
        return _made(QueryFunction, self._visibility, f, name)


class _MutationDecorator:
    """``@mutation``, or ``@mutation(name="removeAll")`` to name it on the wire."""

    def __init__(self, visibility: Visibility) -> None:
        self._visibility: Final = visibility

    @overload
    def __call__(
        self, f: Callable[Concatenate[MutationCtx, P], R], /
    ) -> MutationFunction[P, R]: ...
    @overload
    def __call__(
        self, *, name: str
    ) -> Callable[[Callable[Concatenate[MutationCtx, P], R]], MutationFunction[P, R]]: ...
    def __call__(self, f: Any = None, *, name: Any = None) -> Any:
        return _made(MutationFunction, self._visibility, f, name)


class _ActionDecorator:
    """``@action``, or ``@action(name="sendMail", retry=Retry(times=3))``.

    ``name`` names it on the wire; ``retry`` has it run again when it has failed as a job.
    """

    def __init__(self, visibility: Visibility) -> None:
        self._visibility: Final = visibility

    @overload
    def __call__(
        self, f: Callable[Concatenate[ActionCtx, P], R], /
    ) -> ActionFunction[P, R]: ...
    @overload
    def __call__(
        self, *, name: str | None = None, retry: Retry | None = None
    ) -> Callable[[Callable[Concatenate[ActionCtx, P], R]], ActionFunction[P, R]]: ...
    def __call__(self, f: Any = None, *, name: Any = None, retry: Any = None) -> Any:
        if f is None:
            return lambda f: self._made(f, name, retry)
        return self._made(f, name, retry)

    def _made(self, f: Any, name: str | None, retry: Retry | None) -> Any:
        made: ActionFunction[..., Any] = ActionFunction(f, self._visibility, name)
        made.retry = retry
        return made


def system_query(f: Callable[Concatenate[SystemCtx, P], R], /) -> SystemQueryFunction[P, R]:
    """Make a query of the CLI or the dashboard."""
    return SystemQueryFunction(f, "internal", None)


def _made(
    cls: type[Function[Any, Any]], visibility: Visibility, f: Any, name: str | None
) -> Any:
    if f is None:
        return lambda implementation: cls(implementation, visibility, name)
    return cls(f, visibility, name)


query: Final = _QueryDecorator("public")
"""Makes a function that clients may call to read, and to watch."""

mutation: Final = _MutationDecorator("public")
"""Makes a function that clients may call to write."""

action: Final = _ActionDecorator("public")
"""Makes a function that clients may call to do anything."""

internal_query: Final = _QueryDecorator("internal")
"""Makes a query that only functions and admins reach."""

internal_mutation: Final = _MutationDecorator("internal")
"""Makes a mutation that only functions, schedules and admins reach."""

internal_action: Final = _ActionDecorator("internal")
"""Makes an action that only functions, schedules and admins reach."""
