"""Guards of what is told: nothing older than what was known, and nothing twice."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

MOVER = ENGINE + "sync/transition.py"
OUTBOX = ENGINE + "sync/outbox.py"
TELLING = ENGINE + "sync/telling.py"
CONVERSATION = ENGINE + "sync/conversation.py"
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
    Guard(
        "a query that was dropped is told to be gone",
        "calm",
        (
            Edit(
                TELLING,
                "QueryRemoved(query_id=i) for i in session.dropped if i in digests",
                "QueryRemoved(query_id=i) for i in ()",
            ),
        ),
    ),
    Guard(
        "a query that was dropped while there was no room is told to be gone later",
        "full",
        (
            Edit(
                CONVERSATION,
                "dropped=dict.fromkeys(moved.session.dropped, ())",
                "dropped={}",
            ),
        ),
    ),
    Guard(
        "an id that is given to another query is a new one",
        "calm",
        (
            Edit(
                TELLING,
                "        if i in session.queries and i not in session.dropped\n",
                "        if i in session.queries\n",
            ),
        ),
    ),
    Guard(
        "all pieces of a transition have its name",
        "pieces",
        (
            Edit(
                OUTBOX,
                "                    transition_id=name,\n",
                '                    transition_id=f"{name}-{number}",\n',
            ),
        ),
    ),
    Guard(
        "a new live query is shown what was there when it was asked for",
        "faulty",
        (
            Edit(
                MOVER,
                "return view, lease.version[:2] == (session.query_set, session.identity)",
                "return view, True",
            ),
        ),
        breaks="recent",
    ),
    Guard(
        "rows that one round has added and the next does not need are removed",
        "calm",
        (Edit(MOVER, "idle = unmoved and not grown", "idle = unmoved"),),
        breaks="leftovers",
    ),
    Guard(
        "the rows of a query that was dropped are removed",
        "calm",
        (
            Edit(
                MOVER,
                "for r in (*held, *session.dropped.values()) for i in r)",
                "for r in held for i in r)",
            ),
        ),
        breaks="leftovers",
    ),
    Guard(
        "an id that is dropped twice within one transition leaves no rows",
        "calm",
        (
            Edit(
                ENGINE + "sync/session.py",
                "dropped[change.query_id] = earlier + queries",
                "dropped[change.query_id] = queries",
            ),
        ),
        breaks="leftovers",
    ),
)
