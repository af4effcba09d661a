"""Guards of DESIGN.md 5: leases, inboxes, the order of frames, the tick."""

from tests.simulation.guards.guard import ENGINE, MEMORY, Edit, Guard

ACTOR = ENGINE + "sync/actor.py"
STATES = ENGINE + "sync/states.py"
CONVERSATION = ENGINE + "sync/conversation.py"
ORDER = ENGINE + "sync/order.py"
FANOUT = ENGINE + "sync/fanout.py"
SESSIONS = MEMORY + "sessions.py"

HOLDERS = (
    Guard(
        "one invocation at a time holds a session",
        "calm",
        (
            Edit(
                SESSIONS, "            if lease.owner is None:\n", "            if True:\n"
            ),
        ),
    ),
    Guard(
        "a lease that expired is not taken over",
        "faulty",
        (
            Edit(
                SESSIONS,
                "            if lease.owner is None:\n",
                "            if lease.owner is None or lease.deadline_ms < now_ms:\n",
            ),
            Edit(
                ACTOR,
                "expired = lease.owner is not None and lease.deadline_ms < self._clock.now_ms()",
                "expired = False",
            ),
        ),
    ),
    Guard(
        "a release sees the frames that were left",
        "calm",
        (
            Edit(
                SESSIONS,
                "(held.left > lease.left or held.wake_ts > lease.seen)",
                "held.wake_ts > lease.seen",
            ),
        ),
    ),
    Guard(
        "a release sees the wake-ups that were raised",
        "calm",
        (
            Edit(
                SESSIONS,
                "(held.left > lease.left or held.wake_ts > lease.seen)",
                "held.left > lease.left",
            ),
        ),
    ),
    Guard(
        "a frame is put before it is counted",
        "short",
        (
            Edit(
                ACTOR,
                "            self._store.leave(connection, frame)\n"
                "            # Put first, then counted: whoever sees the count finds the frame.\n"
                "            self._try(connection, self._store.raise_left(connection))\n",
                "            lease = self._store.raise_left(connection)\n"
                "            self._store.leave(connection, frame)\n"
                "            self._try(connection, lease)\n",
            ),
        ),
    ),
    Guard(
        "the lease is tried again after a frame was left",
        "short",
        (
            Edit(
                ACTOR,
                "            # Put first, then counted: whoever sees the count finds the frame.\n"
                "            self._try(connection, self._store.raise_left(connection))\n",
                "            self._store.raise_left(connection)\n",
            ),
        ),
    ),
    Guard(
        "a wake-up is left for the holder",
        "calm",
        (
            Edit(
                ACTOR,
                "self._try(connection, self._store.raise_wake(connection, ts))",
                "self._try(connection, lease)",
            ),
        ),
    ),
    Guard(
        "a holder whose time is up sends a message",
        "slow",
        (
            Edit(
                ACTOR,
                "                    self._services.send_wake(connection, 0)\n",
                "                    pass\n",
            ),
        ),
    ),
    Guard(
        "a holder notices that its time was up among frames",
        "slow",
        (
            Edit(
                ACTOR, "late = not talk.work(until_ms, inbox)", "talk.work(until_ms, inbox)"
            ),
        ),
    ),
    Guard(
        "a state is used at its revision only",
        "calm",
        (
            Edit(
                STATES,
                "return held[1] if held is not None and held[0] == revision else None",
                "return held[1] if held is not None else None",
            ),
        ),
    ),
    Guard(
        "a holder notices that its inbox was buried",
        "late",
        (Edit(ACTOR, "if self._store.raise_wake(connection, 0).dead:", "if False:"),),
    ),
    Guard(
        "the tick visits sessions",
        "faulty",
        (
            Edit(
                FANOUT,
                "            self._actors.visit(connection, lease, head if self._is_idle(lease) else 0)\n",
                "            pass\n",
            ),
        ),
    ),
    Guard(
        "idle clients are pinged",
        "faulty",
        (
            Edit(
                CONVERSATION,
                "            self.outbox.post(Ping())\n",
                "            pass\n",
            ),
        ),
    ),
    Guard(
        "an action that died is answered",
        "faulty",
        (
            Edit(
                CONVERSATION, "            self._give_up_actions()\n", "            pass\n"
            ),
        ),
    ),
    Guard(
        "frames are not taken up as they come",
        "calm",
        (
            Edit(
                ORDER,
                "        delay = _delay(session, received, waiting[:number], waiting, timing)\n",
                "        delay = 0.0\n",
            ),
        ),
    ),
    Guard(
        "counters alone do not order the kinds",
        "calm",
        (Edit(ORDER, "        if not self.settle_ms:\n", "        if True:\n"),),
    ),
    Guard(
        "a frame has settled when the inbox was looked at later",
        "busy",
        (
            Edit(
                ORDER,
                "return frame.stamp_ms + self.settle_ms - self.looked_ms",
                "return frame.stamp_ms + self.settle_ms - self.now_ms",
            ),
        ),
    ),
    Guard(
        "frames of one stamp go in the order of an opening burst",
        "faulty",
        (
            Edit(
                ORDER,
                "return frame.stamp_ms, _rank(received.message), frame.id",
                "return frame.stamp_ms, 0, frame.id",
            ),
        ),
    ),
    Guard(
        "an Authenticate waits for the requests before it",
        "cuts",
        (
            Edit(
                ORDER,
                "return None if blocked or message.base_version",
                "return None if message.base_version",
            ),
        ),
    ),
    Guard(
        "a change of the query set waits for the one before it",
        "busy",
        (
            Edit(
                ORDER,
                "return None if message.base_version > session.query_set else 0",
                "return 0",
            ),
        ),
    ),
    Guard(
        "nothing is done before Connect",
        "late",
        (Edit(ORDER, "        case _ if not session.id:\n            return None\n", ""),),
    ),
    Guard(
        "no request is run before the first query set",
        "late",
        (Edit(ORDER, "    if session.query_set == 0:\n", "    if False:\n"),),
    ),
    Guard(
        "requests run in the order of their ids",
        "late",
        (
            Edit(
                ORDER,
                "    if any(_is_request_below(r.message, message.request_id) for r in waiting):\n"
                "        return None\n",
                "",
            ),
        ),
    ),
    Guard(
        "a gap between requests of a first connection is a frame under way",
        "late",
        (
            Edit(
                ORDER,
                "    gap = timing.settle_ms > 0 and message",
                "    gap = False and message",
            ),
        ),
    ),
)
