"""The messages of the queues: what a backend leaves for later, or for another process."""

import msgspec

from chalicelib.engine.functions.job_hints import RunJobs, SweepJobs
from chalicelib.engine.sync.services import ActionJob


class LookJob(msgspec.Struct, frozen=True, tag="look"):
    """A session that was handed over, or waits for a frame that may be lost."""

    connection: str


class WakeJob(msgspec.Struct, frozen=True, tag="wake"):
    """Sessions that a commit concerns."""

    connections: tuple[str, ...]
    ts: int


class CommitsJob(msgspec.Struct, frozen=True, tag="commits"):
    """Commits whose report was given up, and that an operator has replayed."""

    first: int
    last: int


class TickJob(msgspec.Struct, frozen=True, tag="tick"):
    """The tick of some shards of sessions."""

    shards: tuple[int, ...]


class SweepFiles(msgspec.Struct, frozen=True, tag="sweepFiles"):
    """Bytes of files that are gone, and of uploads that were given up."""


class SchemaJob(msgspec.Struct, frozen=True, tag="schema"):
    """Some steps of a deployment."""


class HouseJob(msgspec.Struct, frozen=True, tag="house"):
    """A visit of the housekeeper, who also looks whether a deployment is stuck."""


Job = (
    ActionJob
    | LookJob
    | WakeJob
    | CommitsJob
    | TickJob
    | RunJobs
    | SweepJobs
    | SweepFiles
    | SchemaJob
    | HouseJob
)

_decoder = msgspec.json.Decoder(Job)
_encoder = msgspec.json.Encoder()


def encode_job(job: Job) -> bytes:
    """Return a message as it stands in a queue."""
    return _encoder.encode(job)


def decode_job(body: bytes) -> Job:
    """Return the message that a queue has given.

    Raises:
        DecodeError: nothing of ours has sent it.
    """
    job: Job = _decoder.decode(body)
    return job
