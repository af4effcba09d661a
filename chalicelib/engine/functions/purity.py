"""Finds, before it is served, a query or a mutation that asks the machine for time or chance.

Nothing tells of such a call when it happens (see ``isolation``), so the code is read: the
function, and those of the app that it names. What it is handed is not followed.
"""

import dis
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final
from weakref import WeakKeyDictionary

from chalicelib.engine.errors import InvalidFunction

_IMPURE: Final[Mapping[str, str]] = {
    "ctx.now, which stands still during a run": """
        time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter
        time.perf_counter_ns time.process_time datetime.datetime.now
        datetime.datetime.utcnow datetime.datetime.today datetime.date.today
        """,
    "ctx.random, which is the same when a run is repeated": """
        random.random random.randint random.randrange random.randbytes random.getrandbits
        random.choice random.choices random.shuffle random.sample random.uniform
        random.triangular random.gauss random.normalvariate random.expovariate random.seed
        random.SystemRandom os.urandom uuid.uuid1 uuid.uuid4
        secrets.token_bytes secrets.token_hex secrets.token_urlsafe secrets.randbelow
        secrets.randbits secrets.choice
        """,
    "an action, which may do anything": """
        time.sleep threading.Thread threading.Timer
        concurrent.futures.ThreadPoolExecutor concurrent.futures.ProcessPoolExecutor
        """,
}
"""What may not be named, by what to use instead."""


def check_purity(function: Callable[..., Any], packages: tuple[str, ...]) -> None:
    """Look through a function, and through those of ``packages`` that it names.

    Raises:
        InvalidFunction: It names something impure; the message says what to use instead.
    """
    seen: set[FunctionType] = set()
    waiting: list[Any] = [function]
    while waiting:
        found = waiting.pop()
        if not isinstance(found, FunctionType) or found in seen:
            continue
        seen.add(found)
        impure, called = _looked_through(found)
        if impure is not None:
            raise InvalidFunction(
                f"{found.__qualname__} uses {impure[0]}, but queries and mutations are"
                f" deterministic: use {impure[1]}"
            )
        waiting += (each for each in called if each.__module__.startswith(packages))


def _looked_through(
    function: FunctionType,
) -> tuple[tuple[str, str] | None, tuple[FunctionType, ...]]:
    """What is impure in a function, if anything is, and the functions that it names."""
    known = _known.get(function)
    if known is None:
        things = tuple(_named(function.__code__, function.__globals__))
        impure = (
            (name, instead)
            for thing in things
            for known_impure, name, instead in _impure_things()
            if type(thing) is type(known_impure) and thing == known_impure
        )
        called = tuple(thing for thing in things if isinstance(thing, FunctionType))
        known = _known[function] = (next(impure, None), called)
    return known


_known: Final[WeakKeyDictionary[FunctionType, Any]] = WeakKeyDictionary()
"""Functions looked through before: a process of tests serves the same app again and again."""


@cache
def _impure_things() -> tuple[tuple[Any, str, str], ...]:
    """What is impure: the thing, its name, and what to use instead."""
    return tuple(
        (pkgutil.resolve_name(name), name, instead)
        for instead, names in _IMPURE.items()
        for name in names.split()
    )


def _named(code: CodeType, known: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what the names in a function's code stand for, as far as they are global."""
    imported: dict[str, Any] = {}
    held: Any = None
    for step in dis.get_instructions(code):
        name = step.argval
        match step.opname:
            case "LOAD_GLOBAL" | "LOAD_NAME":
                held = known.get(name)
            case "LOAD_ATTR" | "LOAD_METHOD" if isinstance(held, ModuleType | type):
                held = getattr(held, name, None)
            case "IMPORT_NAME":
                held = sys.modules.get(name)
            case "IMPORT_FROM":
                yield getattr(held, name, None)
                continue
            case "STORE_FAST":
                imported[name] = held
            case "LOAD_FAST":
                held = imported.get(name)
            case _:
                held = None
        yield held
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant, known)
