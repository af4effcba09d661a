"""What is served: functions, HTTP functions, tables and auth providers of the app packages."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any, Final

from chalicelib.engine.errors import EngineError, InvalidFunction
from chalicelib.engine.functions.addresses import Addresses
from chalicelib.engine.functions.crons import Cron, Crons, check_cron
from chalicelib.engine.functions.http_router import Http, Router
from chalicelib.engine.functions.purity import check_purity
from chalicelib.engine.functions.registration import Function
from chalicelib.engine.schema import BUILTIN_TABLES, policies, tables, wire_name


@dataclass(frozen=True, slots=True)
class RegisteredFunction:
    """A function and the path by which clients call it: ``executions:listByWorkflow``."""

    path: str
    function: Function[Any, Any]


_NOWHERE: Final = Addresses()


class Registry:
    """The functions of some packages by path, and the tables that they use.

    A module's path follows its place in the package: ``admin/users.py`` is ``admin/users``,
    in camelCase. Modules and packages that start with an underscore, and those named
    ``model``, hold no functions. A package may set ``WIRE_PREFIX``, with which its paths
    then start. Its ``http.py`` names as ``http`` what answers HTTP requests.

    Raises:
        InvalidFunction: Two functions have one path, or one is written wrongly.
        InvalidSchema: Two classes claim one table, or an index is wrong.
        InvalidHint: A type is none of the wire; the message says what to write instead.
    """

    def __init__(
        self,
        packages: Sequence[str],
        *,
        lazy: bool = False,
        addresses: Addresses = _NOWHERE,
    ) -> None:
        """Import ``packages``.

        ``lazy`` leaves a function's types until its first call, and trusts its results: what
        is wrong with either was found before the deployment.
        """
        self.judges_results: Final = not lazy
        self.packages: Final = tuple(packages)
        self.addresses: Final = addresses
        modules = [found for package in (*packages, _BUILTIN) for found in _walk(package)]
        self._functions: Final = _collect(modules)
        self._paths: Final = {id(f.function): f.path for f in self._functions.values()}
        # Last, so that they take no numbers away from the tables of an older deployment.
        self.tables: Final = tables(*(module for _, module in modules)) | BUILTIN_TABLES
        self.auth_providers: Final = _providers(packages)
        self.crons: Final = _crons(packages)
        self.http: Final = Router(route for h in _https(packages) for route in h.routes)
        if not lazy:
            self.check()

    @property
    def functions(self) -> Mapping[str, RegisteredFunction]:
        """The apps' functions by path, public and internal, sorted."""
        own = {p: f for p, f in self._functions.items() if not _is_builtin(f.function)}
        return MappingProxyType(own)

    def lookup(self, path: str) -> RegisteredFunction | None:
        """Return the function that clients mean by ``path``, in any of its spellings."""
        return self._functions.get(canonical_path(path))

    def path_of(self, function: Function[Any, Any]) -> str:
        """Return the path of a function.

        Raises:
            InvalidFunction: It is in none of the packages.
        """
        path = self._paths.get(id(function))
        if path is None:
            raise InvalidFunction(
                f"{function!r} is in none of the packages that are served"
            )
        return path

    def check(self) -> None:
        """Build what is built on first use, so that mistakes show now.

        Raises:
            InvalidFunction: As for the class, and so on.
        """
        for table in self.tables.values():
            table.check()
            for policy in policies(table.document):
                check_purity(policy, self.packages)
        for registered in self._functions.values():
            try:
                registered.function.signature.build()
                if registered.function.kind != "action":
                    check_purity(registered.function.implementation, self.packages)
            except EngineError as refused:
                raise InvalidFunction(f"{_where(registered.function)}: {refused}") from None
        for route in self.http.routes:
            route.build()
        for cron in self.crons:
            self.path_of(cron.function)
            check_cron(cron)


