"""Guards of what is asked for over HTTP: rates, keys of requests, and the log as it is followed."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

DYNAMODB = "chalicelib/adapters/dynamodb/rates.py"
HTTP = ENGINE + "functions/http_runner.py"
KEYS = "chalicelib/geoflow/idempotency.py"
HISTORY = ENGINE + "database/history.py"

WEB = (
    Guard(
        "what is refused is not served",
        "web",
        (
            Edit(
                HTTP,
                "if quota is not None and not quota.is_granted:\n            refusal",
                "if False:\n            refusal",
            ),
        ),
    ),
    Guard(
        "a request that is granted counts",
        "web",
        (
            Edit(
                ENGINE + "rates.py",
                "        counted.append(now)\n",
                "        counted = [*counted[1:], now]\n",
            ),
        ),
    ),
    Guard(
        "a clock that is behind gains nothing",
        "web",
        (
            Edit(
                ENGINE + "rates.py",
                "now = max(int(now_ms), times[-1]) if times else int(now_ms)",
                "now = int(now_ms)",
            ),
        ),
    ),
    Guard(
        "requests that have left the window count no longer",
        "web",
        (
            Edit(
                ENGINE + "rates.py",
                "if time > now - rate.window_ms]",
                "if time > now - 2 * rate.window_ms]",
            ),
        ),
    ),
    Guard(
        "dynamodb: a count is written if nobody else has counted",
        "web on dynamodb",
        (Edit(DYNAMODB, 'condition="v = :v", values=values', ""),),
    ),
    Guard(
        "a request that is repeated finds what was answered",
        "web",
        (
            Edit(
                KEYS,
                "    kept = _kept(ctx, name)\n    if kept is not None:\n        return kept\n",
                "",
            ),
        ),
    ),
    Guard(
        "an answer is kept in the transaction of its effect",
        "faulty web",
        (
            Edit(
                KEYS,
                "        kept = ctx.run_mutation(run_once, name, operation.name, arguments)\n"
                "        return _data(kept)\n",
                "        kept = ctx.run_mutation(claim, name)\n"
                "        if kept is not None:\n"
                "            return _data(kept)\n"
                "        result = operation.endpoint.run(ctx, arguments)\n"
                "        ctx.run_mutation(finish, name, _written(result))\n"
                "        return result\n",
            ),
        ),
    ),
    Guard(
        "how far a follower has come is kept",
        "web",
        (
            Edit(
                HISTORY,
                "            self._db.patch(held.id, position=position)\n",
                "            self._db.patch(held.id, position=position - 1)\n",
            ),
        ),
    ),
)
