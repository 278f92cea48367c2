"""The benches still run, on sizes that measure nothing."""

from pathlib import Path

import pytest

from bench import broker_idle, figures, hop_bench, latency_bench, scale_bench
from bench.broker_engines import FLOOR, PASSWORDS, started
from bench.broker_report import picture, tables


def test_latency(tmp_path: Path) -> None:
    paces = latency_bench.measure(tmp_path, rounds=2, commands=3, pauses=[0.005, 0.0], peers=False)
    assert len(paces) == 2
    times = paces[1]
    assert list(times) == ["soul, simulated renderer", "soul, raw renderer"]
    for one in times.values():
        assert [len(each) for each in one.answered + one.elsewhere] == [3, 3, 3, 3]


def test_the_brokers_hop(tmp_path: Path) -> None:
    times = hop_bench.measure(tmp_path, rounds=1, messages=5, pause=0, names=["soul", "mosquitto"])
    assert [len(rounds[0]) for rounds in times.values()] == [5, 5]


@pytest.mark.parametrize("name", ["soul", "mosquitto", PASSWORDS, FLOOR])
def test_a_crowd_that_connects(name: str, tmp_path: Path) -> None:
    with started(name, tmp_path, users=3) as engine:
        files = engine.sockets()
        storms = [broker_idle.storm(engine) for _ in range(2)]
        # What asked whether it listens may have been open still.
        assert engine.sockets() <= files
    assert all(one.rate > 0 and one.cpu > 0 for one in storms)


def test_the_brokers_tables() -> None:
    results = {
        "memory": {"KB per idle connection, TCP": {"soul": [1.0, 3.0], "amqtt": [50.0]}},
        "storm": {"again: CPU µs a client": {"soul": [50.0], PASSWORDS: [150.0, 149.0, 148.0]}},
    }
    assert tables(results).splitlines() == [
        "| | soul | amqtt |",
        "| --- | ---: | ---: |",
        "| KB per idle connection, TCP | 2 | 50 |",
        "",
        "| 1,000 clients connect and subscribe | again: CPU µs a client |",
        "| --- | ---: |",
        "| soul: ES256 tokens, ACL | 50 |",
        "| mosquitto: password file | 149 |",
    ]
    assert "1,000 clients come back" in picture(results)


def test_scale(tmp_path: Path) -> None:
    result = scale_bench.measure(tmp_path / "2", users=2, devices=3, seconds=1.5, commands=4)
    assert result.load["lost"] == 0
    assert result.load["refused"] == []
    for name in ("executed", "position", "state"):
        assert result.load[name], name
    assert len(result.row()) == len(scale_bench.HEAD)


def test_figures() -> None:
    assert figures.percentile(range(100), 0.5) == 50
    assert figures.percentile([3.0], 0.99) == 3.0
    # The disturbed round does not count.
    assert figures.over_rounds([[1.0, 2.0], [1.0, 2.0], [50.0, 90.0]], 0.99) == 2.0
    assert figures.milliseconds([[0.001], [0.002], [0.003]]) == "2.00 / 2.00"
    assert figures.table(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
