"""Calls of the engine's own functions for files: ``engine.builtin.storage``."""

from typing import Any

import msgspec

from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.runner import Runner


class StorageCalls:
    """Runs functions of ``_system/storage`` by their names; their errors are raised."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def mutation(self, name: str, **arguments: Any) -> Any:
        """Commit, and return the result."""
        return self._result(name, self._runner.mutation(_call(name, arguments)))

    def query(self, name: str, **arguments: Any) -> Any:
        """Read, and return the result."""
        return self._result(name, self._runner.query(_call(name, arguments)))

    def _result(self, name: str, outcome: Outcome) -> Any:
        failure = outcome.failure
        if failure is not None:
            raise failure.error or RuntimeError(failure.reason)
        found = self._runner.registry.lookup(_path(name))
        if found is None or outcome.value is None:
            raise RuntimeError(f"{_path(name)} is not there, or has no value")
        return found.function.signature.decode_result(outcome.value)


def _path(name: str) -> str:
    return f"_system/storage:{name}"


def _call(name: str, arguments: dict[str, Any]) -> Call:
    return Call(_path(name), msgspec.json.encode(arguments), trusted=True)
