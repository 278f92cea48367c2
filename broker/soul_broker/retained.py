"""Retained messages in a tree by topic level: what does a new subscription get?

Bounded in number and in bytes; what would pass a bound is not retained, and the caller
counts it.
"""

from collections.abc import Iterator

from soul_broker.packets import Publish


class _Node:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] | None = None
        self.message: Publish | None = None


class RetainedMessages:
    """The last retained message of each topic (section 3.3.1.3)."""

    __slots__ = ("_max_bytes", "_max_count", "_root", "bytes", "count")

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._root = _Node()
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.count = 0
        self.bytes = 0
        """Topics and payloads together."""

    def keep(self, message: Publish) -> bool:
        """Retain a message in place of the former; an empty payload deletes it.

        Returns:
            False where a bound does not allow it; the former one is deleted then, since
            what is no longer true is not to be told [MQTT-3.3.1-7].
        """
        levels = message.topic.split("/")
        if not message.payload:
            self._delete(levels)
            return True
        former = self.get(message.topic)
        size = _size(message)
        grown = size - (_size(former) if former else 0)
        if (former is None and self.count >= self._max_count) or self.bytes + grown > self._max_bytes:
            self._delete(levels)
            return False
        node = self._root
        for level in levels:
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        node.message = message
        self.bytes += grown
        if former is None:
            self.count += 1
        return True

    def get(self, topic: str) -> Publish | None:
        """The retained message of exactly this topic."""
        node = self._root
        for level in topic.split("/"):
            child = node.children.get(level) if node.children is not None else None
            if child is None:
                return None
            node = child
        return node.message

    def matching(self, pattern: str) -> Iterator[Publish]:
        """The retained messages that a well formed filter matches."""
        levels = pattern.split("/")
        pending = [(self._root, 0)]
        while pending:
            node, place = pending.pop()
            if place == len(levels):
                if node.message is not None:
                    yield node.message
                continue
            level = levels[place]
            if level == "#":
                yield from self._below(node, top=place == 0)
                continue
            if node.children is None:
                continue
            if level == "+":
                for name, child in node.children.items():
                    # A leading wildcard does not match what starts with $ [MQTT-4.7.2-1].
                    if place or name[:1] != "$":
                        pending.append((child, place + 1))
            elif (child_ := node.children.get(level)) is not None:
                pending.append((child_, place + 1))

    def all(self) -> Iterator[Publish]:
        """Every retained message, those under $ too."""
        return self._below(self._root, top=False)

    def clear(self) -> None:
        """Forget all of them."""
        self._root = _Node()
        self.count = 0
        self.bytes = 0

    @staticmethod
    def _below(node: _Node, *, top: bool) -> Iterator[Publish]:
        pending = [node]
        if top:
            pending = [child for name, child in (node.children or {}).items() if name[:1] != "$"]
        while pending:
            node = pending.pop()
            if node.message is not None:
                yield node.message
            if node.children is not None:
                pending.extend(node.children.values())

    def _delete(self, levels: list[str]) -> None:
        path = [self._root]
        for level in levels:
            children = path[-1].children
            child = children.get(level) if children is not None else None
            if child is None:
                return
            path.append(child)
        node = path[-1]
        if node.message is None:
            return
        self.count -= 1
        self.bytes -= _size(node.message)
        node.message = None
        for place in range(len(levels) - 1, -1, -1):
            node, parent = path[place + 1], path[place]
            if node.message is not None or node.children or parent.children is None:
                return
            del parent.children[levels[place]]
            if not parent.children:
                parent.children = None


def _size(message: Publish) -> int:
    return len(message.topic) + len(message.payload)
