"""Topic names and topic filters: what is well formed, and what matches (section 4.7)."""

from typing import Final

MAX_CHARACTERS: Final = 1_024
"""Our bound on a topic; the contract's longest has about 170 bytes. MQTT allows 65,535."""

MAX_LEVELS: Final = 32
"""Our bound on the depth, so that no topic makes a tree deeper than this."""

SHARE: Final = "$share/"


def is_topic(topic: str) -> bool:
    """Whether a PUBLISH may carry `topic`: not empty, no wildcard, no NUL [MQTT-3.3.2-2]."""
    return bool(topic) and not ("+" in topic or "#" in topic or "\0" in topic)


def is_filter(pattern: str) -> bool:
    """Whether `pattern` is a well formed filter [MQTT-4.7.1-2] [MQTT-4.7.1-3]."""
    head = pattern[:-1]
    if not pattern or "\0" in pattern or "#" in head:
        return False
    if pattern[-1] == "#" and head and head[-1] != "/":
        return False
    return "+" not in pattern or all(level == "+" or "+" not in level for level in pattern.split("/"))


def within_bounds(topic: str) -> bool:
    """Whether a topic or filter keeps our bounds on length and depth."""
    return len(topic) <= MAX_CHARACTERS and topic.count("/") < MAX_LEVELS


def matches(pattern: str, topic: str) -> bool:
    """Whether a well formed filter matches a topic.

    A leading wildcard does not match a topic that starts with `$` [MQTT-4.7.2-1].
    """
    if topic[:1] == "$" and pattern[:1] in ("+", "#"):
        return False
    wanted = pattern.split("/")
    levels = topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place == len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


def shared_filter(pattern: str) -> str | None:
    """The F of `$share/GROUP/F`; None where `pattern` is no shared subscription."""
    if not pattern.startswith(SHARE):
        return None
    _, _, inner = pattern[len(SHARE) :].partition("/")
    return inner
