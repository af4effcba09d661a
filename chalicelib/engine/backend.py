"""What a transport may ask of the engine."""

from collections.abc import Callable, Mapping
from typing import Final

from chalicelib.engine.assembly import (
    Behaviour,
    Ports,
    make_core,
    make_live,
    make_services,
)
from chalicelib.engine.auth import Caller
from chalicelib.engine.database.progress import Progress
from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.deferred import QueuedActions, Sender
from chalicelib.engine.errors import BadMessage, NotDeployed, Overloaded
from chalicelib.engine.functions.actions import ActionRunner
from chalicelib.engine.functions.calls import Call, Kind, resolve
from chalicelib.engine.functions.context import Reach
from chalicelib.engine.functions.files import Files
from chalicelib.engine.functions.http_messages import Request as HttpRequest
from chalicelib.engine.functions.http_messages import Response as HttpResponse
from chalicelib.engine.functions.http_quota import HttpQuota
from chalicelib.engine.functions.http_runner import HttpRunner
from chalicelib.engine.functions.isolation import let_out
from chalicelib.engine.functions.job_calls import deploy_crons
from chalicelib.engine.functions.job_hints import JobHints, RunJobs, SweepJobs
from chalicelib.engine.functions.job_runner import JobRunner
from chalicelib.engine.functions.job_sweeper import JobSweeper
from chalicelib.engine.functions.log_lines import Say
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.runner import Observer, ignore
from chalicelib.engine.ports import (
    Frame,
)
from chalicelib.engine.queued import (
    CommitsJob,
    HouseJob,
    Job,
    LookJob,
    SchemaJob,
    SweepFiles,
    TickJob,
    WakeJob,
    decode_job,
)
from chalicelib.engine.sync.explain import Explainer
from chalicelib.engine.sync.holding import CLOSE_AGAIN
from chalicelib.engine.sync.messages import (
    Authenticate,
    FatalError,
    decode_client,
    encode,
)
from chalicelib.engine.sync.reruns import Rerun
from chalicelib.engine.sync.reruns import ignore as hear_nothing
from chalicelib.engine.sync.services import ActionJob, Committed

__all__ = ["Backend", "Behaviour", "Ports"]

CLOSE_NORMAL: Final = 1000


