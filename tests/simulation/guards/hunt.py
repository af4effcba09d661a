"""Runs the simulation over the engine without one of its guards.

Each hunt is a process of its own, since it imports another engine than everybody else. They
are forked from one process that has imported what is not ours; that saves half of the time.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from types import MappingProxyType

from tests.simulation.guards.edited import import_edited
from tests.simulation.guards.guard import Guard

NOT_OURS = ["msgspec", "botocore.client", "greenlet", "cryptography.hazmat.primitives"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """What became of it: the ``seeds`` that miss the guard, and what the first of them ``said``.

    ``tried`` is how many seeds it took to find that one, or how many there were.
    """

    guard: str
    seeds: tuple[int, ...]
    said: str
    tried: int
    cpu_s: float

    @property
    def missed(self) -> bool:
        """Whether any seed misses the guard."""
        return bool(self.seeds)


def seek(
    guard: Guard, seeds: Sequence[int], hits: int = 1, more_s: float = float("inf")
) -> Hunt:
    """Run seeds until some break, in a process that has not imported the engine yet.

    After the first hit, others up to ``hits`` are sought for ``more_s`` of the CPU's time.
    """
    import_edited(guard.edits)
    began = time.process_time()
    until = float("inf")
    found: list[tuple[int, int, str]] = []
    for tried, seed in enumerate(seeds, 1):
        said = _broken(guard.profile, seed)
        if said is not None and said.startswith(guard.breaks):
            until = until if found else time.process_time() + more_s
            found.append((seed, tried, said))
        if len(found) == hits or time.process_time() > until:
            break
    _, tried, said = found[0] if found else (-1, len(seeds), f"{len(seeds)} seeds hold")
    return Hunt(
        guard=guard.name,
        seeds=tuple(seed for seed, _, _ in found),
        said=said,
        tried=tried,
        cpu_s=time.process_time() - began,
    )


def _broken(profile: str, seed: int) -> str | None:
    # Imported only now: the edits come first.
    broken = import_module("tests.simulation.properties").Broken
    run = import_module("tests.simulation.run").run
    try:
        run(seed, import_module("tests.simulation.profiles").PROFILES[profile])
    except broken as why:
        return str(why)
    return None


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


def hunt_all(
    guards: Iterable[Guard],
    processes: int,
    hits: int = 1,
    more_s: float = 0,
    known: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> Iterator[Hunt]:
    """Hunt each guard from its first seed on; yield what is found as it is found.

    What is ``known`` of a guard comes before its first seed.
    """
    with hunters(processes) as pool:
        waiting: list[Future[Hunt]] = [
            pool.submit(seek, guard, _in_order(guard, known), hits, more_s)
            for guard in guards
        ]
        for done in as_completed(waiting):
            yield done.result()


def _in_order(guard: Guard, known: Mapping[str, Sequence[int]]) -> list[int]:
    return list(dict.fromkeys([*known.get(guard.name, ()), *range(guard.seeds)]))
