"""What a simulated world is like: who does how much in it, how slow it is, what goes wrong."""

from dataclasses import dataclass, replace

from tests.simulation.faults import NONE, Faults, Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of world.

    ``clients`` and ``acts`` bound how many there are, and how much each does; ``think_ms``
    how long it waits in between. ``call_ms`` is what a port call takes, ``stall`` the chance
    that it takes ``stall_ms`` instead, ``post_ms`` what a post takes. ``stream_ms`` is how late
    the log's stream reports, ``frame_ms`` how late a frame reaches its handler, ``handler_ms``
    what the handler's calls take until it has the frame in safety. ``ordered``: the gateway hands over the frames of a connection
    one after another, and one process serves everything, as the local server does.
    ``skew_ms``: how wrong the clock of a process may be, either way.
    ``jobs`` are scheduled, or called off, within ``jobs_ms``; twice as many ``files`` are
    uploaded, and as many deleted and swept. ``undos`` are begun in that time, too.
    ``web``: how much is asked for over HTTP that is limited, and may be repeated.
    ``small``: the engine's limits are. ``night``: there is one, in which the log is trimmed.
    ``house``: how often the housekeeper comes by day.
    ``take_ms``: how long a client takes for each message, which the gateway then knows of.
    ``ahead``: whoever commits for a socket wakes others, before the stream reports.
    ``ticks``: the net under crashes is there; without, a lost wake-up stays lost.
    """

    clients: tuple[int, int] = (2, 3)
    acts: tuple[int, int] = (6, 24)
    think_ms: Range = (0, 250)
    call_ms: Range = (0.2, 6)
    stall: float = 0.03
    stall_ms: Range = (10, 250)
    post_ms: Range = (0.5, 12)
    stream_ms: Range = (0, 120)
    frame_ms: Range = (0, 60)
    handler_ms: Range = (0.2, 6)
    settle_ms: float = 100
    ordered: bool = False
    ticks: bool = False
    faults: Faults = NONE
    processes: int = 5
    http: int = 6
    appliers: int = 2
    storm: int = 0
    deploy: bool = False
    max_message_bytes: int = 128 * 1024
    skew_ms: float = 0
    signs_in: bool = True
    jobs: int = 0
    jobs_ms: float = 3000
    files: int = 0
    undos: int = 0
    web: int = 0
    dynamodb: bool = False
    small: bool = False
    night: bool = False
    house: int = 0
    take_ms: Range | None = None
    ahead: bool = False

    @property
    def has_jobs(self) -> bool:
        """Whether anything is scheduled."""
        return bool(self.jobs or self.undos)


CALM = Profile()
FAULTY = replace(CALM, ticks=True, faults=Faults())
# One process for all, as the local server is; its own disk may fail.
LOCAL = replace(CALM, ordered=True, settle_ms=0, frame_ms=(0, 3), processes=1)

BUSY = replace(CALM, think_ms=(0, 30), stall=0.15, acts=(10, 30), processes=8)
CUTS = replace(CALM, think_ms=(0, 120), faults=replace(NONE, cut=0.15), acts=(10, 30))
# Frames later than any settle time: what only stamps can order is left out.
LATE = replace(CUTS, frame_ms=(0, 2500), signs_in=False, http=0)
SHORT = replace(
    CALM,
    acts=(2, 6),
    think_ms=(0, 60),
    call_ms=(0.1, 2),
    frame_ms=(0, 20),
    handler_ms=(0, 15),
    http=2,
    appliers=0,
)
DEAF = replace(SHORT, faults=replace(NONE, lost_put=0.35))
DEAF_AND_REFUSED = replace(
    DEAF, faults=replace(DEAF.faults, error=0.01), ticks=True, http=30
)
STORM = replace(CALM, storm=3, acts=(4, 10))
DEPLOY = replace(CALM, deploy=True, http=12, stall=0.1)
FAULTY_DEPLOY = replace(FAULTY, deploy=True)
SLOW = replace(CALM, post_ms=(50, 6000), acts=(10, 24), http=12)
# Clients that read slowly, of which the local gateway knows.
BEHIND = replace(LOCAL, take_ms=(20, 900), think_ms=(0, 60), acts=(8, 20), http=20)
BARELY_BEHIND = replace(BEHIND, take_ms=(1, 120), http=8, stall=0.3)
# Clients that read slowly, of which API Gateway tells by refusing.
FULL = replace(CALM, faults=replace(NONE, full=0.3), acts=(8, 20), http=12)
# Messages are so short that transitions go in pieces; answers have room enough.
PIECES = replace(CALM, small=True, max_message_bytes=700, acts=(6, 16), http=20)

# Committers wake others before the stream does. "Deserted": they die of it, where they hold no
# lease, so that no tick is needed: what they leave undone, the stream alone does.
AHEAD = replace(CALM, ahead=True, stream_ms=(0, 400), clients=(3, 5))
DESERTED = replace(
    AHEAD,
    faults=replace(NONE, desert=0.5),
    acts=(2, 6),
    think_ms=(0, 60),
    stall=0.3,
    frame_ms=(0, 20),
    http=0,
    appliers=0,
)

LINE = replace(STORM, small=True, stall=0.1, http=10)
FAULTY_LINE = replace(FAULTY, small=True, storm=3, acts=(4, 10), http=12)

DYNAMODB = replace(CALM, dynamodb=True, call_ms=(0.1, 3), handler_ms=(0.1, 4))
DYNAMODB_STORM = replace(DYNAMODB, storm=3, acts=(2, 5), http=2)
FAULTY_DYNAMODB = replace(DYNAMODB, ticks=True, faults=Faults())

JOBS = replace(SHORT, jobs=25, stall=0.1, processes=8)
FAULTY_JOBS = replace(
    JOBS,
    ticks=True,
    faults=replace(Faults(), kill=0.006, freeze=0.003, error=0.004),
    jobs=40,
    jobs_ms=120_000,
    clients=(1, 1),
)

FILES = replace(SHORT, files=15, stall=0.1, processes=8, clients=(1, 1))
FAULTY_FILES = replace(
    FILES,
    ticks=True,
    faults=replace(Faults(), kill=0.004, freeze=0.002, freeze_ms=(200, 3000), error=0.004),
)

# Others write, and jobs run, while administrators undo.
UNDO = replace(
    SHORT, undos=4, jobs=4, acts=(8, 20), think_ms=(0, 120), http=20, stall=0.1, processes=8
)
FAULTY_UNDO = replace(
    UNDO,
    ticks=True,
    faults=replace(Faults(), kill=0.004, freeze=0.002, error=0.004),
    clients=(1, 2),
)

# Requests that are counted, and repeated while they run; undone now and then.
WEB = replace(SHORT, web=30, undos=1, jobs_ms=2500, stall=0.1, processes=8, skew_ms=5)
FAULTY_WEB = replace(
    WEB,
    ticks=True,
    faults=replace(Faults(), kill=0.01, error=0.004, lost_put=0.1),
    clients=(1, 1),
)

PROFILES = {
    "undo": UNDO,
    "faulty undo": FAULTY_UNDO,
    "local undo": replace(LOCAL, undos=4, jobs=4, http=20, acts=(8, 16)),
    "undo on dynamodb": replace(FAULTY_UNDO, dynamodb=True, undos=3, acts=(4, 10)),
    "web": WEB,
    "faulty web": FAULTY_WEB,
    "web on dynamodb": replace(
        FAULTY_WEB, dynamodb=True, web=20, faults=replace(FAULTY_WEB.faults, lost_put=0.03)
    ),
    "local web": replace(LOCAL, web=30, acts=(2, 6), http=2),
    "files": FILES,
    "faulty files": FAULTY_FILES,
    "files on dynamodb": replace(FAULTY_FILES, dynamodb=True, files=8),
    "jobs": JOBS,
    "faulty jobs": FAULTY_JOBS,
    "local jobs": replace(LOCAL, jobs=25, acts=(2, 6), http=2),
    "faulty jobs on dynamodb": replace(FAULTY_JOBS, dynamodb=True, jobs=20),
    "dynamodb": DYNAMODB,
    "dynamodb storm": DYNAMODB_STORM,
    "faulty dynamodb": FAULTY_DYNAMODB,
    "calm": CALM,
    "faulty": FAULTY,
    "local": LOCAL,
    "local failing": replace(LOCAL, faults=replace(NONE, lost_put=0.05)),
    "local storm": replace(LOCAL, storm=4, acts=(2, 8)),
    "busy": BUSY,
    "cuts": CUTS,
    "late": LATE,
    "short": SHORT,
    "deaf": DEAF,
    "deaf and refused": DEAF_AND_REFUSED,
    "storm": STORM,
    "line": LINE,
    "faulty line": FAULTY_LINE,
    "dynamodb line": replace(DYNAMODB_STORM, small=True),
    "deploy": DEPLOY,
    "faulty deploy": FAULTY_DEPLOY,
    "slow": SLOW,
    "behind": BEHIND,
    "barely behind": BARELY_BEHIND,
    "full": FULL,
    "faulty full": replace(FAULTY, faults=replace(Faults(), full=0.2)),
    "pieces": PIECES,
    "ahead": replace(AHEAD, http=12),
    "deserted": DESERTED,
    "faulty ahead": replace(FAULTY, ahead=True, stream_ms=(0, 400), clients=(3, 5)),
    "small ahead": replace(AHEAD, small=True),
    "dynamodb ahead": replace(
        AHEAD, dynamodb=True, call_ms=(0.1, 3), handler_ms=(0.1, 4), acts=(4, 10)
    ),
    "small": replace(CALM, small=True, deploy=True, clients=(3, 5)),
    "faulty small": replace(FAULTY, small=True),
    "small local": replace(LOCAL, small=True),
    "skewed": replace(BUSY, skew_ms=25, frame_ms=(0, 30)),
    "night": replace(SHORT, night=True, http=8, processes=8),
    "housekeeping": replace(SHORT, house=12, appliers=8, http=12, acts=(4, 10)),
    "dynamodb night": replace(
        DYNAMODB, night=True, acts=(2, 6), think_ms=(0, 60), processes=8
    ),
}
"""Every kind of world by name."""
