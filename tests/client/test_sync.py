"""The client for threads and scripts, over real sockets, against the real server."""

import asyncio
import contextlib
import inspect
import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from client.faulty_proxy import faulty_proxy
from client.on_stage import playing
from serving import Server, serving
from soul_connect import reconnect
from soul_connect.address import parse_url
from soul_connect.client import ConnectClient as AsyncClient
from soul_connect.errors import (
    CertificateError,
    ExpiredError,
    NoAnswerError,
    NotConnectedError,
    RejectedError,
    RequestError,
    TokenRefusedError,
    UnreachableError,
    WithdrawnError,
)
from soul_connect.link import Dial
from soul_connect.requests import Ask
from soul_connect.sync import ConnectClient, Subscription
from soul_connect.transport import open_link
from soul_coordinator.accounts import Accounts
from soul_protocol import codec
from soul_protocol.commands import Play, RepeatMode, Seek, SetVolume
from soul_protocol.down import DeviceOffline, OfflineReason, ResultStatus
from soul_protocol.errors import Code
from soul_protocol.roles import Role
from soul_protocol.tokens import SERVICE_USER
from waiting import until, until_async

T = TypeVar("T")

FOR_RENDERERS = {"serve", "report_state", "report_outcome", "claim_playback"}


def public(kind: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}


def test_the_same_names_with_the_same_arguments() -> None:
    here, there = public(ConnectClient), public(AsyncClient)
    assert set(there) - set(here) == FOR_RENDERERS
    assert not set(here) - set(there)
    for name, value in here.items():
        if callable(value):
            mine, theirs = inspect.signature(value), inspect.signature(there[name])
            assert list(mine.parameters) == list(theirs.parameters), name
            assert [one.default for one in mine.parameters.values()] == [
                one.default for one in theirs.parameters.values()
            ], name
    made = {"wiring"}  # for simulations
    arguments = inspect.signature(AsyncClient.__init__).parameters
    assert set(arguments) - set(inspect.signature(ConnectClient.__init__).parameters) == made


async def calmly(work: Callable[[], T]) -> T:
    """Run what blocks in a thread."""
    return await asyncio.to_thread(work)


@asynccontextmanager
async def remote_at(url: str, token: str, **options: Any) -> AsyncIterator[ConnectClient]:
    client = ConnectClient(**{"url": url, "token": token, "ephemeral": True, **options})
    await calmly(client.connect)
    try:
        yield client
    finally:
        await calmly(client.disconnect)
    assert not any(thread.name.startswith("soul-connect") for thread in threading.enumerate())


@pytest.mark.parametrize("way", ["url", "tls_url", "ws_url"])
async def test_over_every_transport(server: Server, token: str, way: str) -> None:
    async with (
        playing(server.url, token, f"Kitchen {way}") as (player, engine),
        remote_at(getattr(server, way), token, ca_file=server.authority) as remote,
    ):

        def story() -> None:
            assert remote.set_queue(("a", "b"), target_device=player.client.device_id).status == "applied"
            assert remote.play().status is ResultStatus.APPLIED
            until(lambda: remote.state is not None and remote.state.is_playing)
            assert remote.next().status is ResultStatus.APPLIED
            assert remote.seek(30_000).status is ResultStatus.APPLIED
            remote.set_repeat(RepeatMode.ALL)
            remote.set_shuffle(enabled=True)
            remote.set_volume(0.5)
            large = tuple(f"{number}-{'x' * 200}" for number in range(1_500))
            remote.set_queue(large)
            remote.set_shuffle(enabled=False)
            assert remote.playback_state().queue == large
            assert {one.id for one in remote.list_devices()} == {player.client.device_id}

        await calmly(story)
        assert engine.volume == 0.5

        async def agree() -> Any:
            return abs(await engine.position_ms() - remote.position_ms()) < 100

        await until_async(agree, what="both know where the music is")
        # Of a machine that stood still during an exchange, a later one is better.
        await until_async(lambda: (remote.clock_uncertainty_ms or 1_000) < 100)


async def test_many_threads_at_once_each_get_their_own_answer(server: Server, token: str) -> None:
    async with (
        playing(server.url, token, "Kitchen") as (player, _),
        remote_at(server.url, token) as remote,
    ):
        await calmly(lambda: remote.set_queue(("a",), target_device=player.client.device_id))
        seen: list[list[int]] = [[], [], []]

        def watch(states: Subscription[Any], sequences: list[int]) -> None:
            sequences.extend(state.sequence for state in states)

        watching = [
            threading.Thread(target=watch, args=(remote.subscribe_state(), sequences)) for sequences in seen
        ]
        for thread in watching:
            thread.start()

        def work() -> list[ResultStatus]:
            with ThreadPoolExecutor(16) as pool:
                return [
                    result.status
                    for result in pool.map(lambda at: remote.seek(at * 1_000), range(40), timeout=30)
                ]

        statuses = await calmly(work)
        assert set(statuses) <= {ResultStatus.APPLIED, ResultStatus.SUPERSEDED}
        assert ResultStatus.APPLIED in statuses
        assert remote.open_requests == ()
        remote.disconnect()
        for thread in watching:
            await calmly(thread.join)
        assert all(len(sequences) > 1 and sequences == sorted(sequences) for sequences in seen)