def canonical_path(path: str) -> str:
    """Return the one spelling: ``mod.js:fn`` becomes ``mod:fn``, ``m`` ``m:default``."""
    module, colon, name = path.partition(":")
    return f"{module.removesuffix('.js')}:{name if colon else 'default'}"


_BUILTIN: Final = "chalicelib.engine.builtin"
"""The package of functions that every deployment has, named since it lies further out."""

_SPECIAL: Final = frozenset({"schema", "auth_config", "crons", "http"})
"""Modules at the top of a package that declare something else than functions."""


def _walk(package: str) -> Iterator[tuple[str | None, ModuleType]]:
    """Yield the modules of a package with their paths, None where no function may be."""
    root = importlib.import_module(package)
    prefix: str = getattr(root, "WIRE_PREFIX", "")
    if not hasattr(root, "__path__"):
        yield prefix + wire_name(package.rpartition(".")[2]), root
        return
    for name in _names(root):
        parts = name.removeprefix(package + ".").split(".")
        path = None if parts[0] in _SPECIAL else prefix + "/".join(map(wire_name, parts))
        yield path, importlib.import_module(name)


def _names(package: ModuleType) -> Iterator[str]:
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if found.name.startswith("_") or found.name == "model":
            continue
        name = f"{package.__name__}.{found.name}"
        if found.ispkg:
            yield from _names(importlib.import_module(name))
        else:
            yield name


def _collect(
    modules: Sequence[tuple[str | None, ModuleType]],
) -> dict[str, RegisteredFunction]:
    found: dict[str, RegisteredFunction] = {}
    for module_path, module in modules:
        for function in _declared(module):
            if module_path is None:
                raise InvalidFunction(
                    f"{_where(function)}: {module.__name__} is for declarations; move the"
                    " function to a module of its own"
                )
            path = f"{module_path}:{function.wire_name}"
            if path in found and found[path].function is not function:
                raise InvalidFunction(
                    f"{path} is both {_where(found[path].function)} and {_where(function)}:"
                    ' give one of them another name, as in @query(name="…")'
                )
            found[path] = RegisteredFunction(path, function)
    return dict(sorted(found.items()))


def _declared(module: ModuleType) -> Iterator[Function[Any, Any]]:
    for value in vars(module).values():
        # A function that was imported belongs to the module that it comes from.
        if isinstance(value, Function) and value.__module__ == module.__name__:
            yield value


def _is_builtin(function: Function[Any, Any]) -> bool:
    return function.__module__.startswith(_BUILTIN + ".")


def _providers(packages: Sequence[str]) -> tuple[Any, ...]:
    return tuple(
        provider
        for module in _special_modules(packages, "auth_config")
        for provider in module.providers
    )


def _https(packages: Sequence[str]) -> Iterator[Http]:
    for module in _special_modules(packages, "http"):
        if not isinstance(getattr(module, "http", None), Http):
            raise InvalidFunction(f"{module.__name__}: write http = Http()")
        yield module.http


def _crons(packages: Sequence[str]) -> tuple[Cron, ...]:
    found: dict[str, Cron] = {}
    for module in _special_modules(packages, "crons"):
        if not isinstance(getattr(module, "crons", None), Crons):
            raise InvalidFunction(f"{module.__name__}: write crons = Crons()")
        for cron in module.crons.crons:
            if cron.name in found:
                raise InvalidFunction(f"{module.__name__}: another app has {cron.name!r}")
            found[cron.name] = cron
    return tuple(found.values())


def _special_modules(packages: Sequence[str], name: str) -> Iterator[ModuleType]:
    for package in packages:
        root = importlib.import_module(package)
        if hasattr(root, "__path__") and any(
            info.name == name for info in pkgutil.iter_modules(root.__path__)
        ):
            yield importlib.import_module(f"{package}.{name}")


def _where(function: Function[Any, Any]) -> str:
    return f"{function.__module__}.{function.__name__}"