class Backend:
    """One deployment's engine: functions over a log, and sessions that follow it."""

    def __init__(
        self,
        registry: Registry,
        ports: Ports,
        *,
        behaviour: Behaviour,
        verify: Callable[[Authenticate], Caller],
        report: Callable[[Exception, str, str], None],
        observe: Callable[[str, Statistics], None] = ignore,
        say: Say = lambda _name, _lines: None,
        reran: Callable[[Rerun], None] = hear_nothing,
    ) -> None:
        self.registry, self.behaviour, self._ports = registry, behaviour, ports
        clock = ports.clock
        core = make_core(registry, ports, behaviour, Observer(report, observe), reran)
        self._sender = Sender(ports)
        self._tail, self._committer = core.tail, core.committer
        self.runner, self.upkeep = core.runner, core.upkeep
        self.files = Files(
            self.runner, ports.blobs, behaviour.files, clock=clock, ids=ports.ids
        )
        reach = Reach(ports.secrets, ports.outside)
        self._actions = ActionRunner(self.runner, self._tail, clock, self.files, reach)
        self._http = HttpRunner(
            self.runner,
            self._actions,
            HttpQuota(ports.rates, clock, behaviour.rates),
            redacted=behaviour.redacted,
            say=say,
        )
        self._hints = JobHints(self.runner, self._tail, clock, self._sender.send)
        self._jobs = JobRunner(
            self.runner, self._actions, self._hints, clock, report=report, say=say
        )
        self._sweeper = JobSweeper(self.runner, self._hints, clock)
        self._reruns, self._turnstile = core.reruns, core.turnstile
        explainer = Explainer(
            self.runner,
            self._tail,
            index=ports.subscriptions,
            sessions=ports.sessions,
            reruns=self._reruns,
            clock=clock,
            counted=self.counted,
        )
        self.runner.watched(let_out(explainer))
        services = make_services(
            ports,
            behaviour,
            core,
            verify=verify,
            report=report,
            start=self._sender.send,
            send_wake=self._sender.look,
        )
        live = make_live(ports, behaviour, core, services, self._sender.wake)
        self._actors, self._fanout = live.actors, live.fanout
        self._queued_actions = QueuedActions(
            self.runner, self._actions, self._actors, clock=clock, behaviour=behaviour
        )
        self._report = report

    def counted(self) -> Mapping[str, float]:
        """What this process has counted since it began, by the names of metrics."""
        cache = self.runner.cache
        cached = {"CacheHits": cache.hits, "CacheMisses": cache.misses}
        refused = {"ConnectionsOverloaded": self._turnstile.refused}
        wakes = {
            "SessionsWokenAhead": self._fanout.woken_ahead,
            "SessionsNotWokenAgain": self._fanout.spared,
        }
        return {**cached, **self._reruns.counts.by_metric(), **refused, **wakes}

    # -- functions ------------------------------------------------------------------------

    def call(self, call: Call, kind: Kind | None = None) -> Outcome:
        """Run a function; ``kind`` None runs whatever it is."""
        if kind is None:
            try:
                kind = resolve(self.registry, call, None).function.kind
            except Exception as error:  # noqa: BLE001 - answered like any failed call
                ts = self._tail.view().ts
                return Outcome(ts, failure=self.runner.failure(error, call.path))
        run: Mapping[Kind, Callable[[Call], Outcome]] = {
            "query": self.runner.query,
            "mutation": self.runner.mutation,
            "action": self._actions.once,
        }
        return run[kind](call)

    def http(self, request: HttpRequest, caller: Caller) -> HttpResponse:
        """Answer a request by the HTTP function of an app that it is routed to."""
        return self._http.handle(request, caller)

    def head(self) -> int:
        """The timestamp of the log's end."""
        return self._tail.refresh().ts

    def query_in_past(self, call: Call, ts: int) -> Outcome:
        """Run a query at ``ts``."""
        return self.runner.query_in_past(call, ts)

    def deploy(
        self,
        code_version: str,
        *,
        wait_ms: float = float("inf"),
        told: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Make the schema of the registry's apps, and their crons, those that are served.

        Steps that are left after ``wait_ms`` are done by jobs: those that :meth:`go_on`
        asks for, or the housekeeper within two minutes.

        Raises:
            SchemaRefused: documents do not satisfy it; the message names them.
        """
        progress = self.upkeep.deploy(code_version, wait_ms, told)
        if not progress.pending:
            deploy_crons(self.runner)
        return progress

    def go_on(self) -> None:
        """Have jobs do what a deployment has left to be done."""
        if self.upkeep.progress().open:
            self._sender.send(SchemaJob())

    # -- sockets --------------------------------------------------------------------------

    def receive(self, connection: str, frame: Frame) -> None:
        """Take up a message of a client; then show others what it has committed."""
        began_ms = self._ports.clock.now_ms()
        try:
            self._turnstile.message(connection, len(frame.body))
            decode_client(frame.body)
            committed = self._actors.take_frame(connection, frame)
        except BadMessage as error:
            self.refuse(connection, f"WSMessageInvalidJson: {error}")
        except Overloaded as error:
            self._actors.end(connection, CLOSE_AGAIN, error.code)
        else:
            self._wake_ahead(connection, committed, began_ms)

    def _wake_ahead(self, connection: str, committed: Committed, began_ms: float) -> None:
        try:
            self._fanout.wake_ahead(connection, committed, began_ms)
        except Exception as error:  # noqa: BLE001 - its own session is well; the stream goes on
            self._report(error, "sync:ahead", connection)

    def refuse(self, connection: str, why: str) -> None:
        """Tell a client that it broke the protocol, and end the connection."""
        try:
            self._ports.gateway.post(connection, encode(FatalError(error=why)))
        finally:
            self._actors.end(connection, CLOSE_NORMAL, "BadMessage")

    def disconnected(self, connection: str) -> None:
        """Forget a connection whose socket is closed."""
        self._actors.end(connection)

    def drained(self, connection: str) -> None:
        """Go on with a session whose client was behind and has taken everything."""
        self._sender.look(connection, 0)

    # -- what follows from commits, and from time ----------------------------------------------

    def commits(self, first: int, last: int) -> int:
        """Handle commits that the log's stream reports; return how many sessions woke."""
        try:
            self._hints.hand_over(first, last)
        finally:
            woken = self._fanout.commits(first, last)
        return woken

    def tick(self, shard: int) -> int:
        """Visit the sessions of one shard; return how many there are."""
        return self._fanout.tick(shard)

    def job(self, body: bytes) -> Job:
        """Do what a message of the job queue asks for; return what it was."""
        job = decode_job(body)
        match job:
            case ActionJob():
                self._queued_actions.run(job)
            case LookJob():
                self._actors.look(job.connection)
            case WakeJob():
                self._fanout.wake(job.connections, job.ts)
            case CommitsJob():
                self.commits(job.first, job.last)
            case TickJob():
                for shard in job.shards:
                    self.tick(shard)
            case RunJobs() | SweepJobs() | SweepFiles():
                self._do_scheduled(job)
            case SchemaJob() | HouseJob():
                self._keep_up(job)
        return job

    def send_sweep(self) -> None:
        """Ask for a sweep of scheduled functions: what nobody has handed over, what is old.

        And for one of files, if the deployment has a place for them.
        """
        self._sender.send(SweepJobs())
        if self.files.are_configured:
            self._sender.send(SweepFiles())

    def send_house_job(self) -> None:
        """Ask for a visit of the housekeeper."""
        self._sender.send(HouseJob())

    def send_ticks(self, period_ms: float) -> int:
        """Ask for the ticks of the coming period, for connections that are yet to come too.

        Returns:
            How many sessions there are now.
        """
        return self._sender.ticks(period_ms, self.behaviour.tick_ms)

    def _do_scheduled(self, job: RunJobs | SweepJobs | SweepFiles) -> None:
        match job:
            case RunJobs():
                self._jobs.run(job.jobs)
            case SweepJobs():
                self._sweeper.sweep(job.since)
            case SweepFiles():
                self.files.sweep()

    def _keep_up(self, job: SchemaJob | HouseJob) -> None:
        if isinstance(job, HouseJob):
            if self.upkeep.is_stuck():
                self._sender.send(SchemaJob())
            self.upkeep.keep_house()
            return
        work = self.upkeep.work()
        if work.has_taken_effect:
            deploy_crons(self.runner)
        if work.is_unfinished:
            self._sender.send(SchemaJob())

    def check(self) -> None:
        """See that the log can be read and that the apps' tables are there.

        Raises:
            NotDeployed: a table or an index of the apps is not in the catalogue.
        """
        catalogue = self.runner.catalogue()
        for name, schema in self.registry.tables.items():
            held = catalogue.tables.get(name)
            if held is None or not set(schema.indexes) <= set(held.indexes):
                raise NotDeployed(
                    f"table {name} is not in the catalogue: run the deploy step"
                )
