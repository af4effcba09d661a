"""Guards of DESIGN.md 2 and 3: commits, reads, rows."""

from tests.simulation.guards.guard import ENGINE, MEMORY, Edit, Guard

COMMITTER = ENGINE + "database/committer.py"
MUTATIONS = ENGINE + "functions/mutations.py"
RUNNER = ENGINE + "functions/runner.py"
ATTEMPTS = ENGINE + "functions/attempts.py"
CACHE = ENGINE + "functions/cache.py"
WRITTEN = ENGINE + "database/written.py"
TRANSACTION = ENGINE + "database/transaction.py"
SNAPSHOT = ENGINE + "database/snapshot.py"
PERSISTENCE = MEMORY + "persistence.py"

COMMITS = (
    Guard(
        "whoever runs a mutation of the line commits it under one name",
        "line",
        (
            Edit(MUTATIONS, "request=waiting.name,", "request=waiting.request,"),
            Edit(
                MUTATIONS,
                "self._draft(waiting.call, waiting.name, run)",
                "self._draft(waiting.call, waiting.request, run)",
            ),
        ),
    ),
    Guard(
        "a refused put is validated before it goes further",
        "calm",
        (
            Edit(COMMITTER, "if read_set.touched_by(winner):", "if False:"),
            Edit(
                COMMITTER,
                "        if later is None or read_set.touched_by_any(later):\n"
                '            raise Conflicted("overtaken by an entry of the tail")\n',
                "",
            ),
        ),
    ),
    Guard(
        "a repeated request that failed has failed for whoever runs it too",
        "faulty small",
        (Edit(RUNNER, "request is None or not repeated:", "True:"),),
    ),
    Guard(
        "a put that met its own entry has succeeded",
        "deaf",
        (Edit(COMMITTER, "if winner.transaction == entry.transaction:", "if False:"),),
    ),
    Guard(
        "an unanswered put has not succeeded",
        "deaf",
        (
            Edit(
                COMMITTER,
                "                unanswered = error\n",
                "                return None\n",
            ),
        ),
    ),
    Guard(
        "an unanswered put is repeated, not put elsewhere",
        "deaf",
        (
            Edit(
                COMMITTER,
                "                unanswered = error\n",
                '                raise Conflicted("") from error\n',
            ),
        ),
    ),
    Guard(
        "a refusal does not answer the put before it",
        "deaf and refused",
        (Edit(COMMITTER, "if unanswered is None:", "if True:"),),
    ),
    Guard(
        "the watermark passes what was applied only",
        "calm",
        (
            Edit(
                COMMITTER,
                "self._persistence.apply(entries)",
                "self._persistence.apply(entries[1:])",
            ),
        ),
    ),
    Guard(
        "a row is never overwritten by an older one",
        "calm",
        (Edit(PERSISTENCE, "if held is not None and held.ts >= row.ts:", "if False:"),),
    ),
    Guard(
        "rows are overlaid with the tail",
        "calm",
        (
            Edit(
                SNAPSHOT,
                "    if not patch:\n        return page\n",
                "    if True:\n        return page\n",
            ),
        ),
    ),
    Guard(
        "a query looks at the log again after its last read",
        "calm",
        (
            Edit(
                RUNNER,
                "            if self._holds(run.transaction.read_set, view, head):\n                outcome",
                "            if True:\n                outcome",
            ),
        ),
    ),
    Guard(
        "a failure is shown only if its reads were valid",
        "calm",
        (
            Edit(
                MUTATIONS,
                "        if not self._holds(run, view, head):\n            return None\n",
                "",
            ),
        ),
    ),
    Guard(
        "the end of a range joins the read set",
        "calm",
        (Edit(TRANSACTION, "            self.read_set.add(unread)\n", ""),),
    ),
    Guard(
        "every row on the way joins the read set",
        "calm",
        (Edit(TRANSACTION, "                self.read_set.add(done)\n", ""),),
    ),
    Guard(
        "a document read by its id joins the read set",
        "calm",
        (
            Edit(
                TRANSACTION,
                "        self.read_set.add_key((table.by_id, internal), fields)\n",
                "",
            ),
        ),
    ),
    Guard(
        "a field that was read is compared",
        "calm",
        (
            Edit(
                ENGINE + "log.py",
                "key in self.moved or not self.changed.isdisjoint(fields)",
                "key in self.moved",
            ),
        ),
    ),
    Guard(
        "the catalogue is in every read set",
        "deploy",
        (Edit(TRANSACTION, "        self.read_set.add_key(CATALOGUE_KEY)\n", ""),),
    ),
    Guard(
        "a pinned snapshot takes later writes back",
        "storm",
        (Edit(SNAPSHOT, "            self._undo_later_entries()\n", ""),),
    ),
    Guard(
        "a cached result is proved by the log",
        "calm",
        (
            Edit(
                CACHE,
                "        if later is None or later.first_touching(held.read_set) is not None:\n"
                "            return None\n",
                "",
            ),
        ),
    ),
    Guard(
        "no block of entries is left out",
        "calm",
        (
            Edit(
                WRITTEN,
                "level.blocks[first - level.first : last - level.first]",
                "level.blocks[first - level.first + 1 : last - level.first]",
            ),
        ),
    ),
    Guard(
        "entries before the first block are looked at one by one",
        "calm",
        (
            Edit(
                WRITTEN,
                "*self._parts(since, first * level.size, height - 1),\n",
                "",
            ),
        ),
    ),
    Guard(
        "a block has the keys of all its entries",
        "calm",
        (Edit(WRITTEN, "for part in self.parts:", "for part in self.parts[:-1]:"),),
    ),
    Guard(
        "a key at the low end of a range is found among many",
        "calm",
        (
            Edit(
                ENGINE + "database/read_set.py",
                "place = bisect_left(keys, low)",
                "place = bisect_right(keys, low)",
            ),
        ),
    ),
    Guard(
        "a result that read the identity is not shared",
        "calm",
        (
            Edit(
                ENGINE + "auth/seen.py",
                "    if not claims:\n",
                "    if True:\n",
            ),
        ),
    ),
    Guard(
        "actions get the results that were cached",
        "calm",
        (
            Edit(
                ENGINE + "functions/actions.py",
                "if outcome.result is not None or outcome.value is None:",
                "if True:",
            ),
        ),
    ),
    Guard(
        "a repeated request is looked for",
        "faulty",
        (
            Edit(
                ATTEMPTS,
                "    row = transaction.answer_row(request.key)\n",
                "    row = None\n",
            ),
        ),
    ),
    Guard(
        "a request's name is validated at the commit",
        "faulty",
        (
            Edit(
                ATTEMPTS,
                "    row = transaction.answer_row(request.key)\n",
                "    row = transaction.snapshot.get(request.key)\n",
            ),
        ),
    ),
    Guard(
        "a process that slept reads the log's end before it commits",
        "night",
        (
            Edit(
                ENGINE + "database/tail.py",
                "        if self.is_stale():\n            return self.refresh()\n",
                "        if self._read_ms < 0:\n            return self.refresh()\n",
            ),
            # The committer would look, too: for a transaction that slept since it began.
            Edit(COMMITTER, "        if self._tail.is_stale():\n", "        if False:\n"),
        ),
    ),
    Guard(
        "a commit behind others is validated against them",
        "local",
        (
            Edit(
                COMMITTER,
                "read_set.touched_by_any((*later, *behind))",
                "read_set.touched_by_any((*later, *behind[:0]))",
            ),
        ),
    ),
    Guard(
        "what a mutation read under way is there when it commits",
        "local failing",
        (
            Edit(
                COMMITTER,
                "if not ahead.still_holds(read, head, under_way):",
                "if False:",
            ),
        ),
    ),
    Guard(
        "what was read under way is durable before anybody is told",
        "local failing",
        (Edit(MUTATIONS, "if not self._committer.settle(view):", "if False:"),),
    ),
    Guard(
        "an action is claimed before it runs",
        "calm",
        (
            Edit(
                ENGINE + "deferred.py",
                "if not self._runner.claim(request, job.path, job.caller):",
                "if False:",
            ),
        ),
    ),
)
