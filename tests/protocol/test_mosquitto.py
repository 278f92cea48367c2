"""mosquitto's ACL file says what the grants say."""

import runpy
import sys
from pathlib import Path

import pytest

from soul_protocol.mosquitto import acl_file
from soul_protocol.roles import Identity, Role, grant_for

SAMPLE = Path(__file__).parents[2] / "config" / "mosquitto.acl"


def test_the_sample_is_what_the_grants_make() -> None:
    assert SAMPLE.read_text() == acl_file()


def test_every_line_is_a_grant_and_every_grant_a_line() -> None:
    rules = [line.split(" ") for line in acl_file().splitlines() if line and not line.startswith("#")]
    device = grant_for(Identity("ann", Role.DEVICE, "D"))
    patterns = [
        (word, topic.replace("%u", "ann").replace("%c", "D"))
        for kind, word, topic in (rule for rule in rules if rule[0] == "pattern")
    ]
    assert patterns == [
        *(("write", topic) for topic in device.publish),
        *(("read", topic) for topic in device.subscribe),
    ]
    service = grant_for(Identity("coordinator", Role.SERVICE))
    assert rules[0] == ["user", "coordinator"]
    topics = {topic: word for kind, word, topic in (rule for rule in rules if rule[0] == "topic")}
    assert set(topics) == set(service.subscribe)
    assert {topic for topic, word in topics.items() if word == "readwrite"} == set(service.publish)


def test_it_prints_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "soul_protocol.mosquitto")
    runpy.run_module("soul_protocol.mosquitto", run_name="__main__")
    assert capsys.readouterr().out == SAMPLE.read_text()
