"""How the engine calls its own functions for jobs and crons."""

from typing import Any, TypeVar

import msgspec

from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.runner import Runner

R = TypeVar("R")


class JobCalls:
    """Calls of ``_system/jobs``, which commit what happens to a job."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def mutate(self, name: str, **arguments: Any) -> Outcome:
        """Run a mutation, or raise what it has raised."""
        return succeeded(self._runner.mutation(_call(name, arguments)))

    def query(self, name: str, **arguments: Any) -> Outcome:
        """Run a query, or raise what it has raised."""
        return succeeded(self._runner.query(_call(name, arguments)))


def deploy_crons(runner: Runner) -> None:
    """Make the crons of the apps the ones that run."""
    registry = runner.registry
    crons = [
        {
            "name": cron.name,
            "path": registry.path_of(cron.function),
            "args": msgspec.Raw(cron.encoded_arguments()),
            "schedule": cron.schedule,
        }
        for cron in registry.crons
    ]
    arguments = msgspec.json.encode({"crons": crons})
    call = Call("_system/cronJobs:deploy", arguments, trusted=True)
    succeeded(runner.mutation(call))


def decoded(outcome: Outcome, kind: type[R]) -> R:
    """The value of a call as a struct."""
    return msgspec.json.decode(outcome.value or b"null", type=kind)


def succeeded(outcome: Outcome) -> Outcome:
    """Raise what one of the engine's own functions has raised: a bug, mostly."""
    if outcome.failure is not None:
        raise outcome.failure.error or AssertionError(outcome.failure.reason)
    return outcome


def _call(name: str, arguments: dict[str, Any]) -> Call:
    return Call(f"_system/jobs:{name}", msgspec.json.encode(arguments), trusted=True)
