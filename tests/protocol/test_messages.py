"""Every message: a good one passes and comes back unchanged, a bad value changes nothing."""

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from protocol.samples import (
    CAPABILITIES,
    CONN,
    DEVICE,
    DOWN,
    OTHER,
    REGISTER,
    REPORT,
    REQUEST,
    STATE,
    TRANSFER,
    UP,
    Json,
    command,
    execute,
    set_queue,
)
from soul_protocol import codec, up
from soul_protocol.errors import MEANING, Code, ContractError
from soul_protocol.topics import AllChannel, DownChannel, UpChannel


def wire(message: object) -> bytes:
    return json.dumps(message).encode()


def named(rows: list[Any]) -> list[Any]:
    return [pytest.param(*row, id=f"{row[0]}-{row[1]['type']}-{n}") for n, row in enumerate(rows)]


def refusal(channel: UpChannel, message: object) -> ContractError:
    payload = message if isinstance(message, bytes) else wire(message)
    with pytest.raises(ContractError) as caught:
        codec.decode_up(channel, payload)
    return caught.value


def test_models_are_built_when_they_are_needed_or_all_at_once() -> None:
    code = (
        "from soul_protocol import codec, up, down\n"
        "every = [kind for kinds in (*up.MESSAGES.values(), *down.MESSAGES.values()) for kind in kinds]\n"
        "print(any(kind.__pydantic_complete__ for kind in every))\n"
        "codec.prepare()\n"
        "print(all(kind.__pydantic_complete__ for kind in every))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    codec.prepare()  # here as well, whatever is built already
    assert up.Register.__pydantic_complete__


@pytest.mark.parametrize(("channel", "message"), named(UP))
def test_good_messages_up_pass_and_come_back(channel: UpChannel, message: Json) -> None:
    decoded = codec.decode_up(channel, wire(message))
    assert codec.decode_up(channel, codec.encode(decoded)) == decoded
    again = json.loads(codec.encode(decoded))
    assert {name: again[name] for name in message} == message
    assert up.channel_of(decoded) is channel


@pytest.mark.parametrize(("channel", "message"), named(DOWN))
def test_good_messages_down_pass_and_come_back(channel: DownChannel | AllChannel, message: Json) -> None:
    decoded = codec.decode_down(channel, wire(message))
    assert json.loads(codec.encode(decoded)) == message


@pytest.mark.parametrize(("channel", "message"), named(UP))
def test_unknown_fields_are_ignored(channel: UpChannel, message: Json) -> None:
    plain = codec.decode_up(channel, wire(message))
    assert codec.decode_up(channel, wire(message | {"later_version": {"a": [1]}})) == plain


@pytest.mark.parametrize(("channel", "message"), named(UP))
def test_a_message_on_another_channel_is_invalid(channel: UpChannel, message: Json) -> None:
    for other in UpChannel:
        if other is not channel:
            assert refusal(other, message).code is Code.INVALID_COMMAND


@pytest.mark.parametrize(("channel", "message"), named(UP))
def test_the_type_must_be_there(channel: UpChannel, message: Json) -> None:
    untyped = {name: value for name, value in message.items() if name != "type"}
    error = refusal(channel, untyped)
    assert error.code is Code.INVALID_COMMAND
    assert error.id == message.get("id")
    assert refusal(channel, message | {"type": "sing"}).code is Code.INVALID_COMMAND


def test_the_command_in_a_queue_message_must_have_its_type_too() -> None:
    message = set_queue(["a"])
    del message["command"]["type"]
    assert refusal(UpChannel.QUEUE, message).id == REQUEST


UPDATE: Json = {"type": "state_update", "conn": CONN, "seq": 1}


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (UpChannel.REGISTER, REGISTER | {"conn": "0123456789ABCDEF"}),
        (UpChannel.REGISTER, REGISTER | {"conn": "0123"}),
        (UpChannel.REGISTER, REGISTER | {"protocol": 2}),
        (UpChannel.REGISTER, REGISTER | {"resume": "yes"}),
        (UpChannel.REGISTER, REGISTER | {"device": {}}),
        (UpChannel.REGISTER, REGISTER | {"device": REGISTER["device"] | {"device_type": "toaster"}}),
        (UpChannel.REGISTER, REGISTER | {"device": REGISTER["device"] | {"volume": 1.01}}),
        (
            UpChannel.REGISTER,
            REGISTER
            | {"device": REGISTER["device"] | {"capabilities": CAPABILITIES | {"max_payload_bytes": 5}}},
        ),
        (UpChannel.REGISTER, REGISTER | {"last_known_state": REPORT}),
        (UpChannel.PING, {"type": "ping", "t0": 1.5}),
        (UpChannel.PING, {"type": "ping", "t0": 2**60}),
        (UpChannel.QUERY, {"type": "request_state", "id": "1"}),
        (UpChannel.COMMAND, command("seek", position_ms=-1)),
        (UpChannel.COMMAND, command("seek", position_ms="1")),
        (UpChannel.COMMAND, command("seek")),
        (UpChannel.COMMAND, command("set_volume", volume=-0.1)),
        (UpChannel.COMMAND, command("set_volume", volume=True)),
        (UpChannel.COMMAND, command("set_repeat", mode="sometimes")),
        (UpChannel.COMMAND, command("set_queue", tracks=[], start_index=0)),
        (UpChannel.COMMAND, command("dance")),
        (UpChannel.COMMAND, command("play") | {"target_device": OTHER.upper().replace("2", "A")}),
        (UpChannel.COMMAND, command("play") | {"issued_at": -1}),
        (UpChannel.QUEUE, set_queue(["a"], 1)),
        (UpChannel.QUEUE, set_queue([], 1)),
        (UpChannel.QUEUE, set_queue([""])),
        (UpChannel.QUEUE, set_queue(["x" * 257])),
        (UpChannel.TRANSFER, {"type": "transfer_playback", "id": REQUEST, "to_device": "kitchen"}),
        (
            UpChannel.TRANSFER,
            {"type": "transfer_playback", "id": REQUEST, "to_device": OTHER, "options": {"play": "loud"}},
        ),
        (UpChannel.MANAGE, {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": "  "}),
        (UpChannel.MANAGE, {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": "x" * 65}),
        (UpChannel.MANAGE, {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": "a\x07"}),
        (UpChannel.MANAGE, {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": 7}),
        (UpChannel.STATE, UPDATE),
        (UpChannel.STATE, UPDATE | {"volume": 0.5, "state": REPORT}),
        (UpChannel.STATE, UPDATE | {"volume": 0.5, "seq": 0}),
        (UpChannel.STATE, UPDATE | {"volume": 0.5, "applied": [REQUEST] * 65}),
        (UpChannel.STATE, UPDATE | {"volume": 0.5, "refused": [{"id": REQUEST, "code": "bored"}]}),
        (UpChannel.STATE, UPDATE | {"state": REPORT | {"queue_position": 2}}),
        (UpChannel.STATE, UPDATE | {"state": REPORT | {"position_ms": 2**53}}),
        (UpChannel.OUTCOME, {"type": "playback_ready", "transfer_id": "1"}),
        (UpChannel.OUTCOME, {"type": "playback_failed", "transfer_id": TRANSFER, "reason": "x" * 1_025}),
        (UpChannel.WILL, [1]),
        (UpChannel.WILL, "text"),
    ],
)
def test_a_bad_value_is_an_invalid_command(channel: UpChannel, message: object) -> None:
    error = refusal(channel, message)
    assert error.code is Code.INVALID_COMMAND
    assert str(error) == error.message
    assert 0 < len(error.message) <= 300
    if isinstance(message, dict) and message.get("id") == REQUEST:
        assert error.id == REQUEST


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"\xff\xfe",
        b"null",
        b'{"type": "set_volume", "volume": NaN}',
        wire(command("set_volume", volume=0.5)).replace(b"0.5", b"NaN"),
        wire(command("set_volume", volume=0.5)).replace(b"0.5", b"Infinity"),
        wire(command("set_volume", volume=0.5)).replace(b"0.5", b"1e999"),
        wire(command("seek", position_ms=5)).replace(b"5}", b"9" * 5_000 + b"}"),
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        wire({"type": "playback_command", "id": REQUEST, "command": 1}).replace(b"1}", b"[" * 3_000),
    ],
)
def test_what_is_not_json_or_not_finite_is_invalid(payload: bytes) -> None:
    assert refusal(UpChannel.COMMAND, payload).code is Code.INVALID_COMMAND


def test_a_deep_document_hides_its_id() -> None:
    deep = b'{"type":"playback_command","id":"' + REQUEST.encode() + b'","x":' + b"[" * 150 + b"]" * 150
    assert refusal(UpChannel.COMMAND, deep + b"}").code is Code.INVALID_COMMAND


def test_lone_surrogates_do_not_pass() -> None:
    payload = wire(set_queue(["a"])).replace(b'["a"]', b'["\\ud800"]')
    assert refusal(UpChannel.QUEUE, payload).code is Code.INVALID_COMMAND
    rename = {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": "A"}
    assert refusal(UpChannel.MANAGE, wire(rename).replace(b'"A"', b'"\\udfff"')).code is Code.INVALID_COMMAND


@pytest.mark.parametrize(
    ("tracks", "fits"),
    [
        (["t"] * 10_000, True),
        (["t"] * 10_001, False),
        (["x" * 256] * 1_500, True),
        (["x" * 256] * 1_519, False),
        (["\u00e9" * 256] * 763, True),
        (["\u00e9" * 256] * 768, False),
    ],
)
def test_queues_over_the_limits_are_too_large(tracks: list[str], fits: bool) -> None:
    message = set_queue(tracks)
    if fits:
        assert isinstance(codec.decode_up(UpChannel.QUEUE, wire(message)), up.QueueCommand)
        return
    error = refusal(UpChannel.QUEUE, message)
    assert (error.code, error.id) == (Code.PAYLOAD_TOO_LARGE, REQUEST)


def test_reported_queues_have_the_same_limits() -> None:
    message = UPDATE | {"state": REPORT | {"queue": ["t"] * 10_001}}
    assert refusal(UpChannel.STATE, message).code is Code.PAYLOAD_TOO_LARGE


@pytest.mark.parametrize("identity", [7, None, "x", [REQUEST], REQUEST + "0"])
def test_only_a_uuid_is_taken_for_an_id(identity: object) -> None:
    assert refusal(UpChannel.QUERY, {"type": "request_state", "id": identity}).id is None


def test_an_empty_or_foreign_document_has_no_id() -> None:
    assert refusal(UpChannel.QUERY, b"").id is None
    assert refusal(UpChannel.QUERY, b"[" + b"1," * 3 + b"1]").id is None


def test_names_are_trimmed_and_composed() -> None:
    message = {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": "  Cafe\u0301  "}
    decoded = codec.decode_up(UpChannel.MANAGE, wire(message))
    assert isinstance(decoded, up.RenameDevice)
    assert decoded.name == "Caf\u00e9"


@pytest.mark.parametrize("name", ["", "  ", "x" * 65])
def test_a_name_that_is_none_is_refused_in_words(name: str) -> None:
    error = refusal(
        UpChannel.MANAGE, {"type": "rename_device", "id": REQUEST, "device_id": OTHER, "name": name}
    )
    assert "a name has 1 to 64 characters" in str(error)


def test_optional_fields_stay_away_and_null_ones_stay() -> None:
    decoded = codec.decode_up(UpChannel.TRANSFER, wire(UP[17][1]))
    assert b"options" not in codec.encode(decoded)
    state = codec.decode_down(AllChannel.STATE, wire({"type": "playback_state", "state": STATE}))
    assert b'"track_id":null' in codec.encode(state)


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (DownChannel.EXECUTE, execute("next")),
        (DownChannel.EXECUTE, execute("fly")),
        (DownChannel.REPLY, {"type": "pong", "t0": 1, "t1": 2}),
        (AllChannel.EVENT, {"type": "device_offline", "device_id": DEVICE, "reason": "bored"}),
        (AllChannel.STATE, {"type": "playback_state", "state": STATE | {"applied": [REQUEST] * 17}}),
        (AllChannel.STATE, {"type": "playback_state", "state": STATE | {"track_id": ""}}),
    ],
)
def test_bad_messages_down_are_refused(channel: DownChannel | AllChannel, message: Json) -> None:
    with pytest.raises(ContractError):
        codec.decode_down(channel, wire(message))


def test_an_absent_queue_is_unchanged_and_has_no_bounds() -> None:
    tick = {name: value for name, value in REPORT.items() if name != "queue"} | {"queue_position": 900}
    decoded = codec.decode_up(UpChannel.STATE, wire(UPDATE | {"epoch": 1, "state": tick}))
    assert isinstance(decoded, up.StateUpdate)
    assert decoded.state is not None
    assert decoded.state.queue is None


def test_status_and_close() -> None:
    status = {"type": "coordinator_status", "coordinator": "c", "online": True, "started_at": 1}
    assert json.loads(codec.encode(codec.decode_status(wire(status)))) == status
    close = {"type": "close", "user": "ann", "jti": "t", "exp": 5, "reason": "revoked"}
    assert json.loads(codec.encode(codec.decode_close(wire(close)))) == close
    for user in ("broker", "coordinator", "a/b", "", "x" * 65):
        with pytest.raises(ContractError):
            codec.decode_close(wire(close | {"user": user}))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (command("set_queue", tracks=["a"], start_index=7), "command: start_index is outside the queue"),
        (b'{"type": ', "Invalid JSON: EOF while parsing a value"),
        (b"[" * 1_000, "Invalid JSON: recursion limit exceeded"),
        (b'{"type": "nonsense"}', "no such message on up/queue"),
    ],
)
def test_a_refusal_says_what_is_wrong_in_our_words(message: object, said: str) -> None:
    assert str(refusal(UpChannel.QUEUE, message)).partition(" at line ")[0] == said


def test_every_code_says_what_it_means() -> None:
    assert set(MEANING) == set(Code)


def test_of_many_bad_tracks_one_is_told() -> None:
    """As many errors as half a megabyte has room for would take half a second of the server's time."""
    message = command("set_queue", tracks=[1] * 100_000, start_index=0)
    with pytest.raises(ValidationError) as caught:
        up.QueueCommand.model_validate_json(json.dumps(message))
    assert caught.value.error_count() == 1
