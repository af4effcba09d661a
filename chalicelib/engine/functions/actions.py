"""Runs actions, and the queries and mutations that they call."""

from collections.abc import Callable
from typing import Any

from chalicelib.engine.auth import Caller
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import EngineError
from chalicelib.engine.functions.calls import Call, arguments_object, resolve
from chalicelib.engine.functions.context import ActionCtx, Auth, Calls
from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.functions.outcome import Outcome, failure_of
from chalicelib.engine.functions.registration import Function
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.ports import Clock


class ActionRunner:
    """Runs an action once; whatever it calls is a transaction of its own."""

    def __init__(self, runner: Runner, tail: LogTail, clock: Clock) -> None:
        self._runner, self._tail, self._clock = runner, tail, clock

    def action(self, call: Call) -> Outcome:
        """Run an action to its end; ``ts`` is the log's end when it had finished."""
        log = Log()
        try:
            target = resolve(self._runner.registry, call, "action")
            arguments = target.function.signature.decode_args(
                arguments_object(call.arguments), self._runner.table_of()
            )
            result = target.function(self.context(call.caller, log), **arguments)
            value = target.function.signature.encode_result(result)
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

    def context(self, caller: Caller, log: Log) -> ActionCtx:
        """Return what an action, or an HTTP function, is given."""
        return ActionCtx(Auth(caller), self._calls(caller), self._clock.now_ms, log)

    def _calls(self, caller: Caller) -> Calls:
        def inner(run: Callable[[Call], Outcome]) -> Callable[..., Any]:
            def perform(
                function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
            ) -> Any:
                arguments = function.signature.encode_args(
                    function.signature.bind(args, kwargs)
                )
                path = self._runner.registry.path_of(function)
                outcome = run(Call(path, arguments, caller, trusted=True))
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
