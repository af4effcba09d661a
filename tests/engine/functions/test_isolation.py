"""A query or a mutation reaches nothing but its ctx; an action reaches everything."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import greenlet
import pytest

from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.errors import NotDeterministic
from chalicelib.engine.functions.isolation import isolated, let_out
from tests.apps.reaching import deeds
from tests.backend import TestBackend
from tests.trial import Trial

FORBIDDEN = {
    "open": "open a file",
    "connect": "open a socket",
    "resolve": "open a socket",
    "spawn": "start a process",
    "keep": "open a file",
    "list": "use the operating system",
    "system": "use the operating system",
}
ALLOWED = ("import", "zone", "log")


@pytest.fixture(scope="module")
def backend() -> TestBackend:
    return TestBackend("tests.apps.reaching")


@pytest.mark.parametrize(("deed", "words"), FORBIDDEN.items())
def test_a_query_is_stopped(backend: TestBackend, deed: str, words: str) -> None:
    with pytest.raises(NotDeterministic, match=f"cannot {words}: ") as stopped:
        backend.nobody.query(deeds.look, deed)

    assert "Do this in an action" in str(stopped.value)
    assert "ctx.now and ctx.random" in str(stopped.value)


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_a_mutation_is_stopped(backend: TestBackend, deed: str) -> None:
    with pytest.raises(NotDeterministic):
        backend.nobody.mutation(deeds.change, deed)


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_catching_the_error_does_not_help(backend: TestBackend, deed: str) -> None:
    with pytest.raises(NotDeterministic):
        backend.nobody.query(deeds.hide, deed)


@pytest.mark.parametrize("deed", [*FORBIDDEN, *ALLOWED])
def test_an_action_may_do_it_before_and_after_a_query(
    backend: TestBackend, deed: str
) -> None:
    assert backend.nobody.action(deeds.act, deed) == "done"


@pytest.mark.parametrize("deed", ALLOWED)
def test_what_python_reads_for_itself_is_let_through(
    backend: TestBackend, deed: str
) -> None:
    assert backend.nobody.query(deeds.look, deed) == "done"


def test_other_threads_are_not_concerned() -> None:
    both_there = threading.Barrier(2, timeout=10)

    def wait_twice() -> None:
        both_there.wait()
        both_there.wait()

    guarded = threading.Thread(target=isolated, args=(wait_twice,))
    guarded.start()
    both_there.wait()

    assert Path(os.devnull).read_text() == ""

    both_there.wait()
    guarded.join()


def test_other_fibers_of_the_thread_are_not_concerned() -> None:
    main = greenlet.getcurrent()
    guarded = greenlet.greenlet(lambda: isolated(main.switch))
    guarded.switch()

    assert Path(os.devnull).read_text() == ""

    guarded.switch()
    assert guarded.dead


def test_many_runs_at_once_are_each_stopped_on_their_own() -> None:
    with ThreadPoolExecutor(8) as pool:
        stopped = pool.map(_try_to_read, range(200))

    assert list(stopped) == [number % 2 == 1 for number in range(200)]


def _try_to_read(number: int) -> bool:
    try:
        isolated(Path(os.devnull).read_text if number % 2 else int)
    except NotDeterministic:
        return True
    return False


def test_a_database_in_files_can_be_read_by_a_thread_that_is_new(tmp_path: Path) -> None:
    with SqlitePersistence(tmp_path) as stored:
        trial = Trial(persistence=stored)
        trial.mutate("items:add", group="a", label="kept")

        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(trial.query, "items:list", group="a").result()

    assert found == ["kept"]


def test_the_guard_is_lifted_around_ports_and_back_afterwards(tmp_path: Path) -> None:
    class Shelf:
        kept = 3

        def fetch(self) -> str:
            return (tmp_path / "book").read_text()

        def lose(self) -> str:
            return (tmp_path / "nothing").read_text()

    (tmp_path / "book").write_text("once upon a time")
    shelf = let_out(Shelf())

    assert isolated(shelf.fetch) == "once upon a time"
    assert shelf.kept == 3
    with pytest.raises(FileNotFoundError):
        isolated(shelf.lose)
    with pytest.raises(NotDeterministic):
        isolated(lambda: (shelf.fetch(), Path(os.devnull).read_text()))


def test_a_run_inside_a_run_leaves_the_outer_one_guarded() -> None:
    def outer() -> None:
        isolated(int)
        Path(os.devnull).read_text()

    with pytest.raises(NotDeterministic):
        isolated(outer)


def test_nothing_is_guarded_after_a_run_that_failed() -> None:
    with pytest.raises(ZeroDivisionError):
        isolated(lambda: 1 // 0)

    assert Path(os.devnull).read_text() == ""
