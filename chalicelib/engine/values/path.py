"""Where in a value something is wrong: searched for only then, so success pays nothing."""

from collections.abc import Callable, Iterable
from typing import Any

from chalicelib.engine.errors import InvalidValue


def locate(
    fault: InvalidValue, value: Any, examine: Callable[[Any], object]
) -> InvalidValue:
    """Return the fault of the innermost part that ``examine`` refuses, with its path."""
    for step, member in _members(value):
        try:
            examine(member)
        except InvalidValue as inner:
            return locate(inner, member, examine).under(step)
    return fault


def _members(container: Any) -> Iterable[tuple[str, Any]]:
    if type(container) is list:
        return ((f"[{index}]", item) for index, item in enumerate(container))
    if type(container) is dict:
        return ((f".{name}", field) for name, field in container.items())
    return ()
