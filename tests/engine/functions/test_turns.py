"""Turns are taken in the order in which they were asked for."""

import threading
import time

import pytest

from chalicelib.engine.errors import OptimisticConcurrencyControlFailure
from chalicelib.engine.functions import turns
from chalicelib.engine.functions.turns import JOINED_FROM, Turns


def wait_until_line_is(line: Turns, length: int) -> None:
    while len(line._lines.get("a:b", ())) != length:
        time.sleep(0.001)


class TestTurns:
    def test_come_in_the_order_of_asking_and_one_at_a_time(self) -> None:
        line, order = Turns(), list[int]()

        def ask(number: int) -> None:
            with line.taken("a:b"):
                order.append(number)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
        with line.taken("a:b"):
            for place, thread in enumerate(threads):
                thread.start()
                wait_until_line_is(line, place + 2)
            assert line.is_long("a:b") == (len(threads) + 1 >= JOINED_FROM)
        for thread in threads:
            thread.join()

        assert order == list(range(12))
        assert not line.is_long("a:b")

    def test_of_another_function_are_not_waited_for(self) -> None:
        line = Turns()

        with line.taken("a:b"), line.taken("c:d"):
            assert not line.is_long("a:b")

    def test_are_given_up_after_a_while_and_passed_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "PATIENCE_S", 0.01)
        line, refused = Turns(), list[Exception]()

        def ask() -> None:
            try:
                with line.taken("a:b"):
                    pass
            except OptimisticConcurrencyControlFailure as error:
                refused.append(error)

        with line.taken("a:b"):
            impatient = threading.Thread(target=ask)
            impatient.start()
            impatient.join()
        with line.taken("a:b"):
            pass

        assert len(refused) == 1

    def test_pass_on_when_the_holder_fails(self) -> None:
        line = Turns()

        with pytest.raises(ValueError, match="mine"), line.taken("a:b"):
            raise ValueError("mine")

        with line.taken("a:b"):
            assert not line.is_long("a:b")
