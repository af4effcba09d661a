"""The contract of the subscription index, over every adapter."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.engine.log import IndexKey
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Subscription, SubscriptionIndex, prefixes
from chalicelib.engine.values.order import key_bytes
from tests.conformance.session_adapters import NAMES, Adapters, adapters_of_a_module

ID = bytes([6]) + bytes(range(15))
"""An internal id, such as ends every row key."""


@pytest.fixture(scope="module")
def adapters() -> Iterator[Adapters]:
    with adapters_of_a_module() as opened:
        yield opened


@pytest.fixture(params=NAMES)
def subscriptions(request: pytest.FixtureRequest, adapters: Adapters) -> SubscriptionIndex:
    return adapters.open(request.param).subscriptions


def row(*fields: object, index: int = 3, id_: bytes = ID) -> IndexKey:
    return index, key_bytes(fields) + id_  # type: ignore[arg-type]


def equal(connection: str, *fields: object, index: int = 3) -> Subscription:
    """Everything whose first fields are equal to the given ones."""
    prefix = key_bytes(fields)  # type: ignore[arg-type]
    return Subscription(prefix, Interval(index, prefix, prefix + b"\xff"), connection)


def between(connection: str, *fields: object, low: object, high: object) -> Subscription:
    """Everything with equal first fields and a next one of ``low <= value < high``."""
    prefix = key_bytes(fields)  # type: ignore[arg-type]
    ends = (prefix + key_bytes([low]), prefix + key_bytes([high]))  # type: ignore[list-item]
    return Subscription(prefix, Interval(3, *ends), connection)


def point(connection: str, id_: bytes = ID) -> Subscription:
    """One document by its id."""
    return Subscription(id_, Interval(1, id_, id_ + b"\x00"), connection)


class TestPrefixes:
    def test_are_the_borders_of_the_fields_and_the_ends_of_the_key(self) -> None:
        _, key = row("ann", 5.0)

        found = list(prefixes(key))

        assert found == [b"", key_bytes(["ann"]), key_bytes(["ann", 5.0]), key]

    def test_of_a_bare_id_are_nothing_and_all(self) -> None:
        assert list(prefixes(ID)) == [b"", ID]


class TestMatch:
    def test_finds_nobody_at_first(self, subscriptions: SubscriptionIndex) -> None:
        assert subscriptions.match([row("ann")]) == set()
        assert subscriptions.match([]) == set()

    def test_finds_by_each_prefix_of_the_key(
        self, subscriptions: SubscriptionIndex
    ) -> None:
        subscriptions.add(
            [
                equal("all"),
                equal("ann", "ann"),
                equal("ann at 5", "ann", 5.0),
                equal("bob", "bob"),
                equal("ann at 6", "ann", 6.0),
                equal("another index", "ann", index=4),
            ]
        )

        found = subscriptions.match([row("ann", 5.0)])

        assert found == {"all", "ann", "ann at 5"}

    def test_finds_at_half_the_price_what_has_long_been_there(
        self, subscriptions: SubscriptionIndex
    ) -> None:
        subscriptions.add([equal("ann", "ann"), equal("bob", "bob")])

        assert subscriptions.match([row("ann")], newest=False) == {"ann"}

    def test_finds_a_document_by_its_id(self, subscriptions: SubscriptionIndex) -> None:
        other = ID[:-1] + b"\xff"
        subscriptions.add([point("one"), point("other", other)])

        assert subscriptions.match([(1, ID)]) == {"one"}
        assert subscriptions.match([(1, ID), (1, other)]) == {"one", "other"}

    def test_lets_the_exact_interval_decide(self, subscriptions: SubscriptionIndex) -> None:
        subscriptions.add(
            [
                between("low", "ann", low=0.0, high=5.0),
                between("high", "ann", low=5.0, high=9.0),
                Subscription(b"", Interval(3, key_bytes(["b"]), None), "to the end"),
            ]
        )

        assert subscriptions.match([row("ann", 4.9)]) == {"low"}
        assert subscriptions.match([row("ann", 5.0)]) == {"high"}
        assert subscriptions.match([row("ann", 9.0)]) == set()
        assert subscriptions.match([row("c", 1.0)]) == {"to the end"}

    def test_finds_all_who_read_the_same(self, subscriptions: SubscriptionIndex) -> None:
        crowd = [equal(f"connection-{n}", "ann") for n in range(60)]

        subscriptions.add(crowd)

        assert subscriptions.match([row("ann", 1.0)]) == {each.connection for each in crowd}

    def test_takes_keys_as_long_as_rows_may_have(
        self, subscriptions: SubscriptionIndex
    ) -> None:
        key = b"\x60" + b"x" * 915
        subscriptions.add(
            [
                Subscription(key, Interval(3, key, key + b"\x00"), "exact"),
                Subscription(b"", Interval(3, b"\x60" + b"x" * 899, None), "wide"),
            ]
        )

        assert subscriptions.match([(3, key)]) == {"exact", "wide"}


class TestAdd:
    def test_is_idempotent(self, subscriptions: SubscriptionIndex) -> None:
        subscriptions.add([equal("c", "ann"), equal("c", "ann")])
        subscriptions.add([equal("c", "ann")])

        subscriptions.remove([equal("c", "ann")])

        assert subscriptions.match([row("ann")]) == set()

    def test_of_nothing_does_nothing(self, subscriptions: SubscriptionIndex) -> None:
        subscriptions.add([])

        assert subscriptions.match([row("ann")]) == set()


class TestRemove:
    def test_forgets_exactly_what_is_named(self, subscriptions: SubscriptionIndex) -> None:
        low = between("c", "ann", low=0.0, high=5.0)
        wide = between("c", "ann", low=0.0, high=9.0)
        theirs = between("d", "ann", low=0.0, high=5.0)
        subscriptions.add([low, wide, theirs])

        subscriptions.remove([low, equal("nobody", "ann")])

        assert subscriptions.match([row("ann", 1.0)]) == {"c", "d"}
        subscriptions.remove([wide])
        assert subscriptions.match([row("ann", 1.0)]) == {"d"}

    def test_may_be_followed_by_adding_it_again(
        self, subscriptions: SubscriptionIndex
    ) -> None:
        subscriptions.add([equal("c", "ann")])
        subscriptions.remove([equal("c", "ann")])

        subscriptions.add([equal("c", "ann")])

        assert subscriptions.match([row("ann")]) == {"c"}


class TestRemoveAll:
    def test_forgets_one_connection_and_no_other(
        self, subscriptions: SubscriptionIndex
    ) -> None:
        subscriptions.add([equal("c", n) for n in range(70)] + [point("c"), point("d")])
        subscriptions.add([equal("c", "later"), equal("d", 5)])
        subscriptions.remove([equal("c", 3)])

        subscriptions.remove_all("c")
        subscriptions.remove_all("c")
        subscriptions.remove_all("nobody")

        everything = [row(n) for n in range(70)] + [row("later"), (1, ID)]
        assert subscriptions.match(everything) == {"d"}

    def test_lets_the_connection_begin_anew(self, subscriptions: SubscriptionIndex) -> None:
        subscriptions.add([equal("c", "ann")])
        subscriptions.remove_all("c")

        subscriptions.add([equal("c", "ann")])

        assert subscriptions.match([row("ann")]) == {"c"}


small = st.integers(0, 9)
intervals = st.builds(
    lambda first, low, width, name: between(name, first, low=low, high=low + width),
    st.sampled_from("ab"),
    small,
    small,
    st.sampled_from("uvwxyz"),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(intervals, max_size=25), st.data())
def test_matching_is_looking_at_every_subscription(
    subscriptions: SubscriptionIndex, added: list[Subscription], data: st.DataObject
) -> None:
    removed = data.draw(st.lists(st.sampled_from(added), max_size=10)) if added else []
    index, key = row(data.draw(st.sampled_from("ab")), data.draw(small))

    subscriptions.add(added)
    subscriptions.remove(removed)
    found = subscriptions.match([(index, key)])
    for name in "uvwxyz":
        subscriptions.remove_all(name)

    kept = set(added) - set(removed)
    assert found == {each.connection for each in kept if each.interval.holds(key)}
    assert subscriptions.match([(index, key)]) == set()
