"""Guards of undos: what comes back, and what is left to others."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

STEPS = ENGINE + "database/undo.py"
BUILTIN = ENGINE + "builtin/undo.py"

UNDO = (
    Guard(
        "an undo leaves what others have written since",
        "undo",
        (
            Edit(
                STEPS,
                "if _digest(now) != mark.held and not self._undo.overwrite:",
                "if False:",
            ),
        ),
    ),
    Guard(
        "an undo is about what was there when it was asked for",
        "undo",
        (
            Edit(
                STEPS,
                "undo.until = self._asked_at()",
                "undo.until = self._transaction.snapshot.head()",
            ),
        ),
    ),
    Guard(
        "a mark follows the later writes of its document",
        "undo",
        (Edit(STEPS, "            if found.held != held:\n", "            if False:\n"),),
    ),
    Guard(
        "an undo goes on within an entry of which it has read a part",
        "undo",
        (
            Edit(
                STEPS,
                "return _Page(tuple(touched.values()), entry.ts - 1, at)",
                "return _Page(tuple(touched.values()), entry.ts, 0)",
            ),
        ),
    ),
    Guard(
        "a document is restored to what it was before its first write",
        "undo",
        (
            Edit(
                STEPS,
                "                known.after = write.after\n",
                "                touched[write.document_id] = _touch(entry.ts, at, write)\n",
            ),
        ),
    ),
    Guard(
        "a document that an undo writes is in its read set",
        "undo",
        (
            Edit(
                STEPS,
                "        self._transaction.put(table, internal, was, counted=False)\n",
                "        held = list(self._transaction.read_set.intervals())\n"
                "        self._transaction.put(table, internal, was, counted=False)\n"
                "        self._transaction.read_set = ReadSet(held)\n",
            ),
            Edit(
                STEPS,
                "from chalicelib.engine.database.transaction import Transaction\n",
                "from chalicelib.engine.database.read_set import ReadSet\n"
                "from chalicelib.engine.database.transaction import Transaction\n",
            ),
        ),
    ),
    Guard(
        "an undo that has ended holds the log no longer",
        "undo",
        (Edit(BUILTIN, "        ctx.history.leave(FOLLOWER)\n", "        pass\n"),),
    ),
)
