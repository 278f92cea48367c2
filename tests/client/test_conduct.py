"""What the contract asks of every client, where no other page shows it."""

import asyncio
import json
from typing import Any

import pytest

from client.bench import EXECUTE, ME, REPLY, ROOT, SERVER, Bench, of, sent
from client.simulation import device_id, token, world
from client.virtual_time import after, simulated, until
from soul_connect.actions import Ended, Ordered, Publish, Settled
from soul_connect.address import parse_url
from soul_connect.identity import CONTROLLER, identify
from soul_connect.link import Dial, LinkLost
from soul_connect.players.ledger import Ledger
from soul_connect.requests import Ask, AskDevices, Forget
from soul_connect.transport import open_link
from soul_protocol.commands import Play
from soul_protocol.limits import KEEPALIVE_SECONDS, REPORTED_IDS
from soul_protocol.models import DeviceType

ALBUM = tuple(f"track-{number}?duration_ms=600000" for number in range(5))


@simulated
async def test_every_connection_has_a_fresh_conn_that_its_will_names() -> None:
    async with world() as here, here.client(device_id=ME, name="Remote") as remote:
        conns = []
        for _ in range(3):
            await until(lambda: remote.is_online)
            will = here.broker.links[ME].dial.will
            assert will is not None
            topic, payload = will
            conns.append(json.loads(payload)["conn"])
            assert topic == f"{ROOT}/device/{ME}/up/will"
            assert here.broker.said("up/register")[-1]["conn"] == conns[-1]
            await after(11)
            here.broker.lose(here.broker.links[ME], by_peer=True)
            await until(lambda: not remote.is_online)
        assert len(set(conns)) == 3
        assert all(len(conn) == 16 and int(conn, 16) >= 0 for conn in conns)


MINE = f"{ROOT}/device/{ME}/down/+"


@pytest.mark.parametrize(
    ("claims", "small", "filters"),
    [
        ({}, False, (MINE, f"{ROOT}/all/+", "soul/v1/coordinator")),
        ({}, True, (MINE, f"{ROOT}/all/position", f"{ROOT}/all/event", "soul/v1/coordinator")),
        (
            {"role": "guest", "device": ME},
            False,
            (MINE.replace("device", "guest"), f"{ROOT}/all/+", "soul/v1/coordinator"),
        ),
        ({"role": "observer"}, False, (f"{ROOT}/all/+", "soul/v1/coordinator")),
    ],
)
def test_subscriptions_are_known_names_or_one_trailing_level(
    claims: dict[str, Any], small: bool, filters: tuple[str, ...]
) -> None:
    able = CONTROLLER.model_copy(update={"max_payload_bytes": 4_096 if small else None})
    who = identify(
        token(**claims),
        device_id=ME,
        name="Remote",
        device_type=DeviceType.DAP,
        capabilities=able,
        volume=None,
        ephemeral=False,
    )
    assert who.filters == filters


def test_only_pings_and_ticks_go_out_at_qos_0() -> None:
    bench = Bench()
    actions = bench.connect() + bench.registered() + bench.ask(Ask(Play()))[1] + bench.ask(AskDevices())[1]
    qualities = {one.topic.rpartition("/")[2]: one.qos for one in of(Publish, actions)}
    assert qualities == {"register": 1, "ping": 0, "command": 1, "query": 1}
    goodbye = bench.session.goodbye("quit")
    assert goodbye is not None
    assert goodbye.qos == 1


def test_a_retained_message_to_one_device_is_ignored() -> None:
    bench = Bench()
    bench.online()
    name, _ = bench.ask(Ask(Play()))
    order: dict[str, Any] = {"type": "stop_playback", "epoch": 4, "reason": "claimed"}
    assert bench.hear(EXECUTE, retained=True, **order) == []
    result: dict[str, Any] = {"type": "command_result", "id": name, "status": "applied"}
    assert bench.hear(REPLY, retained=True, **result) == []
    assert of(Ordered, bench.hear(EXECUTE, **order))
    assert of(Settled, bench.hear(REPLY, **result))


def test_without_a_place_it_stops_repeating_and_may_query_and_delete() -> None:
    bench = Bench()
    bench.connect()
    bench.hear(REPLY, type="error", code="device_limit_reached", message="")
    later = bench.pass_ms(300_000)
    assert sent(later, "register") == []
    assert of(Ended, later) == []
    assert len(sent(bench.ask(AskDevices())[1], "query")) == 1
    assert len(sent(bench.ask(Forget(device_id(2)))[1], "manage")) == 1


