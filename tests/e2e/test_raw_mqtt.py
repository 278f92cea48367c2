"""The story over raw MQTT: whoever has an MQTT client and JSON can take part."""

import json
import urllib.request
import uuid

from e2e.wire import WireDevice
from serving import Server


def test_a_story_without_our_library(server: Server) -> None:
    server.add_user("alice")
    token = server.token("alice")
    port = server.mqtt_port
    with (
        WireDevice(port, "alice", token, name="Kitchen") as kitchen,
        WireDevice(port, "alice", token, name="kitchen") as second,
        WireDevice(port, "alice", token, name="Phone", can_render=False) as phone,
    ):
        first = kitchen.register()
        assert first["current_state"]["device_id"] is None
        assert first["current_state"]["volume"] == 1.0
        assert second.register()["device"]["name"] == "kitchen (2)"
        listed = phone.register()["devices"]
        assert {one["name"] for one in listed} == {"Kitchen", "kitchen (2)", "Phone"}

        play = phone.command({"type": "play"})
        assert phone.hear("command_result", id=play)["code"] == "no_active_device"

        queue = phone.command(
            {"type": "set_queue", "tracks": ["t0", "t1"], "start_index": 0}, target_device=kitchen.id
        )
        assert phone.hear("command_result", id=queue)["status"] == "accepted"
        executed = kitchen.carry_out(queue, is_playing=False)
        assert executed["command"]["tracks"] == ["t0", "t1"]
        assert executed["epoch"] == 1
        done = phone.hear("command_result", id=queue)
        assert (done["status"], done["epoch"]) == ("applied", 1)

        play = phone.command({"type": "play"})
        kitchen.carry_out(play)
        assert phone.hear("command_result", id=play, status="applied")["sequence"] > done["sequence"]
        # The same id again: the same answer, and nothing is executed twice.
        phone.up("command", {"type": "playback_command", "id": play, "command": {"type": "play"}})
        assert phone.hear("command_result", id=play)["status"] == "applied"

        request = str(uuid.uuid4())
        phone.up("transfer", {"type": "transfer_playback", "id": request, "to_device": second.id})
        prepared = second.hear("prepare_playback")
        assert prepared["epoch"] == 1
        second.up("outcome", {"type": "playback_ready", "transfer_id": prepared["transfer_id"]})
        started = second.hear("start_playback")
        assert started["epoch"] == 2
        assert started["state"]["is_playing"] is True
        assert kitchen.hear("stop_playback")["reason"] == "transferred"
        second.up("outcome", {"type": "playback_started", "transfer_id": prepared["transfer_id"]})
        assert phone.hear("command_result", id=request, status="applied")["epoch"] == 2
        # The old renderer's reports count for nothing now.
        kitchen.report(1, is_playing=True)
        assert kitchen.hear("stop_playback")["reason"] == "not_active"

        bad = phone.command({"type": "seek", "position_ms": -1})
        assert phone.hear("command_result", id=bad)["code"] == "invalid_command"
        phone.up("query", {"type": "request_state", "id": request})
        state = phone.hear("playback_state", id=request)["state"]
        assert (state["device_id"], state["queue"], state["epoch"]) == (second.id, ["t0", "t1"], 2)


def test_a_goodbye_is_offline_at_once_and_a_restart_keeps_the_state(server: Server) -> None:
    server.add_user("alice")
    token = server.token("alice")
    with WireDevice(server.mqtt_port, "alice", token, name="Phone", can_render=False) as phone:
        phone.register()
        with WireDevice(server.mqtt_port, "alice", token, name="Box") as box:
            box.register()
            queue = phone.command(
                {"type": "set_queue", "tracks": ["t0"], "start_index": 0}, target_device=box.id
            )
            box.carry_out(queue, is_playing=False)
            phone.hear("command_result", id=queue, status="applied")
            box.up("disconnect", {"type": "disconnect", "conn": box.conn, "reason": "quit"})
        assert phone.hear("device_offline", device_id=box.id, seconds=2)["reason"] == "disconnect"
    before = server.json("status", token=token)
    assert server.stop() == 0
    server.start()
    after = server.json("status", token=token)
    kept = ("queue", "epoch", "sequence", "device_id", "paused_reason")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}


def test_healthz_says_that_broker_and_coordinator_work(server: Server) -> None:
    with urllib.request.urlopen(f"{server.http}/healthz", timeout=5) as answer:
        assert answer.status == 200
        assert json.load(answer)
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=5) as answer:
        assert b"soul_coordinator_up 1" in answer.read()
