"""What must hold in every world. Each failure of the simulation names one of these."""

import re
from enum import Enum

from chalicelib.engine.log import ORIGIN


class Property(Enum):
    """A property, and what it says."""

    LOG = "The log has no gap, and nothing is put where it was trimmed."
    REPLAY = "Each entry does what its function does alone, on the state before it."
    ONCE = "Each mutation takes effect once, and none that nobody asked for."
    ORDER = "The mutations of a session take effect in the order of their requests."
    IDENTITY = "Each mutation runs in the name of whoever had asked for it."
    ANSWER = "Each answer of a function is that of the replay at the answer's timestamp."
    RECENT = "No query over HTTP, and no live query at first, misses what was committed before it was asked."
    FAILURE = "Who is told that a mutation failed finds no effect of it, and the failure is the replay's."
    RESPONSE = "A response over a socket tells the timestamp and the result of its entry."
    CONTINUITY = (
        "Each transition begins at the version at which the one before it has ended."
    )
    TIME = "No client sees time run backwards, over all of its sockets."
    TRANSITION = "Each query of each transition shows what the replay has at its timestamp."
    FRUGALITY = "A result that did not change is not sent."
    BUFFER = "At most two transitions wait for a client that is slow to take them."
    OWN_WRITES = "When a promise resolves, the queries show its effect, and none showed it before the answer."
    PROTOCOL = "No message comes that a stock client does not understand, or in pieces that do not fit."
    REST = "When nothing more is under way, everything was answered, and every query shows the log's end."
    SILENCE = "No socket that the server knows of is left without a message for a minute."
    ROWS = "The rows of every index, and every count kept, are those of the replayed documents."
    JOBS = "A scheduled mutation takes effect once, a scheduled action begins once at most, and none is forgotten."
    FILES = (
        "A file has its bytes as long as it is there, and no bytes are left without a file."
    )
    UNDO = "An undo brings back what the documents were, to the byte, and touches nothing that others have written since."
    LEFTOVERS = "Where nothing goes wrong, a session at rest has the subscriptions of its queries, and no others."
    RATES = "No more requests are granted in a window than its rate says, and none is refused while fewer were."
    REPEATED = (
        "A request that is repeated under its key has its effect once, and the same answer."
    )
    HISTORY = "Who follows the log is told each entry once, in order, and as it is."
    CRASH = "No handler fails for a reason that is neither the app's nor the platform's."


class Broken(BaseException):
    """A property does not hold. Not an Exception: nothing in the engine may catch it."""

    def __init__(self, broken: Property, why: str) -> None:
        super().__init__(f"{broken.name.lower().replace('_', ' ')}: {with_positions(why)}")
        self.property = broken


def with_positions(text: str) -> str:
    """Write timestamps as positions in the log, for whoever reads it."""
    return re.sub(r"\b10995\d{8}\b", lambda found: str(int(found[0]) - ORIGIN), text)
