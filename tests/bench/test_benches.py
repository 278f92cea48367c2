"""The benches still run, on sizes that measure nothing."""

from pathlib import Path

from bench import figures, hop_bench, latency_bench, scale_bench


def test_latency(tmp_path: Path) -> None:
    times = latency_bench.measure(tmp_path, rounds=2, commands=3, pause=0, peers=False)
    assert list(times) == ["soul, simulated renderer", "soul, raw renderer"]
    for one in times.values():
        assert [len(each) for each in one.answered + one.elsewhere] == [3, 3, 3, 3]


def test_the_brokers_hop(tmp_path: Path) -> None:
    times = hop_bench.measure(tmp_path, rounds=1, messages=5, pause=0, names=["soul", "mosquitto"])
    assert [len(rounds[0]) for rounds in times.values()] == [5, 5]


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
