"""Callers without a session: each call is one invocation, and exact at one timestamp."""

import json
from collections.abc import Callable
from typing import Any

from chalicelib.engine.backend import Backend
from chalicelib.engine.errors import EngineError, OutcomeUnknown
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.log import ORIGIN
from tests.simulation.app.schema import KEYS
from tests.simulation.client import USERS, any_mutation
from tests.simulation.oracle import Asked, Oracle, Refused, evaluate, perform
from tests.simulation.platform import Platform, user
from tests.simulation.properties import Broken, Property

MOST_OF_STORM = 100
"""Entries in the log at which a storm ends."""


class HttpCaller:
    """Calls queries and mutations over HTTP at random times."""

    def __init__(self, platform: Platform, oracle: Oracle) -> None:
        self._platform, self._world, self._oracle = platform, platform.world, oracle
        self._number = 0
        self._first = oracle.head
        self.failed: list[str] = []

    def start(self) -> None:
        """Plan all calls."""
        profile = self._world.profile
        span_ms = profile.think_ms[1] * profile.acts[1] / 2
        for _ in range(profile.http):
            self._world.cause("http", self._world.between((50, span_ms)), self._call)
        for _ in range(profile.storm):
            self._world.cause("storm", self._world.between((50, 300)), self._storm)

    def _call(self) -> None:
        choice = self._world.random.random()
        if choice < 0.45:
            self._mutate()
        elif choice < 0.9:
            self._query()
        else:
            self._query_in_past()

    def _storm(self) -> None:
        """Mutate again as soon as the mutation before has been answered."""
        if self._oracle.head - self._first < MOST_OF_STORM:
            self._mutate(lambda: self._world.at(1, self._storm))

    def _query(self) -> None:
        path, args, who = self._drawn()
        head = self._oracle.head

        def work(backend: Backend) -> None:
            call = Call(path, json.dumps(args).encode(), user(who))
            outcome = backend.call(call, "query")
            self._check_query(path, args, who, outcome)
            if outcome.ts < head:
                raise Broken(
                    Property.RECENT,
                    f"a query at {outcome.ts} missed what was there at {head}",
                )

        self._platform.invoke("query", work)

    def _query_in_past(self) -> None:
        path, args, who = self._drawn()
        head = self._oracle.head
        ts = max(
            self._first + 1, head - self._world.random.randint(0, self._how_far_back())
        )

        def work(backend: Backend) -> None:
            call = Call(path, json.dumps(args).encode(), user(who))
            outcome = backend.query_in_past(call, ts)
            self._check_query(path, args, who, outcome)

        self._platform.invoke("query in past", work)

    def _how_far_back(self) -> int:
        """As far as the log and its indexes are kept for sure."""
        profile = self._world.profile
        lets_go = profile.night or profile.house or profile.deploy
        return 6 if lets_go or self._world.random.random() < 0.5 else MOST_OF_STORM

    def _drawn(self) -> tuple[str, dict[str, Any], str | None]:
        random = self._world.random
        known = self._oracle.any_id(random)
        if known is not None and random.random() < 0.2:
            return "marks:at", {"mark": known}, None
        key = random.randrange(KEYS)
        path, args = random.choice(
            (
                ("marks:look", {"key": key, "personal": random.random() < 0.5}),
                ("marks:newest", {"key": key, "count": 2}),
                ("marks:crowd", {"key": key}),
                ("marks:many", {"key": key}),
                ("marks:everything", {}),
            )
        )
        return path, args, random.choice((*USERS, None))

    def _check_query(
        self, path: str, args: dict[str, Any], who: str | None, outcome: Outcome
    ) -> None:
        expected = evaluate(path, args, self._oracle.at(outcome.ts), who)
        told = f"{path} {args} by {who or 'nobody'} at {outcome.ts - ORIGIN}"
        self._world.note(f"HTTP {told}: {_answer(outcome)}")
        if _answer(outcome) != expected:
            raise Broken(
                Property.ANSWER,
                f"{path} {args} at {outcome.ts} gave {_answer(outcome)}, replayed: {expected}",
            )

    def _mutate(self, done: Callable[[], None] = lambda: None) -> None:
        tag = f"http:{self._number}"
        self._number += 1
        path, args = any_mutation(self._platform, tag)
        who = self._world.random.choice((*USERS, None))
        asked = self._oracle.asked[tag] = Asked(path, args, {who})

        def work(backend: Backend) -> None:
            call = Call(path, json.dumps(args).encode(), user(who))
            try:
                outcome = backend.call(call, "mutation")
            except OutcomeUnknown:
                return
            except EngineError:
                self.failed.append(tag)
                raise
            answer = _answer(outcome)
            if isinstance(answer, Refused):
                self.failed.append(tag)
                expected, _ = perform(path, args, self._oracle.at(outcome.ts), who)
                if answer != expected:
                    raise Broken(
                        Property.FAILURE,
                        f"{tag} failed with {answer}, replayed: {expected}",
                    )
            elif asked.ts != outcome.ts or not self._is_result(outcome, answer):
                raise Broken(
                    Property.RESPONSE,
                    f"{tag} was answered for {outcome.ts} and is at {asked.ts}",
                )

        self._platform.invoke("mutation", work, done=done)

    def _is_result(self, outcome: Outcome, answer: Any) -> bool:
        """Tell whether an answer is that which its entry keeps."""
        return bool(json.loads(self._oracle.entry(outcome.ts).result or b"null") == answer)


def _answer(outcome: Outcome) -> Any:
    if outcome.failure is not None:
        data = outcome.failure.data
        return Refused(json.loads(data) if data is not None else outcome.failure.reason)
    return json.loads(outcome.value or b"null")
