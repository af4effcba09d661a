"""What a backend leaves for later: how it is sent, and the actions of sockets that come back."""

from typing import Final

import msgspec

from chalicelib.engine.assembly import Behaviour, Ports
from chalicelib.engine.functions.actions import ActionRunner
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.log import Request
from chalicelib.engine.ports import ROSTER_SHARDS, Clock, Frame
from chalicelib.engine.queued import (
    CommitsJob,
    Job,
    LookJob,
    TickJob,
    WakeJob,
    encode_job,
)
from chalicelib.engine.sync.actor import Actors
from chalicelib.engine.sync.messages import ActionDone, encode
from chalicelib.engine.sync.outbox import action_response
from chalicelib.engine.sync.services import ActionJob

FEW_SESSIONS: Final = 200
"""Sessions up to which one job does a tick for all shards."""


class Sender:
    """Sends messages to the queues."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def send(self, job: Job, delay_ms: float = 0) -> None:
        """Send a message to the queue that it belongs into."""
        quick = isinstance(job, LookJob | WakeJob | CommitsJob | TickJob)
        queue = (self._ports.wakes if quick else None) or self._ports.jobs
        queue.send(encode_job(job), delay_ms=delay_ms)

    def look(self, connection: str, delay_ms: float) -> None:
        """Ask for somebody to look after a session."""
        self.send(LookJob(connection), delay_ms)

    def wake(self, connections: tuple[str, ...], ts: int) -> None:
        """Ask for sessions to be moved on to ``ts``."""
        self.send(WakeJob(connections, ts))

    def ticks(self, period_ms: float, tick_ms: float) -> int:
        """Ask for the ticks of a period; return how many sessions there are now."""
        every = range(ROSTER_SHARDS)
        sessions = sum(len(self._ports.sessions.roster(shard)) for shard in every)
        apart = sessions > FEW_SESSIONS
        shares = [(shard,) for shard in every] if apart else [tuple(every)]
        for shards in shares:
            delay_ms = 0.0
            while delay_ms < period_ms:
                self.send(TickJob(shards), delay_ms)
                delay_ms += tick_ms
        return sessions


class QueuedActions:
    """Runs the actions that sockets have asked for, and leaves their answers for them."""

    def __init__(
        self,
        runner: Runner,
        actions: ActionRunner,
        actors: Actors,
        *,
        clock: Clock,
        behaviour: Behaviour,
    ) -> None:
        self._runner, self._actions, self._actors = runner, actions, actors
        self._clock, self._behaviour = clock, behaviour

    def run(self, job: ActionJob) -> None:
        """Run an action, unless somebody has claimed it before."""
        request = Request(job.session, job.request_id)
        if not self._runner.claim(request, job.path, job.caller):
            return  # delivered twice: whoever claimed it runs it, or has died of it
        response = action_response(
            job.request_id,
            self._actions.once(
                Call(job.path, bytes(job.arguments), job.caller, origin=job.origin)
            ),
            redacted=self._behaviour.redacted,
            max_bytes=self._behaviour.max_message_bytes,
        )
        done = ActionDone(request_id=job.request_id, response=msgspec.Raw(encode(response)))
        frame = Frame(f"action-{job.request_id}", self._clock.now_ms(), encode(done))
        self._actors.leave(job.connection, frame)
