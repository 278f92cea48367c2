"""The client over real sockets, against the real server in its own process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from client.silent_proxy import silent_proxy
from serving import Server, serving
from soul_connect.client import ConnectClient
from soul_connect.errors import CertificateError, RejectedError, TokenRefusedError, UnreachableError
from soul_connect.players.player import Player
from soul_connect.players.simulated import SimulatedEngine
from soul_protocol.down import ResultStatus
from soul_protocol.errors import Code
from waiting import until_async


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def user(server: Server) -> str:
    """A new one, so that no test finds another's devices."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    server.add_user(name)
    return name


@pytest.fixture
def token(server: Server, user: str) -> str:
    return server.token(user)


def urls(server: Server) -> dict[str, str]:
    return {
        "tcp": f"mqtt://127.0.0.1:{server.mqtt_port}",
        "tls": f"mqtts://localhost:{server.tls_port}",
        "websocket": f"ws://127.0.0.1:{server.http_port}/mqtt",
    }


@asynccontextmanager
async def playing(server: Server, token: str, name: str) -> AsyncIterator[tuple[Player, SimulatedEngine]]:
    engine = SimulatedEngine(name=name)
    player = Player(engine, url=urls(server)["tcp"], token=token, name=name, device_id=str(uuid.uuid4()))
    task = asyncio.create_task(player.run())
    try:
        await until_async(lambda: player.client.is_online)
        yield player, engine
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("way", ["tcp", "tls", "websocket"])
async def test_over_every_transport(server: Server, token: str, way: str) -> None:
    ca = server.data_dir / "ca.pem"
    async with (
        playing(server, token, f"Kitchen {way}") as (player, engine),
        ConnectClient(url=urls(server)[way], token=token, ephemeral=True, ca_file=ca) as remote,
    ):
        result = await remote.set_queue(("a", "b"), target_device=player.client.device_id)
        assert result.status is ResultStatus.APPLIED
        assert (await remote.play()).status is ResultStatus.APPLIED
        assert engine.playing
        await until_async(lambda: remote.state is not None and remote.state.is_playing)
        here, there = remote.position_ms(), await engine.position_ms()
        assert abs(here - there) < 100
        large = tuple(f"{number}-{'x' * 200}" for number in range(1_500))
        await remote.set_queue(large)
        assert (await remote.playback_state()).queue == large


async def test_a_player_that_is_forgotten_ends(server: Server, token: str) -> None:
    engine = SimulatedEngine()
    url = urls(server)["tcp"]
    player = Player(engine, url=url, token=token, name="Old", device_id=str(uuid.uuid4()))
    running = asyncio.create_task(player.run())
    await until_async(lambda: player.client.is_online)
    async with ConnectClient(url=url, token=token, ephemeral=True) as remote:
        await remote.delete_device(player.client.device_id)
    with pytest.raises(TokenRefusedError):
        await asyncio.wait_for(running, 10)
    assert not player.client.is_online


async def test_an_unknown_authority_is_said_at_once(server: Server, token: str) -> None:
    client = ConnectClient(url=urls(server)["tls"], token=token, ephemeral=True)
    with pytest.raises(CertificateError):
        await client.connect(timeout=60)
    await client.disconnect()


async def test_a_refused_token_is_said_at_once(server: Server, token: str) -> None:
    forged = token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB")
    client = ConnectClient(url=urls(server)["tcp"], token=forged, ephemeral=True)
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


async def test_an_observer_watches(server: Server, user: str, token: str) -> None:
    watching = ConnectClient(url=urls(server)["tcp"], token=server.token(user, "--role", "observer"))
    async with (
        playing(server, token, "Watched") as (player, _),
        watching,
        ConnectClient(url=urls(server)["tcp"], token=token, ephemeral=True) as remote,
    ):
        await remote.set_queue(("seen",), target_device=player.client.device_id)
        await until_async(lambda: watching.state is not None and watching.state.queue == ("seen",))
        await until_async(lambda: player.client.device_id in {one.id for one in watching.devices})
        with pytest.raises(RejectedError) as rejected:
            await watching.play()
        assert rejected.value.code is Code.NOT_AUTHORIZED


async def test_a_silent_link_is_left_for_a_new_one(server: Server, token: str) -> None:
    async with silent_proxy(server.mqtt_port) as proxy:
        url = f"mqtt://127.0.0.1:{proxy.port}"
        async with ConnectClient(url=url, token=token, ephemeral=True) as remote:
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
            playing(server, token, "Kitchen") as (player, engine),
            ConnectClient(url=urls(server)["tcp"], token=token, ephemeral=True) as remote,
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
