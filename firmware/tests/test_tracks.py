"""Lists of tracks in long payloads, read where they are; and those that are kept."""

import json

from soul.contract import MESSAGES
from soul.tracks import PAGE, Listed, Tracks, find, shelf
from soul.wire import decode, is_sound

STRANGE = [
    "a",
    ",",
    "]",
    '"',
    "\\",
    '\\"',
    "],[",
    '","',
    "\u00e4\u20ac",
    "\n",
    "x" * 256,
    "{}",
    ' "]',
    "\\\\",
]


def payload_of(tracks, **more):
    state = {"queue": tracks, "position_ms": 7, "last": "y"}
    return json.dumps(dict(type="playback_state", state=state, **more)).encode()


def listed(text):
    payload = text.encode()
    return Listed(memoryview(payload), payload.index(b"[") + 1)


def all_of(tracks):
    return [tracks[place] for place in range(len(tracks))]


def test_a_long_message_is_read_with_its_tracks_where_they_are():
    tracks = ["%08d-0000-4000-8000" % n for n in range(500)]
    payload = memoryview(payload_of(tracks))
    message = decode(payload)
    state = message["state"]
    assert isinstance(state["queue"], Listed) and state["queue"].sound
    assert state["position_ms"] == 7 and state["last"] == "y"
    assert len(state["queue"]) == 500 and all_of(Tracks(state["queue"])) == tracks
    # A short one is read as it is.
    assert decode(payload_of(["a"]))["state"]["queue"] == ["a"]


def test_whatever_letters_are_in_them():
    for shift in range(60):  # wherever the edges of the pieces fall
        tracks = ["-" * (shift + 1)] + STRANGE * 12
        message = decode(memoryview(payload_of(tracks)))
        assert isinstance(message["state"]["queue"], Listed)
        assert all_of(Tracks(message["state"]["queue"])) == tracks, shift


def test_escapes_and_spaces_of_another_encoder():
    text = '[ "\\u00e4" ,\n"\\ud83c\\udfb5","a\\/b" , "\\"]" ]'
    tracks = Tracks(listed(text))
    assert len(tracks) == 4 and tracks[0] == "\u00e4" and tracks[2] == "a/b" and tracks[3] == '"]'


def test_what_is_no_list_of_texts_is_none():
    for text in (
        "[1]",
        '["a",1]',
        '["a"',
        '["a',
        '["a""b"]',
        '["a",]',
        '[,"a"]',
        '[["a"]]',
        '["a" "b"]',
        "[",
        '["' + "x" * 9000,
    ):
        try:
            found = listed(text)
        except ValueError:
            continue
        raise AssertionError((text, all_of(Tracks(found))))
    assert len(listed("[]")) == 0 and len(listed("[ ]")) == 0


def test_an_id_that_is_none_is_found():
    assert listed('["a"]').sound and not listed('["a",""]').sound
    assert not listed('["' + "x" * 257 + '"]').sound and listed('["' + "x" * 256 + '"]').sound
    message = decode(memoryview(payload_of(["x" * 257] * 9)))
    assert not message["state"]["queue"].sound


def test_a_word_in_a_text_is_not_the_name_of_a_list():
    tracks = ['"queue":["no"]', "queue", '"queue": [', "tracks"] * 40
    message = decode(memoryview(payload_of(tracks, notice='"queue":["no","no"]', code="queue")))
    assert all_of(Tracks(message["state"]["queue"])) == tracks
    assert message["notice"] == '"queue":["no","no"]'
    assert find(memoryview(b'{"type":"notice","message":"' + b"queue" * 300 + b'"}')) is None


def test_the_other_devices_of_a_long_message_are_left_out():
    devices = [{"name": 'x"]}[\\', "capabilities": {"formats": ["wav"] * n}} for n in range(20)]
    tracks = ["t%d" % n for n in range(300)]
    message = decode(memoryview(payload_of(tracks, devices=devices, after=1)))
    assert message["devices"] == [] and message["after"] == 1
    assert all_of(Tracks(message["state"]["queue"])) == tracks


def test_tracks_among_the_other_devices_make_no_message():
    inner = json.dumps({"queue": ["t%d" % n for n in range(300)]})
    text = '{"type":"registered","devices":[' + inner + '],"current_state":{}}'
    assert decode(memoryview(text.encode())) is None


def test_half_a_message_is_none():
    payload = payload_of(["%08d" % n for n in range(300)], devices=[{"name": "n"}])
    for end in range(1, len(payload) - 1, 7):
        message = decode(memoryview(payload[:end] + b"}"))
        # MicroPython's JSON takes some halves for a message; `is_sound` finds that something is missing.
        assert message is None or not is_sound(message, MESSAGES["registered"])


def test_one_queue_is_on_the_shelf_and_an_earlier_one_is_none():
    before = shelf.memory
    try:
        shelf.make(4096)
        one, two = (["%s-%06d" % (name, n) for n in range(200)] for name in "ab")
        first = Tracks(decode(memoryview(payload_of(one)))["state"]["queue"])
        payload = bytearray(payload_of(two))
        assert all_of(first) == one
        second = Tracks(decode(memoryview(payload))["state"]["queue"])
        payload[:] = bytes(len(payload))  # the link reads the next message
        assert all_of(second) == two and len(first) == 0
        try:
            first[0]
        except IndexError:
            pass
        else:
            raise AssertionError("there is none")
        # One that is too long for it has memory of its own.
        three = ["%0100d" % n for n in range(60)]
        third = Tracks(decode(memoryview(payload_of(three)))["state"]["queue"])
        assert all_of(third) == three and all_of(second) == two
    finally:
        shelf.memory = before


def test_a_short_list_is_kept_as_well():
    tracks = Tracks(["t%d" % n for n in range(3 * PAGE + 1)])
    assert tracks[0] == "t0" and tracks[PAGE] == "t16" and tracks[3 * PAGE] == "t48"
    assert len(Tracks()) == 0 and len(Tracks(())) == 0
