"""Runs the simulation over the engine without one of its guards.

Each hunt is a process of its own, since it imports another engine than everybody else. They
are forked from one process that has imported what is not ours; that saves half of the time.
"""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context

from tests.simulation.guards.edited import import_edited
from tests.simulation.guards.guard import Guard

NOT_OURS = ["msgspec", "botocore.client", "greenlet", "cryptography.hazmat.primitives"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """What became of it: the first ``seed`` that misses the guard, and what it ``said``.

    ``seed`` is None where none of the ``tried`` seeds does.
    """

    guard: str
    seed: int | None
    said: str
    tried: int
    cpu_s: float


def seek(guard: Guard, first: int, count: int) -> Hunt:
    """Run seeds until one breaks, in a process that has not imported the engine yet."""
    import_edited(guard.edits)
    began = time.process_time()
    run = import_module("tests.simulation.run").run
    profile = import_module("tests.simulation.profiles").PROFILES[guard.profile]
    broken = import_module("tests.simulation.properties").Broken
    found, said, tried = None, f"nothing in {count} seeds", count
    for seed in range(first, first + count):
        try:
            run(seed, profile)
        except broken as why:
            found, said, tried = seed, str(why), seed - first + 1
            break
    return Hunt(
        guard=guard.name,
        seed=found,
        said=said,
        tried=tried,
        cpu_s=time.process_time() - began,
    )


def tell(guard: Guard, seed: int, limit_s: float) -> str:
    """Shrink a seed that misses a guard to a story, in a process like that of ``seek``."""
    import_edited(guard.edits)
    profile = import_module("tests.simulation.profiles").PROFILES[guard.profile]
    shrinking = import_module("tests.simulation.shrink")
    shrunk = shrinking.shrink(seed, profile, limit_s)
    return str(shrinking.story(shrunk)) if shrunk is not None else ""


@contextmanager
def hunters(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that each do one hunt."""
    context = get_context("forkserver")
    context.set_forkserver_preload(NOT_OURS)
    with ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=1) as pool:
        yield pool


def hunt_all(guards: Iterable[Guard], processes: int) -> Iterator[Hunt]:
    """Hunt each guard from its first seed on; yield what is found as it is found."""
    with hunters(processes) as pool:
        waiting: list[Future[Hunt]] = [
            pool.submit(seek, guard, 0, guard.seeds) for guard in guards
        ]
        for done in as_completed(waiting):
            yield done.result()