def test_a_request_is_not_repeated_past_its_expiry() -> None:
    bench = Bench()
    bench.online()
    status: dict[str, Any] = {"type": "coordinator_status", "online": True, "started_at": SERVER}
    bench.ask(Ask(Play()))
    bench.hear("soul/v1/coordinator", coordinator="two", **status)
    late = bench.pass_ms(8_000)
    assert len(of(Settled, late)) == 1
    assert sent(late + bench.registered(coordinator="two"), "command") == []


def test_the_last_64_executed_ids_are_kept() -> None:
    ledger = Ledger()
    ids = [device_id(number) for number in range(REPORTED_IDS + 1)]
    for one in ids:
        ledger.note(one)
    assert ids[0] not in ledger
    assert all(one in ledger for one in ids[1:])
    assert ledger.applied == tuple(ids[1:])


@simulated
async def test_a_renderer_that_learns_of_a_higher_epoch_stops_at_once() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=kitchen.id)
            await remote.play()
            assert here.playing() == [kitchen.id]
            state = next(one for one in reversed(here.broker.said("all/state")))
            state["state"] |= {"epoch": 2, "sequence": 99, "device_id": device_id(7)}
            here.home.kill()  # nobody tells it to stop
            here.broker.route(f"{ROOT}/all/state", json.dumps(state).encode())
            await after(0.1)
            assert here.playing() == []
            assert not kitchen.player.is_active


@simulated
async def test_a_new_queue_keeps_play_or_pause_and_starts_its_track_at_0() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=kitchen.id)
            await remote.play()
            await remote.seek(50_000)
            await remote.set_queue(("a", "b", "c"), start_index=1)
            assert (here.playing(), kitchen.engine.track) == ([kitchen.id], "b")
            assert await kitchen.engine.position_ms() < 1_000
            await remote.pause()
            await remote.seek(50_000)
            await remote.set_queue(("d", "e"))
            assert (here.playing(), kitchen.engine.track) == ([], "d")
            assert await kitchen.engine.position_ms() == 0


@simulated
async def test_stop_is_paused_at_0_and_the_device_stays_the_active_one() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=kitchen.id)
            await remote.play()
            await remote.seek(50_000)
            await remote.stop()
            assert remote.state is not None
            assert (remote.state.is_playing, remote.state.position_ms) == (False, 0)
            assert (remote.state.device_id, remote.state.queue) == (kitchen.id, ALBUM)
            await remote.play()
            assert here.playing() == [kitchen.id]
            assert await kitchen.engine.position_ms() < 1_000


@simulated
async def test_adding_to_the_queue_lets_the_track_go_on() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=kitchen.id)
            await remote.play()
            await remote.seek(50_000)
            before = [line["event"] for line in here.log].count("load")
            await remote.set_queue(("new", ALBUM[0], "more"), start_index=1, keep_position=True)
            assert (here.playing(), kitchen.engine.track) == ([kitchen.id], ALBUM[0])
            assert await kitchen.engine.position_ms() >= 50_000
            assert [line["event"] for line in here.log].count("load") == before
            assert remote.state is not None
            assert remote.state.queue == ("new", ALBUM[0], "more")
            # Where the current track is another, it starts at 0.
            await remote.set_queue(("x", ALBUM[0]), start_index=0, keep_position=True)
            assert kitchen.engine.track == "x"
            assert await kitchen.engine.position_ms() < 1_000


@simulated
async def test_the_goodbye_is_acknowledged_before_the_connection_ends() -> None:
    async with world() as here:
        remote = here.client(device_id=ME, name="Remote")
        await remote.connect()
        link = here.broker.links[ME]
        here.broker.latency = 0.5
        leaving = asyncio.create_task(remote.disconnect())
        await after(0.7)
        assert [message["reason"] for message in here.broker.said("up/disconnect")] == ["quit"]
        assert here.broker.links[ME] is link  # the acknowledgement is on its way
        assert not leaving.done()
        await leaving
        assert ME not in here.broker.links
        assert not here.broker.said("up/will")


async def test_connect_asks_for_a_keepalive_of_30_s_and_a_will_that_is_not_retained() -> None:
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first.set_result(await reader.read(4_096))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    dial = Dial(
        address=parse_url(f"mqtt://127.0.0.1:{port}"),
        client_id=ME,
        user="alice",
        token="x",
        will=("will", b"gone"),
        filters=("a",),
        tls=None,
    )
    with pytest.raises(LinkLost):
        async with open_link(dial):
            pass
    packet = await first
    level, flags, *keepalive = packet[packet.index(b"\0\4MQTT") + 6 :][:4]
    assert level == 4
    assert flags == 0b1100_1110  # user name, password, a will at QoS 1, a clean session
    assert int.from_bytes(keepalive) == KEEPALIVE_SECONDS == 30
    server.close()
    await server.wait_closed()
