"""The client over real sockets, against the real server in its own process."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from client.faulty_proxy import faulty_proxy
from client.on_stage import playing
from serving import Server, serving
from soul_connect.client import ConnectClient
from soul_connect.errors import CertificateError, RejectedError, TokenRefusedError, UnreachableError
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from soul_coordinator.accounts import Accounts
from soul_protocol.down import ResultStatus
from soul_protocol.errors import Code
from soul_protocol.roles import Role
from waiting import until_async


@pytest.mark.parametrize("way", ["url", "tls_url", "ws_url"])
async def test_over_every_transport(server: Server, token: str, way: str) -> None:
    async with (
        playing(server.url, token, f"Kitchen {way}") as (player, engine),
        ConnectClient(
            url=getattr(server, way), token=token, ephemeral=True, ca_file=server.authority
        ) as remote,
    ):
        result = await remote.set_queue(("a", "b"), target_device=player.client.device_id)
        assert result.status is ResultStatus.APPLIED
        assert (await remote.play()).status is ResultStatus.APPLIED
        assert engine.playing
        await until_async(lambda: remote.state is not None and remote.state.is_playing)

        async def agree() -> Any:
            return abs(await engine.position_ms() - remote.position_ms()) < 100

        await until_async(agree, what="both know where the music is")
        large = tuple(f"{number}-{'x' * 200}" for number in range(1_500))
        await remote.set_queue(large)
        assert (await remote.playback_state()).queue == large


async def test_a_player_that_is_forgotten_ends(server: Server, token: str) -> None:
    engine = SimulatedEngine()
    url = server.url
    player = Player(engine, url=url, token=token, name="Old", device_id=str(uuid.uuid4()))
    running = asyncio.create_task(player.run())
    await until_async(lambda: player.client.is_online)
    async with ConnectClient(url=url, token=token, ephemeral=True) as remote:
        await remote.delete_device(player.client.device_id)
    with pytest.raises(TokenRefusedError):
        await asyncio.wait_for(running, 10)
    assert not player.client.is_online


async def test_an_unknown_authority_is_said_at_once(server: Server, token: str) -> None:
    client = ConnectClient(url=server.tls_url, token=token, ephemeral=True)
    with pytest.raises(CertificateError):
        await client.connect(timeout=60)
    await client.disconnect()


async def test_a_refused_token_is_said_at_once(server: Server, token: str) -> None:
    forged = token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB")
    client = ConnectClient(url=server.url, token=forged, ephemeral=True)
    with pytest.raises(TokenRefusedError) as refused:
        await client.connect(timeout=60)
    assert refused.value.reason in {4, 5}
    assert forged not in str(refused.value)
    await client.disconnect()


async def test_nobody_listening_is_said_in_time(token: str) -> None:
    client = ConnectClient(url="mqtt://127.0.0.1:1", token=token, ephemeral=True)
    with pytest.raises(UnreachableError):
        await client.connect(timeout=1)
    await client.disconnect()


async def test_an_observer_watches(server: Server, accounts: Accounts, user: str, token: str) -> None:
    watching = ConnectClient(url=server.url, token=accounts.issue(user, Role.OBSERVER).token)
    async with (
        playing(server.url, token, "Watched") as (player, _),
        watching,
        ConnectClient(url=server.url, token=token, ephemeral=True) as remote,
    ):
        await remote.set_queue(("seen",), target_device=player.client.device_id)
        await until_async(lambda: watching.state is not None and watching.state.queue == ("seen",))
        await until_async(lambda: player.client.device_id in {one.id for one in watching.devices})
        with pytest.raises(RejectedError) as rejected:
            await watching.play()
        assert rejected.value.code is Code.NOT_AUTHORIZED


async def test_a_silent_link_is_left_for_a_new_one(server: Server, token: str) -> None:
    async with (
        faulty_proxy(server.mqtt_port) as proxy,
        ConnectClient(url=proxy.url, token=token, ephemeral=True) as remote,
    ):
        online = remote.subscribe_online()
        assert await anext(online)
        proxy.swallow()
        async with asyncio.timeout(10):
            await remote.list_devices()  # its acknowledgement does not come; it is asked again
        assert await anext(online)


async def test_the_server_is_killed_and_everything_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.add_user("alice")
        token = server.token("alice")
        async with (
            playing(server.url, token, "Kitchen") as (player, engine),
            ConnectClient(url=server.url, token=token, ephemeral=True) as remote,
        ):
            await remote.set_queue(("a",), target_device=player.client.device_id)
            await remote.play()
            server.kill()
            await until_async(lambda: not remote.is_online and not player.client.is_online)
            assert engine.playing
            await asyncio.to_thread(server.start)
            await until_async(lambda: remote.is_online and player.client.is_online, seconds=5)
            await until_async(lambda: remote.state is not None and remote.state.is_playing, seconds=5)
            assert engine.playing
            assert (await remote.pause()).status is ResultStatus.APPLIED
