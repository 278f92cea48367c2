import pytest
import typer

from soul_connect.cli.arguments import Place, parse_percent, parse_place


@pytest.mark.parametrize(
    ("text", "ms", "relative"),
    [
        ("0", 0, False),
        ("90", 90_000, False),
        ("1:30", 90_000, False),
        ("1:02:03", 3_723_000, False),
        ("90.5", 90_500, False),
        ("0:01.250", 1_250, False),
        ("+10", 10_000, True),
        ("-10", -10_000, True),
        ("-1:00", -60_000, True),
        ("75:00", 4_500_000, False),
    ],
)
def test_positions(text: str, ms: int, relative: bool) -> None:
    assert parse_place(text) == Place(ms, relative)


@pytest.mark.parametrize(
    "text", ["", "x", "1:60", "1:2", "--10", "1:", ":30", "1e3", "9" * 9, "1:2:3", "nan", "\u0661"]
)
def test_what_is_no_position(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "now", "duration", "then"),
    [
        ("+10", 60_000, 180_000, 70_000),
        ("-10", 4_000, 180_000, 0),
        ("+10", 175_000, 180_000, 180_000),
        ("+10", 175_000, None, 185_000),
        ("5:00", 0, 180_000, 180_000),
        ("1:00", 90_000, 180_000, 60_000),
    ],
)
def test_from_here(text: str, now: int, duration: int | None, then: int) -> None:
    assert parse_place(text).from_here(now, duration) == then


@pytest.mark.parametrize(("text", "percent"), [("0", 0), ("100", 100), (" 40 ", 40), ("40%", 40), (7, 7)])
def test_volumes(text: str | int, percent: int) -> None:
    assert parse_percent(text) == percent


@pytest.mark.parametrize("text", ["101", "-1", "", "%", "1.5", "loud", "0x10", "٣"])
def test_volumes_that_are_none(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="0 to 100"):
        parse_percent(text)
