"""Subscriptions in a tree by topic level: whom does a topic reach?

The cost of a match depends on the depth of the topic, not on how many filters there
are. Found paths are remembered for topics in use, until the tree changes its shape.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

S = TypeVar("S")

_REMEMBERED_TOPICS: Final = 8_192


class _Node(Generic[S]):
    """One level of filters; `subscribers` are those whose filter ends here."""

    __slots__ = ("children", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[S]] | None = None
        self.subscribers: dict[S, int] | None = None


class Router(Generic[S]):
    """Subscribers, any hashable kind, by well formed topic filter."""

    __slots__ = ("_found", "_root", "count")

    def __init__(self) -> None:
        self._root: _Node[S] = _Node()
        self._found: dict[str, tuple[dict[S, int], ...]] = {}
        self.count = 0
        """How many subscriptions there are."""

    def subscribe(self, subscriber: S, pattern: str, qos: int) -> None:
        """Add a subscription, or replace its QoS [MQTT-3.8.4-3]."""
        node = self._root
        for level in pattern.split("/"):
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        if node.subscribers is None:
            node.subscribers = {}
            if self._found:
                self._found = {}
        if subscriber not in node.subscribers:
            self.count += 1
        node.subscribers[subscriber] = qos

    def unsubscribe(self, subscriber: S, pattern: str) -> bool:
        """Take a subscription away; False where there was none. Empty levels are freed."""
        levels = pattern.split("/")
        path = [self._root]
        for level in levels:
            children = path[-1].children
            child = children.get(level) if children is not None else None
            if child is None:
                return False
            path.append(child)
        node = path[-1]
        if node.subscribers is None or subscriber not in node.subscribers:
            return False
        del node.subscribers[subscriber]
        self.count -= 1
        if not node.subscribers:
            node.subscribers = None
            if self._found:
                self._found = {}
            self._prune(path, levels)
        return True

    def match(self, topic: str) -> tuple[dict[S, int], ...]:
        """The subscribers of every filter that matches `topic`: {subscriber: QoS} for each.

        One may occur in several. The dicts are live: copy before anything may change them.
        """
        found = self._found.get(topic)
        if found is None:
            if len(self._found) >= _REMEMBERED_TOPICS:
                self._found = {}
            found = self._found[topic] = tuple(self._search(topic))
        return found

    def receivers(self, topic: str) -> dict[S, int]:
        """Each subscriber that `topic` reaches once, with its highest QoS [MQTT-3.3.5-1]."""
        merged: dict[S, int] = {}
        for subscribers in self.match(topic):
            for subscriber, qos in subscribers.items():
                if qos > merged.get(subscriber, -1):
                    merged[subscriber] = qos
        return merged

    def filters(self) -> Iterator[tuple[str, dict[S, int]]]:
        """Every filter with its subscribers, {subscriber: QoS}."""
        pending: list[tuple[tuple[str, ...], _Node[S]]] = [((), self._root)]
        while pending:
            levels, node = pending.pop()
            if node.subscribers:
                yield "/".join(levels), node.subscribers
            for level, child in (node.children or {}).items():
                pending.append(((*levels, level), child))

    def _search(self, topic: str) -> Iterator[dict[S, int]]:
        levels = topic.split("/")
        nodes = [self._root]
        for place, level in enumerate(levels):
            following: list[_Node[S]] = []
            # A leading wildcard does not match what starts with $ [MQTT-4.7.2-1].
            wild = place > 0 or level[:1] != "$"
            for node in nodes:
                children = node.children
                if children is None:
                    continue
                if wild:
                    yield from self._ending(children.get("#"))
                    other = children.get("+")
                    if other is not None:
                        following.append(other)
                child = children.get(level)
                if child is not None:
                    following.append(child)
            if not following:
                return
            nodes = following
        for node in nodes:
            yield from self._ending(node)
            if node.children is not None:
                # `a/#` matches `a` too (section 4.7.1.2).
                yield from self._ending(node.children.get("#"))

    @staticmethod
    def _ending(node: _Node[S] | None) -> Iterable[dict[S, int]]:
        return () if node is None or node.subscribers is None else (node.subscribers,)

    @staticmethod
    def _prune(path: list[_Node[S]], levels: list[str]) -> None:
        for place in range(len(levels) - 1, -1, -1):
            node, parent = path[place + 1], path[place]
            if node.subscribers or node.children or parent.children is None:
                return
            del parent.children[levels[place]]
            if not parent.children:
                parent.children = None
