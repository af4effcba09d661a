"""Who wrote what, in which order; and anomalies that single readings show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.proof.histories.transactions import Anomaly, Append, Read, Swap, Transaction

BEGINNING = None
"""The version of a register before anybody wrote to it."""


@dataclass(frozen=True)
class Versions:
    """The versions of all keys, as far as readings tell.

    Attributes:
        writers: By key and element or value: who wrote it, whether it committed or not.
        orders: By list: its elements in order, as the longest reading shows them.
        followers: By register and value: who replaced it.
    """

    writers: Mapping[tuple[str, str], Transaction]
    orders: Mapping[str, Sequence[str]]
    followers: Mapping[tuple[str, str | None], Transaction]


def versions_of(history: Iterable[Transaction]) -> tuple[Versions, list[Anomaly]]:
    """Recover the versions of a history, and tell what is wrong with them."""
    whole = tuple(history)
    writers, found = _writers(whole)
    orders = _orders(whole)
    followers, forks = _followers(whole)
    versions = Versions(writers, orders, followers)
    for transaction in _judged(whole):
        found += _inside(transaction)
        for read in transaction.reads():
            found += _list_read(versions, transaction, read)
        for get in transaction.gets():
            if get.value is not None:
                found += _source(versions, transaction, get.key, get.value)
    return versions, found + forks


def _judged(history: Iterable[Transaction]) -> Iterator[Transaction]:
    """Those whose readings somebody was told."""
    return (one for one in history if one.outcome == "ok")


def _writers(
    history: Sequence[Transaction],
) -> tuple[dict[tuple[str, str], Transaction], list[Anomaly]]:
    writers: dict[tuple[str, str], Transaction] = {}
    found = []
    for transaction in history:
        written = [(op.key, op.element) for op in transaction.appends()]
        written += [(op.key, op.value) for op in transaction.swaps()]
        for version in written:
            if version in writers:
                about = f"{version} by {writers[version].name} and {transaction.name}"
                found.append(Anomaly("written twice", about))
            writers[version] = transaction
    return writers, found


def _orders(history: Sequence[Transaction]) -> dict[str, tuple[str, ...]]:
    orders: dict[str, tuple[str, ...]] = {}
    for transaction in _judged(history):
        for op in transaction.operations:
            if isinstance(op, Read) and len(op.elements) > len(orders.get(op.key, ())):
                orders[op.key] = op.elements
    return orders


def _followers(
    history: Sequence[Transaction],
) -> tuple[dict[tuple[str, str | None], Transaction], list[Anomaly]]:
    followers: dict[tuple[str, str | None], Transaction] = {}
    found = []
    for transaction in _judged(history):
        for op in transaction.swaps():
            version = (op.key, op.found)
            other = followers.setdefault(version, transaction)
            if other is not transaction:
                about = f"{version} replaced by {other.name} and {transaction.name}"
                found.append(Anomaly("lost update", about))
    return followers, found


def _inside(transaction: Transaction) -> Iterator[Anomaly]:
    """Find readings that deny what the transaction itself had done before."""
    own: dict[str, tuple[str, ...]] = {}
    held: dict[str, str | None] = {}
    for op in transaction.operations:
        about = f"{transaction.name} at {op}"
        match op:
            case Append():
                own[op.key] = (*own.get(op.key, ()), op.element)
            case Read() if (mine := own.get(op.key)) and op.elements[-len(mine) :] != mine:
                yield Anomaly("internal", about)
            case Swap():
                if op.key in held and held[op.key] != op.found:
                    yield Anomaly("internal", about)
                held[op.key] = op.value
            case Read():
                pass
            case _:
                if held.setdefault(op.key, op.value) != op.value:
                    yield Anomaly("internal", about)


def _list_read(versions: Versions, reader: Transaction, read: Read) -> Iterator[Anomaly]:
    about = f"{reader.name} read {read.key} with {read.elements[-3:]} at its end"
    order = versions.orders.get(read.key, ())
    if len(set(read.elements)) < len(read.elements):
        yield Anomaly("duplicate", about)
    if tuple(order[: len(read.elements)]) != read.elements:
        yield Anomaly("incompatible order", f"{about}, another {tuple(order)}")
    for element in read.elements:
        yield from _source(versions, reader, read.key, element)
    if read.elements:
        yield from _intermediate(versions, reader, read)


def _intermediate(versions: Versions, reader: Transaction, read: Read) -> Iterator[Anomaly]:
    writer = versions.writers.get((read.key, read.elements[-1]))
    if writer is None or writer is reader:
        return
    last = [op.element for op in writer.appends() if op.key == read.key][-1]
    if last != read.elements[-1]:
        about = f"{reader.name} saw {writer.name} between its appends to {read.key}"
        yield Anomaly("G1b", about)


def _source(
    versions: Versions, reader: Transaction, key: str, version: str
) -> Iterator[Anomaly]:
    writer = versions.writers.get((key, version))
    if writer is None:
        yield Anomaly("from nowhere", f"{reader.name} saw {version} in {key}")
    elif writer.outcome == "failed":
        about = f"{reader.name} saw {version} in {key}, which {writer.name} took back"
        yield Anomaly("G1a", about)
