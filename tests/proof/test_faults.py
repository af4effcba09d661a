"""The proxy finds the inside of frames, and does what a fate says."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proof.faults.fates import WEIGHTS, drawn
from tests.proof.faults.frames import Frames

HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def frame(size: int, *, masked: bool) -> bytes:
    """A frame of so many bytes of payload."""
    mask = 0x80 if masked else 0
    if size < 126:
        length = bytes([mask | size])
    elif size < 2**16:
        length = bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([mask | 127]) + size.to_bytes(8, "big")
    return b"\x81" + length + b"key!" * masked + b"x" * size


@given(
    st.lists(st.sampled_from([0, 1, 20, 125, 126, 300, 70_000]), max_size=5),
    st.booleans(),
    st.integers(50, 5000),
)
@settings(deadline=None)
def test_places_within_frames_are_told_from_their_ends(
    sizes: list[int], masked: bool, chunk: int
) -> None:
    frames = [frame(size, masked=masked) for size in sizes]
    stream = HEAD + b"".join(frames)
    ends = {len(HEAD) + sum(map(len, frames[:n])) for n in range(len(frames) + 1)}
    follower = Frames()

    found = {
        first + place
        for first in range(0, len(stream), chunk)
        for place in follower.inner(stream[first : first + chunk])
    }

    within = set(range(len(HEAD) + 1, len(stream))) - ends
    assert found <= within
    # The first byte of a chunk is no place to cut at: the chunk before could end there.
    assert {place for place in within if place % chunk} <= found


def test_a_seed_draws_the_same_fates_again_and_every_kind_of_them() -> None:
    first, second = Random(5), Random(5)

    fates = [drawn(first) for _ in range(300)]

    assert fates == [drawn(second) for _ in range(300)]
    assert {fate.kind for fate in fates} == set(WEIGHTS)
