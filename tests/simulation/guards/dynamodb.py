"""Guards of the DynamoDB adapters: every condition of a write, and the gap in a tail."""

from tests.simulation.guards.guard import Edit, Guard

PERSISTENCE = "chalicelib/adapters/dynamodb/persistence.py"
SESSIONS = "chalicelib/adapters/dynamodb/sessions.py"
SUBSCRIPTIONS = "chalicelib/adapters/dynamodb/subscriptions.py"
STATES = "chalicelib/engine/sync/states.py"
EARLY = "chalicelib/engine/sync/early.py"

DYNAMODB = (
    Guard(
        "dynamodb: a tail ends at its first gap",
        "dynamodb storm",
        (
            Edit(
                PERSISTENCE,
                '            if int(item["ts"]["N"]) != after + len(found) + 1:\n'
                "                return False\n",
                "",
            ),
        ),
    ),
    Guard(
        "dynamodb: an entry is put where none is",
        "dynamodb",
        (
            Edit(
                PERSISTENCE,
                'self._client.put("log", item, condition="attribute_not_exists(pk)", once=True)',
                'self._client.put("log", item, once=True)',
            ),
        ),
    ),
    Guard(
        "dynamodb: a row is never overwritten by an older one",
        "dynamodb",
        (
            Edit(
                PERSISTENCE,
                'condition="attribute_not_exists(pk) OR t < :ts",',
                'condition="attribute_not_exists(pk) OR attribute_exists(pk)",',
            ),
        ),
    ),
    Guard(
        "dynamodb: a lease is taken if it is free",
        "dynamodb",
        (
            Edit(
                SESSIONS,
                '"attribute_not_exists(is_dead) AND (attribute_not_exists(lease_owner)"\n'
                '    " OR (lease_owner = :owner AND deadline_ms > :now))"',
                '"attribute_not_exists(is_dead)"',
            ),
        ),
    ),
    Guard(
        "dynamodb: a release sees the frames that were left",
        "dynamodb",
        (
            Edit(
                SESSIONS,
                '" AND frames_left <= :left AND wake_ts <= :seen_ts"',
                '" AND wake_ts <= :seen_ts"',
            ),
        ),
    ),
    Guard(
        "dynamodb: a release sees the wake-ups that were raised",
        "dynamodb",
        (
            Edit(
                SESSIONS,
                '" AND frames_left <= :left AND wake_ts <= :seen_ts"',
                '" AND frames_left <= :left"',
            ),
        ),
    ),
    Guard(
        "dynamodb: a wake-up is never lowered",
        "dynamodb",
        (
            Edit(
                SESSIONS,
                'condition = f"{_ALIVE} AND wake_ts < :wake"',
                "condition = _ALIVE",
            ),
        ),
    ),
    Guard(
        "dynamodb: a frame is put once",
        "faulty dynamodb",
        (Edit(SESSIONS, "self._table.put(item, once=True)", "self._table.put(item)"),),
    ),
    Guard(
        "a state goes with the revision of its lease",
        "faulty dynamodb",
        (Edit(STATES, "    if state.revision != revision:\n", "    if False:\n"),),
    ),
    Guard(
        "dynamodb: what was run early holds on its own view only",
        "dynamodb",
        (Edit(EARLY, "outcome.ts == view.ts and known == call", "known == call"),),
    ),
    Guard(
        "dynamodb: whoever reads what was written matches",
        "dynamodb",
        (
            Edit(
                SUBSCRIPTIONS,
                "            for prefix in prefixes(key):\n",
                "            for prefix in list(prefixes(key))[:1]:\n",
            ),
        ),
    ),
)
