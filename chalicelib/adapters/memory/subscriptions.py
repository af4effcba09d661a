"""Subscriptions in memory: a lookup for each prefix of a key, then a tree of intervals.

Matching takes time that grows with what is found, and with the logarithm of the different
intervals under one prefix; how many subscriptions there are elsewhere does not matter.
"""

from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Final

from chalicelib.engine.log import IndexKey
from chalicelib.engine.ports import Subscription, prefixes

_BEYOND: Final = b"\xff" * 1025
"""Above every row key, since none is this long: stands for an interval without an end."""


class _Node:
    """An interval, who reads it, and the roots of the intervals that sort before and after.

    A treap: sorted by interval from left to right, by a hash from top to bottom, which
    keeps it balanced. ``top`` is the highest end of any interval at or below this node.
    """

    __slots__ = ("high", "left", "low", "rank", "readers", "right", "top")

    def __init__(self, low: bytes, high: bytes) -> None:
        self.low, self.high, self.top = low, high, high
        self.rank = hash((low, high))
        self.readers: set[str] = set()
        self.left: _Node | None = None
        self.right: _Node | None = None

    def measure(self) -> None:
        """Find ``top`` again after a child has changed."""
        top = self.high
        if self.left is not None and self.left.top > top:
            top = self.left.top
        if self.right is not None and self.right.top > top:
            top = self.right.top
        self.top = top


class MemorySubscriptions:
    """A tree of intervals for each index and prefix; for each connection, what it has."""

    def __init__(self) -> None:
        self._trees: dict[IndexKey, _Node] = {}
        self._held: dict[str, set[Subscription]] = {}
        self._lock = RLock()

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Record subscriptions."""
        with self._lock:
            for subscription in subscriptions:
                held = self._held.setdefault(subscription.connection, set())
                if subscription in held:
                    continue
                held.add(subscription)
                self._add(subscription)

    def remove(self, subscriptions: Sequence[Subscription]) -> None:
        """Forget subscriptions."""
        with self._lock:
            for subscription in subscriptions:
                held = self._held.get(subscription.connection)
                if held is None or subscription not in held:
                    continue
                held.remove(subscription)
                if not held:
                    del self._held[subscription.connection]
                self._remove(subscription)

    def remove_all(self, connection: str) -> None:
        """Forget every subscription of a connection."""
        with self._lock:
            for subscription in self._held.pop(connection, ()):
                self._remove(subscription)

    def match(self, keys: Iterable[IndexKey], *, newest: bool = True) -> set[str]:
        """Find the connections that read one of ``keys``; nothing lags here."""
        del newest
        found: set[str] = set()
        trees = self._trees
        with self._lock:
            for index, key in keys:
                for prefix in prefixes(key):
                    root = trees.get((index, prefix))
                    if root is not None:
                        _collect(root, key, found)
        return found

    def _add(self, subscription: Subscription) -> None:
        place = subscription.interval.index, subscription.prefix
        low, high = _span(subscription)
        root = self._trees.get(place)
        node = _find(root, low, high)
        if node is None:
            node = _Node(low, high)
            self._trees[place] = _insert(root, node)
        node.readers.add(subscription.connection)

    def _remove(self, subscription: Subscription) -> None:
        place = subscription.interval.index, subscription.prefix
        low, high = _span(subscription)
        root = self._trees[place]
        node = _find(root, low, high)
        if node is None:
            raise AssertionError("a subscription is held that is in no tree")
        node.readers.remove(subscription.connection)
        if node.readers:
            return
        rest = _delete(root, low, high)
        if rest is None:
            del self._trees[place]
        else:
            self._trees[place] = rest


def _span(subscription: Subscription) -> tuple[bytes, bytes]:
    interval = subscription.interval
    return interval.low, _BEYOND if interval.high is None else interval.high


def _collect(root: _Node | None, key: bytes, found: set[str]) -> None:
    """Add the readers of every interval of a tree that holds ``key``."""
    node = root
    while node is not None and node.top > key:
        below = node.left
        if below is not None and below.top > key:
            _collect(below, key, found)
        if node.low > key:
            return
        if node.high > key:
            found |= node.readers
        node = node.right


def _find(node: _Node | None, low: bytes, high: bytes) -> _Node | None:
    while node is not None and (node.low, node.high) != (low, high):
        node = node.left if (low, high) < (node.low, node.high) else node.right
    return node


def _insert(root: _Node | None, node: _Node) -> _Node:
    if root is None:
        return node
    if node.rank > root.rank:
        node.left, node.right = _split(root, node.low, node.high)
        node.measure()
        return node
    if (node.low, node.high) < (root.low, root.high):
        root.left = _insert(root.left, node)
    else:
        root.right = _insert(root.right, node)
    root.measure()
    return root


def _split(
    root: _Node | None, low: bytes, high: bytes
) -> tuple[_Node | None, _Node | None]:
    """Cut a tree in two: what sorts before the interval, and what sorts after."""
    if root is None:
        return None, None
    if (root.low, root.high) < (low, high):
        root.right, rest = _split(root.right, low, high)
        root.measure()
        return root, rest
    rest, root.left = _split(root.left, low, high)
    root.measure()
    return rest, root


def _delete(root: _Node | None, low: bytes, high: bytes) -> _Node | None:
    if root is None:
        return None
    if (root.low, root.high) == (low, high):
        return _join(root.left, root.right)
    if (low, high) < (root.low, root.high):
        root.left = _delete(root.left, low, high)
    else:
        root.right = _delete(root.right, low, high)
    root.measure()
    return root


def _join(left: _Node | None, right: _Node | None) -> _Node | None:
    """Make one tree of two, all of the first sorting before all of the second."""
    if left is None or right is None:
        return left or right
    if left.rank > right.rank:
        left.right = _join(left.right, right)
        left.measure()
        return left
    right.left = _join(left, right.left)
    right.measure()
    return right
