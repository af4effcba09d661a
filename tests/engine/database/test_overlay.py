"""What is laid over rows is the newest of each key, however it was put together."""

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.engine.database.overlay import Overlay
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Interval
from tests.conformance.entries import INDEX, drop, entry, put

KEYS = [b"a", b"b", b"ba", b"c"]
WRITES = st.lists(
    st.tuples(st.sampled_from(KEYS), st.none() | st.binary(max_size=2)), max_size=12
)
ENDS = st.sampled_from([b"", *KEYS, b"d"])


def written(writes: list[tuple[bytes, bytes | None]]) -> list[Entry]:
    """An entry for each write; None removes a row."""
    return [
        entry(n, drop(key) if image is None else put(key, image))
        for n, (key, image) in enumerate(writes, 1)
    ]


@given(writes=WRITES, at=st.integers(0, 12), low=ENDS, high=st.none() | ENDS)
def test_an_interval_has_the_newest_row_of_each_key_in_order(
    writes: list[tuple[bytes, bytes | None]], at: int, low: bytes, high: bytes | None
) -> None:
    entries = written(writes)
    overlay = Overlay().with_entries(entries[:at]).with_entries(entries[at:])

    found = overlay.within(Interval(INDEX, low, high))

    newest = {k: v for k, v in writes if low <= k and (high is None or k < high)}
    assert [(key, row.image) for key, row in found.items()] == sorted(newest.items())


@given(writes=WRITES)
def test_a_key_has_its_newest_row(writes: list[tuple[bytes, bytes | None]]) -> None:
    overlay = Overlay().with_entries(written(writes))

    found = {key: overlay.get((INDEX, key)) for key in KEYS}

    newest = dict(writes)
    assert {key: row.image for key, row in found.items() if row is not None} == newest


@given(first=WRITES, one=WRITES, other=WRITES)
def test_several_over_the_same_one_do_not_see_each_other(
    first: list[tuple[bytes, bytes | None]],
    one: list[tuple[bytes, bytes | None]],
    other: list[tuple[bytes, bytes | None]],
) -> None:
    ends: list[list[tuple[bytes, bytes | None]]] = [one, other, []]
    entries = [written(first + end) for end in ends]
    below = Overlay().with_entries(entries[0][: len(first)])

    overlays = [below.with_entries(each[len(first) :]) for each in entries]

    found = [overlay.within(Interval(INDEX, b"", None)) for overlay in overlays]
    assert [{key: row.image for key, row in rows.items()} for rows in found] == [
        dict(first + end) for end in ends
    ]


def test_what_is_laid_over_it_leaves_an_overlay_as_it_was() -> None:
    first, second = written([(b"a", b"1"), (b"a", b"2")])
    before = Overlay().with_entries([first])

    before.with_entries([second])

    row = before.get((INDEX, b"a"))
    assert row is not None
    assert row.image == b"1"
    assert list(before.within(Interval(INDEX, b"", None)).values()) == [row]
