"""The function spec: what is served, in the format of the CLI's ``function-spec``."""

from collections.abc import Iterator
from typing import Any, Final

from chalicelib.engine.functions.http_paths import PathTemplate
from chalicelib.engine.functions.http_route import Route
from chalicelib.engine.functions.registry import RegisteredFunction, Registry

SYSTEM_PREFIX: Final = "_system/"
"""What the paths of functions begin with that no app has written."""


def app_functions(registry: Registry) -> Iterator[RegisteredFunction]:
    """Yield the functions of the apps, public and internal, sorted by path."""
    for path, registered in registry.functions.items():
        if not path.startswith(SYSTEM_PREFIX):
            yield registered


def function_spec(registry: Registry) -> list[dict[str, Any]]:
    """Describe every function of the apps, sorted by path, then what answers HTTP requests.

    Raises:
        InvalidFunction: One cannot be served as it is written.
        InvalidHint: A type is none of the wire; the message says what to write instead.
    """
    return [
        *(_described(registered) for registered in app_functions(registry)),
        *(_routed(route) for route in registry.http.routes),
    ]


def _described(registered: RegisteredFunction) -> dict[str, Any]:
    function = registered.function
    module, _, name = registered.path.partition(":")
    return {
        "identifier": f"{module}.js:{name}",
        "functionType": function.kind.capitalize(),
        "visibility": {"kind": function.visibility},
        "args": function.signature.args_json(),
        "returns": function.signature.returns_json(),
    }


def _routed(route: Route) -> dict[str, Any]:
    return {
        "functionType": "HttpAction",
        "method": route.method,
        "path": _path(route.template),
    }


def _path(template: PathTemplate) -> str:
    """Write a path as Convex does: what ends in anything at all ends in ``*``."""
    head, slash, last = template.text.rpartition("/")
    return f"{head}{slash}*" if last.endswith(":path}") else template.text
