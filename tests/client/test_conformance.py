"""The rules, tried on what keeps them, and on what does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from client.simulation import device_id, token
from serving import Process, Server
from soul_connect.address import parse_url
from soul_connect.client import ConnectClient
from soul_connect.conformance.peer import Peer, peer
from soul_connect.conformance.run import OccupiedError, try_client, try_server
from soul_connect.conformance.verdict import Finding, Verdict
from soul_connect.link import Dial
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from soul_coordinator.accounts import Accounts
from soul_protocol.down import ExecuteCommand, Registered
from soul_protocol.roles import Role

TRACKS = tuple(f"{name}?duration_ms=60000" for name in "abc")


async def collect(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    return {one.rule: one async for one in findings}


def broken(findings: dict[str, Finding]) -> dict[str, str]:
    return {rule: one.seen for rule, one in findings.items() if one.verdict is not Verdict.KEPT}


async def test_nobodys_music_is_disturbed(server: Server, user: str, token: str) -> None:
    player = Player(SimulatedEngine(), url=server.url, token=token, name="k", device_id=device_id(1))
    running = asyncio.create_task(player.run())
    try:
        async with ConnectClient(url=server.url, token=token, ephemeral=True) as remote:
            async for devices in remote.subscribe_devices():
                if devices:
                    break
            await remote.set_queue(TRACKS, target_device=device_id(1))
            await remote.play()
            with pytest.raises(OccupiedError):
                await collect(try_server(parse_url(server.url), user=user, token=token, tls=None))
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_a_broker_without_a_coordinator_keeps_little(ports: tuple[int, int]) -> None:
    address = parse_url(f"mqtt://127.0.0.1:{ports[0]}")
    found = await collect(try_server(address, user="alice", token=token(), tls=None, prompt=0.3))
    kinds = [one.verdict for one in found.values()]
    assert kinds.count(Verdict.KEPT) <= 1
    assert kinds.count(Verdict.BROKEN) >= 3
    assert kinds.count(Verdict.NOT_SHOWN) > 30


def visit(port: int, **hurry: float) -> AsyncIterator[Finding]:
    address = parse_url(f"mqtt://127.0.0.1:{port}")
    return try_client(address, user="coordinator", token="x", tls=None, patience=20, tracks=TRACKS, **hurry)


async def _player(port: int) -> None:
    url = f"mqtt://127.0.0.1:{port}"
    await Player(SimulatedEngine(), url=url, token=token("bob"), name="k", device_id=device_id(1)).run()


async def _remote(port: int) -> None:
    remote = ConnectClient(url=f"mqtt://127.0.0.1:{port}", token=token("carol"), ephemeral=True)
    try:
        await remote.connect(timeout=None)
        await remote.wait_closed()
    finally:
        await remote.disconnect()


class Careless:
    """A player written in a hurry: it obeys everybody, and counts nothing."""

    def __init__(self, port: int) -> None:
        self.root = f"soul/v1/dave/device/{device_id(5)}"
        self.dial = Dial(
            address=parse_url(f"mqtt://127.0.0.1:{port}"),
            client_id=device_id(5),
            user="dave",
            token="x",
            will=None,
            filters=(f"{self.root}/down/+", "soul/v1/dave/all/+"),
            tls=None,
        )

    async def run(self) -> None:
        async with peer(self.dial) as me:
            capabilities = {
                "can_render": True,
                "can_control": True,
                "can_host_jam": False,
                "supported_formats": [],
                "max_sample_rate": 0,
            }
            device = {"name": "x", "device_type": "desktop", "capabilities": capabilities}
            register = {"type": "register", "conn": me.conn, "device": device}
            registered = None
            while registered is None:
                await me.publish(f"{self.root}/up/register", register)
                registered = await me.find(Registered, within=5)
            while not me.closed:
                order = await me.find(ExecuteCommand, within=60)
                if order is not None:
                    await self.obey(me, order)

    async def obey(self, me: Peer, order: ExecuteCommand) -> None:
        state = {
            "track_id": TRACKS[0],
            "position_ms": getattr(order.command, "position_ms", 0),
            "is_playing": order.command.type == "play",
            "queue_position": 0,
            "volume": 0.5,
            "shuffle": False,
            "repeat_mode": "off",
        }
        report: dict[str, Any] = {
            "type": "state_update",
            "conn": me.conn,
            "seq": 1,
            "epoch": order.epoch,
            "state": state,
            "applied": [order.id],
        }
        await me.publish(f"{self.root}/up/state", report)


async def test_our_clients_keep_the_rules_and_a_careless_one_is_told(
    brokers: list[int], server: Server
) -> None:
    """All at once, each at a broker of its own: most of the time is waiting."""
    clients = (_player(brokers[0]), _remote(brokers[1]), Careless(brokers[2]).run())
    running = [asyncio.ensure_future(one) for one in clients]
    as_command = asyncio.create_task(asyncio.to_thread(_as_a_command, brokers[3], server))
    try:
        by_player, by_remote, by_careless = await asyncio.gather(
            collect(visit(brokers[0])),
            collect(visit(brokers[1])),
            collect(visit(brokers[2], prompt=1.0, pings_within=2.0)),
        )
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    assert broken(by_player) == {}
    assert len(by_player) > 18

    assert {one.verdict for one in by_remote.values()} == {Verdict.KEPT, Verdict.NOT_SHOWN}
    reasons = {"it does not render", "it made no report", "it takes a client that can prepare"}
    assert set(broken(by_remote).values()) <= reasons

    wrong = broken(by_careless)
    for words in (
        "Another `coordinator`",
        "`not_registered`",
        "While playing it reports",
        "A repeated id",
        "A command of an older epoch",
        "`next` goes",
        "`prepare_playback`",
        "`seq` counts",
        "It pings",
    ):
        assert any(rule.startswith(words) for rule in wrong), (words, wrong)
    kept = ("`play` plays", "It registers", "`set_queue` in a new epoch", "`set_volume`")
    assert not any(rule.startswith(words) for rule in wrong for words in kept), wrong
    await as_command


def _as_a_command(port: int, server: Server) -> None:
    url = f"mqtt://127.0.0.1:{port}"
    trying = server.spawn("conformance", url, "--client", "--wait", "90", token=token("coordinator"))
    player: Process | None = None
    try:
        player = server.spawn(
            *("player", "--name", "Tried", "--engine", "simulated", "--url", url), token=token("erin")
        )
        assert trying.wait(120) == 0, trying.output
        lines = trying.lines
        assert lines[-1].endswith("0 broken, 0 not shown"), trying.output
        assert all(line.startswith("+ ") for line in lines[:-1])
    finally:
        trying.kill()
        if player is not None:
            player.kill()


def test_as_a_command(server: Server, accounts: Accounts, user: str) -> None:
    mine = accounts.issue(user).token
    done = server.run("conformance", server.url, "--json", token=mine)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert [one for one in answer["rules"] if one["verdict"] != "kept"] == []
    assert len(answer["rules"]) > 40
    assert {"section", "rule", "verdict", "seen"} == set(answer["rules"][0])
    done = server.run("conformance", "mqtt://127.0.0.1:1", token=mine)
    assert done.returncode == 3, done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = server.run("conformance", server.url, token=mine[:-8] + "AAAAAAAA")
    assert done.returncode == 4, done.stderr
    done = server.run("conformance", server.url, "--client", "--track", "a", token=mine)
    assert done.returncode == 2, done.stderr
    service = accounts.issue("coordinator", Role.SERVICE).token
    done = server.run("conformance", server.url, "--client", token=service)
    assert done.returncode == 2
    assert "coordinator is at work" in done.stderr
