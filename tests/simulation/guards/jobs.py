"""Guards of scheduled functions: mutations once, actions at most once, nothing forgotten."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

BUILTIN = ENGINE + "builtin/jobs.py"
BOOK = ENGINE + "functions/jobs.py"
SWEEPER = ENGINE + "functions/job_sweeper.py"
SCHEDULER = ENGINE + "functions/scheduler.py"

JOBS = (
    Guard(
        "a job's documents are in the read set of the mutation that runs it",
        "jobs",
        (
            Edit(
                ENGINE + "database/transaction.py",
                "        self.read_set.add_key((table.by_id, internal), fields)\n",
                "        if table.number == 16:\n"
                "            self.read_set.add_key((table.by_id, internal), fields)\n",
            ),
        ),
    ),
    Guard(
        "the entry of a mutation ends its job",
        "jobs",
        (Edit(BUILTIN, "        book.succeed(ran)\n", "        pass\n"),),
    ),
    Guard(
        "an action that is a job is claimed before it runs",
        "jobs",
        (Edit(BUILTIN, "Claim(run=book.claim(found), ", "Claim(run=1, "),),
    ),
    Guard(
        "a job that has ended is over",
        "jobs",
        (
            Edit(
                BOOK,
                'return found if found is not None and found.state.phase == "waiting" else None',
                "return found",
            ),
            # An ended job is also not due before it is forgotten.
            Edit(
                BUILTIN,
                "        return found.state.due - ctx.now\n    _call",
                '        if found.state.phase == "waiting":\n'
                "            return found.state.due - ctx.now\n    _call",
            ),
        ),
    ),
    Guard(
        "what an action schedules after it was called off is called off",
        "jobs",
        (
            Edit(
                BUILTIN,
                "canceled=by is not None and book.is_canceled(by)",
                "canceled=False",
            ),
        ),
    ),
    Guard(
        "a job that nobody handed over is found",
        "faulty jobs",
        (Edit(SWEEPER, "for one in found.waiting]\n", "for one in found.waiting[:0]]\n"),),
    ),
    Guard(
        "an action that died is given up",
        "faulty jobs",
        (
            Edit(
                SWEEPER,
                '            self._own.mutate("bury", job=job)\n',
                "            pass\n",
            ),
        ),
    ),
    Guard(
        "a mark of the sweep has nothing left behind it",
        "faulty jobs",
        (
            Edit(
                SWEEPER,
                "until = min(now_ms, found.left if found.left is not None else now_ms)",
                "until = now_ms + 3 * MARGIN_MS",
            ),
        ),
    ),
)
