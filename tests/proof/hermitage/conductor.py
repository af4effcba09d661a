"""Plays the parts of an interleaving, each in a thread, a step at a time in a given order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.proof.hermitage.parts import Ended, Part, Rows, told

PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.005


class TakenBack(Exception):
    """A transaction took itself back, as it was to."""


class Refused(Exception):
    """The database refused to run or to commit a transaction."""


@dataclass
class _Player:
    turns: int = 0
    taken: int = 0
    runs: int = 0
    waited: bool = False
    ended: Ended | None = None


Perform = Callable[[str, Callable[[Rows], list[Any]]], list[Any]]
"""Runs one transaction, perhaps several times, and returns what the run saw that committed.

Raises:
    TakenBack, Refused: it did not commit.
"""


class Conductor:
    """Gives turns. The first run of a part waits for each; a run after a conflict for none."""

    def __init__(
        self, parts: Mapping[str, Part], is_blocked: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._parts, self._is_blocked = parts, is_blocked
        self._moved = threading.Condition()
        self._players = {name: _Player() for name in parts}

    def conduct(self, order: str, perform: Perform) -> dict[str, Ended]:
        """Play everything, and return how each ended."""
        threads = [
            threading.Thread(target=self._perform, args=(name, perform), daemon=True)
            for name in self._parts
        ]
        for thread in threads:
            thread.start()
        for letter in order:
            self._give_turn(letter.lower())
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        ended = {name: player.ended for name, player in self._players.items()}
        unfinished = [name for name, how in ended.items() if how is None]
        assert not unfinished, f"{unfinished} did not end; the order lacks a commit"
        return {name: how for name, how in ended.items() if how is not None}

    def _perform(self, name: str, perform: Perform) -> None:
        player = self._players[name]
        seen: list[Any] = []
        committed, refused = False, None
        try:
            seen = perform(name, lambda rows: self._play(name, rows))
            committed = True
        except TakenBack:
            pass
        except Refused as error:
            refused = str(error)
        except Exception as error:  # noqa: BLE001 - shown by the test, which expects none
            refused = f"unexpected: {error!r}"
        with self._moved:
            player.ended = Ended(
                committed, tuple(seen), player.runs, player.waited, refused
            )
            self._moved.notify_all()

    def _play(self, name: str, rows: Rows) -> list[Any]:
        player, steps = self._players[name], self._parts[name].steps(rows)
        player.runs += 1
        if player.runs > 1:
            return list(told(steps))
        seen: list[Any] = []
        while True:
            self._await_turn(player)
            try:
                step = next(steps)
            except StopIteration:
                return seen  # this turn is for the commit
            if step is not None:
                seen.append(step)
            self._took_step(player)

    def _await_turn(self, player: _Player) -> None:
        with self._moved:
            came = self._moved.wait_for(
                lambda: player.turns > player.taken, PATIENCE_SECONDS
            )
        assert came, "no turn was given: the order lacks a step"

    def _took_step(self, player: _Player) -> None:
        with self._moved:
            player.taken += 1
            self._moved.notify_all()

    def _give_turn(self, name: str) -> None:
        """Let one go on, and wait until everybody has come to rest, or to a lock."""
        end = time.monotonic() + PATIENCE_SECONDS
        with self._moved:
            self._players[name].turns += 1
            self._moved.notify_all()
            while not self._all_rest():
                assert time.monotonic() < end, f"a step of {name} takes for ever"
                self._moved.wait(LOOK_SECONDS)

    def _all_rest(self) -> bool:
        return all(self._rests(name, player) for name, player in self._players.items())

    def _rests(self, name: str, player: _Player) -> bool:
        if player.ended is not None or player.taken == player.turns:
            return True
        if self._is_blocked(name):
            player.waited = True
            return True
        return False
