"""Runs actions, and the queries and mutations that they call."""

from collections.abc import Callable
from typing import Any

from chalicelib.engine.auth import Caller
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import EngineError
from chalicelib.engine.functions.calls import Call, resolve
from chalicelib.engine.functions.context import ActionCtx, Auth, Calls, Reach
from chalicelib.engine.functions.exchange import arguments_of, value_of
from chalicelib.engine.functions.files import Files
from chalicelib.engine.functions.jobs import Plan
from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.functions.outcome import Outcome, failure_of
from chalicelib.engine.functions.registration import Function
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.functions.scheduler import Scheduler, Scheduling
from chalicelib.engine.functions.storage import ActionFiles
from chalicelib.engine.log import Origin
from chalicelib.engine.ports import Clock
from chalicelib.engine.values.encoding import encode


class ActionRunner:
    """Runs an action once; whatever it calls is a transaction of its own."""

    def __init__(
        self,
        runner: Runner,
        tail: LogTail,
        clock: Clock,
        files: Files,
        reach: Reach = Reach(),  # noqa: B008 - frozen
    ) -> None:
        self._runner, self._tail, self._clock = runner, tail, clock
        self._storage, self._reach = ActionFiles(files), reach

    def action(self, call: Call) -> Outcome:
        """Run an action to its end; ``ts`` is the log's end when it had finished."""
        log = Log()
        try:
            target = resolve(self._runner.registry, call, "action")
            tables = self._runner.table_of()
            arguments = arguments_of(target, call.arguments, tables)
            ctx = self.context(call.caller, log, call.job, call.origin)
            result = target.function(ctx, **arguments)
            judged = self._runner.registry.judges_results
            value = value_of(target, result, tables, judged=judged)
        except Exception as error:  # noqa: BLE001 - whatever an action raises is its outcome
            failure = self._runner.failure(error, call.path)
            return Outcome(self._tail.view().ts, failure=failure, log_lines=log.lines)
        head = self._tail.refresh()
        return Outcome(head.ts, value, log_lines=log.lines, result=result)

    def once(self, call: Call) -> Outcome:
        """Run an action that nobody will run again: what could be retried is its failure too."""
        try:
            return self.action(call)
        except EngineError as error:
            failure = failure_of(error, self._runner.new_request_id())
            return Outcome(self._tail.view().ts, failure=failure)

    def context(
        self,
        caller: Caller,
        log: Log,
        job: str | None = None,
        origin: Origin | None = None,
    ) -> ActionCtx:
        """Return what an action, or an HTTP function, is given; ``job``: what it runs as."""
        clock, calls = self._clock.now_ms, self._calls(caller, job, origin)
        registry = self._runner.registry
        scheduler = Scheduler(registry, self._scheduling(job), None)
        parts = clock, log, scheduler, self._storage, self._reach, registry.addresses
        return ActionCtx(Auth(caller), calls, *parts)

    def _scheduling(self, job: str | None) -> Scheduling:
        """Each call is a transaction of its own, by one of the engine's own functions."""

        def commit(name: str, **arguments: Any) -> Any:
            call = Call(f"_system/jobs:{name}", encode(arguments), trusted=True)
            outcome = self._runner.mutation(call)
            if outcome.failure is not None and outcome.failure.error is not None:
                raise outcome.failure.error
            return outcome.result

        def add(plan: Plan) -> Any:
            by = {} if job is None else {"by": job}
            return commit("schedule", path=plan.path, args=plan.args, at=plan.at_ms, **by)

        def cancel(canceled: str) -> None:
            commit("cancel", job=canceled)

        runner, now_ms = self._runner, self._clock.now_ms
        return Scheduling(add, cancel, now_ms, runner.table_of)

    def _calls(self, caller: Caller, job: str | None, origin: Origin | None) -> Calls:
        def inner(run: Callable[[Call], Outcome]) -> Callable[..., Any]:
            def perform(
                function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
            ) -> Any:
                arguments = function.signature.encode_args(
                    function.signature.bind(args, kwargs)
                )
                path = self._runner.registry.path_of(function)
                call = Call(path, arguments, caller, trusted=True, job=job, origin=origin)
                outcome = run(call)
                if outcome.failure is not None and outcome.failure.error is not None:
                    raise outcome.failure.error
                if outcome.result is not None or outcome.value is None:
                    return outcome.result
                # Results are not kept with cached values, since their receiver may change them.
                return function.signature.decode_result(outcome.value)

            return perform

        return Calls(
            inner(self._runner.query), inner(self._runner.mutation), inner(self.action)
        )
