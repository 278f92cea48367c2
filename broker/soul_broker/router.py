"""Whom does a topic reach? Subscriptions by filter, so that a match costs no walk over filters.

Most filters have their only wildcard, if any, as their last level. These are looked up by
name: a topic `a/b/c` can be reached by `a/b/c`, `a/b/+`, `a/b/c/#`, `a/b/#`, `a/#` and `#`,
however many others there are, and one costs no more than an entry in a dict. The rest is
a tree by level. Answers are remembered for topics in use, until a filter comes or goes.
"""

from collections.abc import Iterator
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

    __slots__ = ("_found", "_named", "_root", "count")

    def __init__(self) -> None:
        self._named: dict[str, dict[S, int]] = {}
        self._root: _Node[S] = _Node()
        self._found: dict[str, tuple[dict[S, int], ...]] = {}
        self.count = 0
        """How many subscriptions there are."""

    def subscribe(self, subscriber: S, pattern: str, qos: int) -> None:
        """Add a subscription, or replace its QoS [MQTT-3.8.4-3]."""
        named = _is_named(pattern)
        subscribers = self._named.get(pattern) if named else self._node(pattern).subscribers
        if subscribers is None:
            subscribers = {}
            if named:
                self._named[pattern] = subscribers
            else:
                self._node(pattern).subscribers = subscribers
            self._forget()
        if subscriber not in subscribers:
            self.count += 1
        subscribers[subscriber] = qos

    def unsubscribe(self, subscriber: S, pattern: str) -> bool:
        """Take a subscription away; False where there was none. Empty levels are freed."""
        if not _is_named(pattern):
            return self._unsubscribe_below(subscriber, pattern.split("/"))
        subscribers = self._named.get(pattern)
        if subscribers is None or subscribers.pop(subscriber, None) is None:
            return False
        self.count -= 1
        if not subscribers:
            del self._named[pattern]
            self._forget()
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
        yield from self._named.items()
        pending: list[tuple[tuple[str, ...], _Node[S]]] = [((), self._root)]
        while pending:
            levels, node = pending.pop()
            if node.subscribers:
                yield "/".join(levels), node.subscribers
            for level, child in (node.children or {}).items():
                pending.append(((*levels, level), child))

    def _forget(self) -> None:
        if self._found:
            self._found = {}

    def _search(self, topic: str) -> Iterator[dict[S, int]]:
        named = self._named
        # A leading wildcard does not match what starts with $ [MQTT-4.7.2-1].
        wild = topic[:1] != "$"
        cut = topic.rfind("/") + 1
        names = [topic, f"{topic}/#"]
        if cut or wild:
            names.append(f"{topic[:cut]}+")
        while cut:
            names.append(f"{topic[:cut]}#")
            cut = topic.rfind("/", 0, cut - 1) + 1
        if wild:
            names.append("#")
        for name in names:
            subscribers = named.get(name)
            if subscribers is not None:
                yield subscribers
        if self._root.children is not None:
            yield from self._search_below(topic.split("/"), wild=wild)

    def _search_below(self, levels: list[str], *, wild: bool) -> Iterator[dict[S, int]]:
        nodes = [self._root]
        for place, level in enumerate(levels):
            following: list[_Node[S]] = []
            for node in nodes:
                children = node.children
                if children is None:
                    continue
                if place or wild:
                    if (rest := children.get("#")) is not None and rest.subscribers:
                        yield rest.subscribers
                    if (other := children.get("+")) is not None:
                        following.append(other)
                if (child := children.get(level)) is not None:
                    following.append(child)
            nodes = following
        for node in nodes:
            if node.subscribers:
                yield node.subscribers
            # `a/#` matches `a` too (section 4.7.1.2).
            if node.children and (rest := node.children.get("#")) is not None and rest.subscribers:
                yield rest.subscribers

    def _node(self, pattern: str) -> _Node[S]:
        node = self._root
        for level in pattern.split("/"):
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        return node

    def _unsubscribe_below(self, subscriber: S, levels: list[str]) -> bool:
        path = [self._root]
        for level in levels:
            children = path[-1].children
            child = children.get(level) if children is not None else None
            if child is None:
                return False
            path.append(child)
        node = path[-1]
        if node.subscribers is None or node.subscribers.pop(subscriber, None) is None:
            return False
        self.count -= 1
        if node.subscribers:
            return True
        node.subscribers = None
        self._forget()
        for place in range(len(levels) - 1, -1, -1):
            node, parent = path[place + 1], path[place]
            if node.subscribers or node.children or parent.children is None:
                break
            del parent.children[levels[place]]
            if not parent.children:
                parent.children = None
        return True


def _is_named(pattern: str) -> bool:
    """Whether the filter's only wildcard, if any, is its last level."""
    head = pattern[:-1]
    return "+" not in head and "#" not in head
