"""Guards of what is told: nothing older than what was known, and nothing twice."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

TELLING = ENGINE + "sync/telling.py"
RUNNER = ENGINE + "functions/runner.py"

ANSWERS = (
    Guard(
        "a result that did not change is left out",
        "calm",
        (
            Edit(
                TELLING, "        if kept.get(i) != outcome.digest:\n", "        if True:\n"
            ),
        ),
    ),
    Guard(
        "a query is answered at the log's end as it is then",
        "calm",
        (
            Edit(
                RUNNER,
                "            head = self._tail.refresh()\n            if self._holds(run",
                "            head = view\n            if self._holds(run",
            ),
        ),
    ),
)
