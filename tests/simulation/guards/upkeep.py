"""Guards of what changes over time: deployments, and letting go of what is old."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

COMMITTER = ENGINE + "database/committer.py"
DEPLOYMENT = ENGINE + "database/deployment.py"
ACCESS = ENGINE + "database/access.py"
HOUSEKEEPING = ENGINE + "database/housekeeping.py"
STEPS = ENGINE + "database/schema_steps.py"
DYNAMODB = "chalicelib/adapters/dynamodb/persistence.py"

UPKEEP = (
    Guard(
        "a transaction that slept reads the log's end before it puts",
        "night",
        (
            Edit(
                COMMITTER,
                "        if self._tail.is_stale():\n            # It slept",
                "        if False:\n            # It slept",
            ),
        ),
    ),
    Guard(
        "dynamodb: a gap below the horizon is not the log's end",
        "dynamodb night",
        (
            Edit(
                DYNAMODB,
                "        if not whole:\n            self._check_horizon(after + len(found))\n",
                "",
            ),
        ),
    ),
    Guard(
        "a tombstone outlives those who may apply what is older",
        "housekeeping",
        (
            Edit(
                HOUSEKEEPING,
                "ripe = self._seen_before(notes, self._retention.tombstones_ms)",
                "ripe = self._seen_before(notes, 0)",
            ),
        ),
    ),
    Guard(
        "a backfill writes under the ts of the document",
        "deploy",
        (
            Edit(
                STEPS,
                'return Entry(row.ts, "", 0,',
                'return Entry(row.ts + (1 << 20), "", 0,',
            ),
        ),
    ),
    Guard(
        "a backfill reads rows that hold all that was there before the index",
        "deploy",
        (
            Edit(
                STEPS,
                "        if self._committer.catch_up() < ts:\n",
                "        if False:\n",
            ),
        ),
    ),
    Guard(
        "an index is not queried while it is being built",
        "deploy",
        (
            Edit(
                ACCESS,
                '    if index.state != "ready":\n',
                "    if False:\n",
            ),
        ),
    ),
    Guard(
        "the rows of a dropped index rest until late appliers are done",
        "deploy",
        (
            Edit(
                DEPLOYMENT,
                'due_ms=now_ms + DROP_REST_MS if kind == "drop" else now_ms,',
                "due_ms=now_ms,",
            ),
        ),
    ),
)