async def test_it_shows_at_once_and_is_taken_back(server: Server, token: str) -> None:
    async with (
        playing(server.url, token, "Kitchen") as (player, _),
        faulty_proxy(server.mqtt_port) as proxy,
        remote_at(proxy.url, token) as remote,
    ):
        await calmly(lambda: remote.set_queue(("a",), target_device=player.client.device_id))
        await proxy.cut()
        await until_async(lambda: not remote.is_online)
        rollbacks, states = remote.subscribe_rollbacks(), remote.subscribe_state()
        before = states.get(1).volume
        waiting = asyncio.create_task(
            asyncio.to_thread(lambda: remote.send_command(SetVolume(volume=0.25), lifetime_ms=300))
        )
        assert (await calmly(lambda: states.get(5))).volume == 0.25
        (request,) = remote.open_requests
        assert not request.was_sent
        with pytest.raises(ExpiredError) as expired:
            await waiting
        assert not expired.value.sent
        back = await calmly(lambda: rollbacks.get(5))
        assert (back.id, back.reason) == (request.id, "expired")
        assert remote.state is not None
        assert remote.state.volume == before
        again = asyncio.create_task(asyncio.to_thread(remote.play))
        await until_async(lambda: remote.open_requests)
        remote.cancel(remote.open_requests[0].id)
        with pytest.raises(WithdrawnError):
            await again
        held = asyncio.create_task(asyncio.to_thread(lambda: remote.seek(20_000)))
        await until_async(lambda: remote.open_requests)
        await proxy.restore()
        remote.reconnect_now()
        assert (await held).status is ResultStatus.APPLIED


async def test_a_silent_link_is_left_for_a_new_one(server: Server, token: str) -> None:
    async with faulty_proxy(server.mqtt_port) as proxy, remote_at(proxy.url, token) as remote:
        online = remote.subscribe_online()
        assert online.get(1)
        proxy.swallow()
        devices = await calmly(remote.list_devices)  # its acknowledgement does not come; it is asked again
        assert devices == ()
        assert await calmly(lambda: online.get(5))


async def test_who_is_offline_by_silence_alone_registers_again_on_the_same_connection(
    server: Server, accounts: Accounts, user: str
) -> None:
    service = Dial(
        address=parse_url(server.url),
        client_id="coordinator-in-a-test",
        user=SERVICE_USER,
        token=accounts.issue(SERVICE_USER, Role.SERVICE).token,
        will=None,
        filters=(f"soul/v1/{user}/#",),
        tls=None,
    )
    token = accounts.issue(user).token
    async with remote_at(server.url, token) as remote, open_link(service) as coordinator:
        conn = remote._session.arrival.conn
        event = DeviceOffline(device_id=remote.device_id, reason=OfflineReason.TIMEOUT)
        await coordinator.publish(f"soul/v1/{user}/all/event", codec.encode(event), 1)
        async with asyncio.timeout(10):
            async for message in coordinator.messages():
                if message.topic.endswith("/up/register"):
                    assert json.loads(message.payload)["conn"] == conn
                    break
        await until_async(lambda: remote.is_online)


async def test_an_attempt_that_hangs_is_given_up_once_the_program_knows_better(
    server: Server, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "LONGEST", 60)
    monkeypatch.setattr(reconnect, "HASTY", 60)  # by itself, an attempt would hang for so long
    async with faulty_proxy(server.mqtt_port) as proxy, remote_at(proxy.url, token) as remote:
        proxy.black_out()
        asking = asyncio.create_task(asyncio.to_thread(remote.list_devices))
        await until_async(lambda: remote._line._reconnect.hangs(remote.now()))
        await proxy.restore()
        remote.reconnect_now()
        await until_async(lambda: remote.is_online, seconds=10)
        with contextlib.suppress(RequestError):  # it may have been too late for that
            await asking


async def test_the_server_is_killed_and_everything_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.add_user("alice")
        token = server.token("alice")
        async with (
            playing(server.url, token, "Kitchen") as (player, _),
            remote_at(server.url, token) as remote,
        ):
            states = remote.subscribe_state()
            await calmly(lambda: remote.set_queue(("a",), target_device=player.client.device_id))
            await calmly(remote.play)
            server.kill()
            await until_async(lambda: not remote.is_online)
            await calmly(server.start)
            await until_async(lambda: remote.is_online and player.client.is_online, seconds=5)
            await calmly(remote.pause)
            deadline = time.monotonic() + 5
            while (await calmly(lambda: states.get(5))).is_playing:
                assert time.monotonic() < deadline


