"""Who may publish and subscribe where: pure rules over topic filters, deny by default.

A grant says what is allowed, as filters. It is compiled once for each connection, at
CONNECT; after that a decision is a string comparison, and none is made per receiver: a
subscription is granted only where every topic that it can match is granted, so that
whatever matches it may be delivered.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from soul_broker.topics import is_filter, is_topic, matches, shared_filter, within_bounds
from soul_protocol.roles import Grant

__all__ = ["EVERYTHING", "Permissions", "Rules", "compile_grant", "contains", "matches"]


def contains(granted: str, requested: str) -> bool:
    """Whether every topic that `requested` can match is matched by `granted`.

    Both are well formed filters. `a/#` is not contained in `a/+`, nor in `a/+/#` (it
    matches `a`); a leading wildcard contains nothing that starts with `$` [MQTT-4.7.2-1].
    `$share/GROUP/F` is judged by F.
    """
    inner = shared_filter(requested)
    if inner is not None:
        return is_filter(inner) and contains(granted, inner)
    if requested[:1] == "$" and granted[:1] in ("+", "#"):
        return False
    have = granted.split("/")
    want = requested.split("/")
    if want == ["#"]:
        # Every topic has a first level, so that `#` says no more than `+/#`.
        want = ["+", "#"]
    for place, level in enumerate(have):
        if level == "#":
            return True
        if place == len(want) or want[place] == "#" or level not in ("+", want[place]):
            return False
    return len(have) == len(want)


_NOTHING: Final[frozenset[str]] = frozenset()


class Rules(Protocol):
    """What a connection asks before it does something."""

    @property
    def will(self) -> bool:
        """Whether a last will is allowed at all."""

    @property
    def retain(self) -> bool:
        """Whether retained messages may be published."""

    def may_publish(self, topic: str) -> bool:
        """Whether `topic`, a well formed name, may be published to."""

    def may_subscribe(self, pattern: str) -> bool:
        """Whether `pattern`, a well formed filter, may be subscribed to."""

    def own(self, pattern: str) -> str:
        """The same filter; the string that is held already, where there is one."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """A compiled grant. Made by `compile_grant`."""

    subscribe: tuple[str, ...]
    will: bool
    retain: bool
    exact: frozenset[str] = _NOTHING
    one_level: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def may_publish(self, topic: str) -> bool:
        """Whether `topic`, a well formed name, may be published to."""
        if topic in self.exact:
            return True
        for prefix in self.one_level:
            if topic.startswith(prefix) and topic.find("/", len(prefix)) < 0:
                return True
        if self.trees and topic.startswith(self.trees):
            return True
        return any(matches(pattern, topic) for pattern in self.patterns)

    def may_subscribe(self, pattern: str) -> bool:
        """Whether `pattern`, a well formed filter, may be subscribed to."""
        # Who keeps to the contract subscribes to what is granted, word for word.
        return pattern in self.subscribe or any(contains(granted, pattern) for granted in self.subscribe)

    def own(self, pattern: str) -> str:
        """The same filter; where it is granted word for word, the string that is held already."""
        for granted in self.subscribe:
            if granted == pattern:
                return granted
        return pattern

    def may_receive(self, topic: str) -> bool:
        """Whether `topic` may be delivered; SoulBroker need not ask, see the module."""
        return any(matches(granted, topic) for granted in self.subscribe)


def compile_grant(grant: Grant) -> Permissions:
    """The fast form of a grant. Malformed filters in it grant nothing."""
    exact: list[str] = []
    one_level: list[str] = []
    trees: list[str] = []
    patterns: list[str] = []
    for pattern in grant.publish:
        if not is_filter(pattern):
            continue
        head = pattern[:-1]
        if is_topic(pattern):
            exact.append(pattern)
        elif pattern.endswith("/+") and is_topic(head):
            one_level.append(head)
        elif pattern.endswith("/#") and is_topic(head):
            # `a/#` matches `a` too.
            exact.append(pattern[:-2])
            trees.append(head)
        else:
            patterns.append(pattern)
    return Permissions(
        subscribe=tuple(pattern for pattern in grant.subscribe if is_filter(pattern)),
        will=grant.will,
        retain=grant.retain,
        # An empty frozenset is an object of 216 bytes in every connection.
        exact=frozenset(exact) if exact else _NOTHING,
        one_level=tuple(one_level),
        trees=tuple(trees),
        patterns=tuple(patterns),
    )


@dataclass(frozen=True, slots=True)
class _Everything:
    """What plugins alone decide about, where no token verifier is configured."""

    will: bool = True
    retain: bool = True

    def may_publish(self, topic: str) -> bool:
        """Any topic but the broker's own, those under `$`."""
        return topic[:1] != "$"

    def may_subscribe(self, pattern: str) -> bool:
        """Any filter within our bounds."""
        return within_bounds(pattern)

    def own(self, pattern: str) -> str:
        """The same."""
        return pattern


EVERYTHING: Final[Rules] = _Everything()
