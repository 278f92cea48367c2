"""What others have named neither commands a terminal nor runs in a shell."""

import unicodedata

import pytest

from cli.test_show import devices, draw, state
from soul_connect.cli import show
from soul_connect.cli.exits import one_line
from soul_connect.cli.known import Known, remember, words
from soul_connect.cli.plain import plain
from soul_protocol.models import TrackError

EVIL = "\x1b]0;owned\x1b\\\x9b2J\u202egpj\u2028\r\nready"


def commands(text: str) -> list[str]:
    return [each for each in text if unicodedata.category(each) == "Cc" and each not in "\t\n"]


@pytest.mark.parametrize("text", ["Kitchen", "Café 音楽 👨‍👩‍👧 🎧", "a\tb", "", "\u00a0"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_what_a_terminal_obeys_becomes_a_question_mark() -> None:
    assert plain(EVIL) == "?]0;owned?\\?2J?gpj???ready"


def test_a_track_with_escape_sequences_is_drawn_without_them() -> None:
    bad = state(
        track_id=EVIL,
        queue=(EVIL,) * 12,
        is_playing=False,
        paused_reason=EVIL,
        error=TrackError(code=EVIL, track_id=EVIL),
    )
    named = [each.model_copy(update={"name": EVIL}) for each in devices()]
    view = show.queue_view(bad, rows=5)
    assert view is not None
    for drawn in (
        show.status_view(bad, named, 0, width=80),
        show.status_view(state(track_id=None), named, 0, width=80),
        show.devices_view(named, bad, 0, width=80),
        show.finding_view(EVIL, None, ok=False),
        view,
    ):
        text = draw(drawn).text
        assert commands(text) == []
        assert "\u202e" not in text


def test_brackets_of_others_are_no_markup() -> None:
    assert "[red]x[/red]" in draw(show.finding_view("[red]x[/red]", None, ok=True)).text


def test_what_a_server_says_is_one_plain_line() -> None:
    assert one_line(f"no: {EVIL}") == "no: ?]0;owned?\\?2J?gpj ready."


def test_a_name_beside_a_word_is_nothing_that_a_shell_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("SOUL_CONNECT_URL", "mqtt://127.0.0.1:1")
    monkeypatch.setenv("SOUL_CONNECT_TOKEN", "x.eyJzdWIiOiJhbGljZSJ9.x")
    remember("alice mqtt://127.0.0.1:1", [Known("1" * 36, "Bed \\$(reboot) `id` \"'", "web", is_online=True)])
    assert words("") == [("bed", "Bed __(reboot) _id_ __, web, online")]