async def test_what_is_refused_is_said_at_once(
    server: Server, accounts: Accounts, user: str, token: str
) -> None:
    def refusals() -> None:
        with pytest.raises(CertificateError), ConnectClient(url=server.tls_url, token=token, ephemeral=True):
            pass
        forged = token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBB")
        client = ConnectClient(url=server.url, token=forged, ephemeral=True)
        with pytest.raises(TokenRefusedError):
            client.connect(timeout=60)
        with pytest.raises(TokenRefusedError):
            client.wait_closed()
        with pytest.raises(TokenRefusedError):
            client.subscribe_state().get(1)
        with pytest.raises(TokenRefusedError):
            client.play()
        client = ConnectClient(url="mqtt://127.0.0.1:1", token=token, ephemeral=True)
        with pytest.raises(UnreachableError):
            client.connect(timeout=0.5)
        client.disconnect()
        client.wait_closed()
        with pytest.raises(NotConnectedError):
            client.play()
        observer = accounts.issue(user, Role.OBSERVER).token
        with ConnectClient(url=server.url, token=observer) as watching:
            with pytest.raises(RejectedError) as rejected:
                watching.play()
            assert rejected.value.code is Code.NOT_AUTHORIZED
            until(lambda: watching.is_online)

    await calmly(refusals)


async def test_a_token_that_was_revoked_is_replaced_by_the_one_asked_for(
    server: Server, accounts: Accounts, user: str, token: str
) -> None:
    asked: list[int] = []

    def another() -> str:
        asked.append(1)
        if len(asked) == 1:
            raise OSError("the login page is down")
        return accounts.issue(user).token

    async with remote_at(server.url, token, new_token=another) as remote:
        online = remote.subscribe_online()
        assert online.get(1)
        accounts.revoke(token)
        await until_async(lambda: len(asked) == 2 and remote.is_online, seconds=15)
        assert (await calmly(remote.playback_state)).sequence >= 0


async def test_the_same_token_again_is_no_token(server: Server, accounts: Accounts, token: str) -> None:
    async with remote_at(server.url, token, new_token=lambda: token) as remote:
        accounts.revoke(token)
        with pytest.raises(TokenRefusedError):
            await calmly(remote.wait_closed)


async def test_a_token_source_that_hangs_holds_up_neither_leaving_nor_the_next_deadline(
    server: Server, accounts: Accounts, token: str
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def hangs() -> None:
        asked.set()
        answers.wait(60)

    client = ConnectClient(url=server.url, token=token, ephemeral=True, new_token=hangs)
    await calmly(client.connect)
    try:
        accounts.revoke(token)
        assert await calmly(lambda: asked.wait(15))
        await asyncio.wait_for(calmly(client.disconnect), 5)
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(calmly(lambda: client.connect(timeout=0.2)), 5)
    finally:
        answers.set()
    await calmly(client.wait_closed)


async def test_leaving_while_others_wait(server: Server, token: str) -> None:
    async with (
        playing(server.url, token, "Kitchen") as (player, _),
        faulty_proxy(server.mqtt_port) as proxy,
        remote_at(proxy.url, token) as remote,
    ):
        await calmly(lambda: remote.set_queue(("a",), target_device=player.client.device_id))
        accepted = await calmly(lambda: remote.send_command(Play(), until="accepted"))
        assert accepted.status in {ResultStatus.ACCEPTED, ResultStatus.APPLIED}
        proxy.black_out()
        asking = asyncio.create_task(asyncio.to_thread(lambda: remote.send_command(Seek(position_ms=1))))
        notices = asyncio.create_task(asyncio.to_thread(lambda: list(remote.subscribe_notices())))
        with pytest.raises(TimeoutError):
            remote.subscribe_notices().get(0.01)
        await until_async(lambda: any(one.wish == Ask(Seek(position_ms=1)) for one in remote.open_requests))
        await calmly(remote.disconnect)
        with pytest.raises((WithdrawnError, NoAnswerError)):
            await asking
        assert await notices == []
        await calmly(remote.disconnect)
        await proxy.restore()
        await calmly(remote.connect)
        assert remote.is_online
        assert remote.device is None or remote.device.id == remote.device_id


async def test_a_dead_network_does_not_hold_up_leaving(token: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    dead = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = dead.sockets[0].getsockname()[1]
    client = ConnectClient(url=f"mqtt://127.0.0.1:{port}", token=token, ephemeral=True)
    with pytest.raises(UnreachableError):
        await calmly(lambda: client.connect(timeout=0.2))
    await asyncio.wait_for(calmly(client.disconnect), 3)
    dead.close()
    await dead.wait_closed()
