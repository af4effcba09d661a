"""Guards of DESIGN.md 5: what is sent, and who is woken."""

from tests.simulation.guards.guard import ENGINE, Edit, Guard

MOVER = ENGINE + "sync/transition.py"
ACTOR = ENGINE + "sync/actor.py"
CONVERSATION = ENGINE + "sync/conversation.py"
TOUCHES = ENGINE + "sync/touches.py"
RECEPTION = ENGINE + "sync/reception.py"
FANOUT = ENGINE + "sync/fanout.py"
OUTBOX = ENGINE + "sync/outbox.py"

TRANSITIONS = (
    Guard(
        "the log is read again after subscribing",
        "calm",
        (Edit(MOVER, "head = self._tail.refresh() if fresh else view", "head = view"),),
    ),
    Guard(
        "the check covers the queries that were not run, too",
        "calm",
        (
            Edit(
                MOVER,
                "later, _ = self._touches.among(reads, view.ts, head.ts)",
                "later, _ = self._touches.among(\n"
                "                {i: reads[i] for i in found.outcomes}, view.ts, head.ts\n"
                "            )",
            ),
        ),
    ),
    Guard(
        "subscriptions follow the read sets",
        "calm",
        (
            Edit(
                MOVER,
                "        new = _all_reads(self._connection, reads) - self._rows\n",
                "        queries = self._session.queries\n"
                "        reads = {i: r for i, r in reads.items() if not queries[i].ran}\n"
                "        new = _all_reads(self._connection, reads) - self._rows\n",
            ),
        ),
    ),
    Guard(
        "the holder reads the log, not the wake-up",
        "calm",
        (
            Edit(
                MOVER,
                "self._touches.among(reads, lease.seen, view.ts)",
                "self._touches.among(reads, max(lease.seen, lease.wake_ts - 1), view.ts)",
            ),
        ),
    ),
    Guard(
        "an older commit may be reported later",
        "calm",
        (
            Edit(
                FANOUT,
                "woken = self._wake(self._tail.reported(first, last))",
                "woken = 0 if self._tail.view().ts > last else"
                " self._wake(self._tail.reported(first, last))",
            ),
        ),
    ),
    Guard(
        "a client that is behind gets no third transition",
        "behind",
        (
            Edit(
                CONVERSATION,
                "return self.services.unsent(self.connection) >= MAX_UNSENT",
                "return self.services.unsent(self.connection) > MAX_UNSENT",
            ),
        ),
    ),
    Guard(
        "whoever held a session up looks again once it is released",
        "barely behind",
        (
            Edit(
                ACTOR,
                "left != saved.left or not talk.client_is_behind()",
                "left != saved.left",
            ),
        ),
    ),
    Guard(
        "a new socket is shown the log's end as it is now",
        "cuts",
        (
            Edit(
                MOVER,
                "return view, lease.version[:2] == (session.query_set, session.identity)",
                "return view, True",
            ),
            # It is read again after subscribing, which would hide it from most clients.
            Edit(MOVER, "head = self._tail.refresh() if fresh else view", "head = view"),
        ),
        breaks="time",
    ),
    Guard(
        "the stream wakes whom the committer has not",
        "deserted",
        (
            Edit(
                FANOUT,
                "woken = self._wake(self._tail.reported(first, last))",
                "woken = 0 if self.ahead else self._wake(self._tail.reported(first, last))",
            ),
        ),
    ),
    Guard(
        "a holder who knows nothing of a commit is told",
        "deserted",
        (
            Edit(
                FANOUT,
                "return lease.wake_ts >= ts and lease.deadline_ms >= self._clock.now_ms()",
                "return lease.deadline_ms >= self._clock.now_ms()",
            ),
        ),
    ),
    Guard(
        "a transition that was refused is told by the next one",
        "full",
        (
            Edit(
                CONVERSATION,
                "query, ran=False, journal=before.journal",
                "query, journal=before.journal",
            ),
        ),
    ),
    Guard(
        "whoever was refused is offered a transition again",
        "full",
        (
            Edit(
                CONVERSATION,
                "self.look_again_ms = wait_ms + QUEUE_EARLY_MS",
                "self.look_again_ms = None",
            ),
        ),
    ),
    Guard(
        "a query whose identity changed is run again",
        "calm",
        (
            Edit(
                MOVER,
                "identity_moved = session.identity != lease.version[1]",
                "identity_moved = False",
            ),
        ),
    ),
    Guard(
        "a mutation is answered before its effects are shown",
        "calm",
        (
            Edit(
                RECEPTION,
                "        held.outbox.post(response)\n        # The transition",
                "        held.lease = msgspec.structs.replace(\n"
                "            held.lease, due=True, wake_ts=max(held.lease.wake_ts, outcome.ts)\n"
                "        )\n"
                "        held._move()\n"
                "        held.outbox.post(response)\n        # The transition",
            ),
        ),
    ),
    Guard(
        "sessions that are too many are woken by jobs",
        "small",
        (
            Edit(
                FANOUT,
                "            self._hand_over(tuple(connections[first : first + WOKEN_BY_JOB]), ts)\n",
                "            pass\n",
            ),
        ),
    ),
    Guard(
        "what was trimmed may have touched a session",
        "night",
        (
            Edit(
                TOUCHES,
                "return LOG_NOT_KEPT  # what is no longer kept may have touched it",
                "return False",
            ),
        ),
    ),
    Guard(
        "nothing is shown before the first query set",
        "local failing",
        (
            Edit(
                ENGINE + "sync/session.py",
                "due=session.query_set > 0",
                "due=True",
            ),
        ),
    ),
    Guard(
        "the transition after an answer is not older",
        "deaf",
        (
            Edit(
                RECEPTION,
                "held.lease, wake_ts=max(held.lease.wake_ts, outcome.ts)",
                "held.lease, wake_ts=held.lease.wake_ts",
            ),
            Edit(
                ENGINE + "database/committer.py",
                "                self._tail.committed(winner)\n",
                "",
            ),
        ),
    ),
    Guard(
        "a post whose outcome is unknown is not repeated",
        "faulty",
        (
            Edit(
                OUTBOX,
                "        self._gateway.post(self._connection, data)\n",
                "        try:\n"
                "            self._gateway.post(self._connection, data)\n"
                "        except PostUnanswered:\n"
                "            self._gateway.post(self._connection, data)\n",
            ),
            Edit(
                OUTBOX,
                "        if not self._offer_to(self._connection, data):\n"
                "            return False\n",
                "        try:\n"
                "            room = self._offer_to(self._connection, data)\n"
                "        except PostUnanswered:\n"
                "            room = self._offer_to(self._connection, data)\n"
                "        if not room:\n"
                "            return False\n",
            ),
            Edit(
                OUTBOX,
                "import msgspec\n",
                "import msgspec\n\nfrom chalicelib.engine.errors import PostUnanswered\n",
            ),
        ),
    ),
    Guard(
        "what was sent is remembered for one socket only",
        "faulty",
        (
            Edit(
                CONVERSATION,
                "            unpack(self.lease.digests),\n",
                "            _SENT.get(self.session.id, {}) | unpack(self.lease.digests),\n",
            ),
            Edit(
                CONVERSATION,
                "            told = pack(digests)\n",
                "            _SENT[self.session.id] = digests\n"
                "            told = pack(digests)\n",
            ),
            Edit(
                CONVERSATION,
                "class Conversation(Holding):\n",
                "_SENT: dict[str, dict[int, bytes]] = {}\n\n\nclass Conversation(Holding):\n",
            ),
        ),
    ),
)
