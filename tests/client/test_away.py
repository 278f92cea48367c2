"""Connections end, servers die, tokens run out: clients come back, and nothing is lost or doubled."""

import asyncio

from client.simulation import World, device_id, token, world
from client.virtual_time import after, raises, simulated, until
from soul_connect.errors import (
    DeviceInUseError,
    DeviceLimitError,
    ExpiredError,
    NoAnswerError,
    NotConnectedError,
    RejectedError,
    TokenRefusedError,
    UnreachableError,
    WithdrawnError,
)
from soul_connect.reconnect import HANGS
from soul_protocol.commands import Play, Seek, SetVolume
from soul_protocol.down import ResultStatus
from soul_protocol.errors import Code

ALBUM = tuple(f"track-{number}?duration_ms=600000" for number in range(5))


async def _kitchen_plays(here: World) -> None:
    async with here.client() as remote:
        await remote.set_queue(ALBUM, target_device=device_id(1))
        await remote.play()


@simulated
async def test_a_coordinator_that_starts_again_is_registered_with_again() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=device_id(1))
            await remote.play()
            here.home.kill()
            request = asyncio.create_task(remote.pause())
            await after(0.5)
            assert not request.done()
            here.home.start()
            result = await request
            assert result.status is ResultStatus.APPLIED
            assert not kitchen.engine.playing
            ids = {
                message["id"]
                for message in here.broker.said("up/command")
                if message["command"]["type"] == "pause"
            }
            assert len(ids) == 1


@simulated
async def test_who_is_offline_by_silence_alone_registers_again_on_the_same_connection() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            here.broker.deaf_to = {"ping"}

            def offline() -> list[str]:
                events = here.broker.said("all/event")
                return [one["device_id"] for one in events if one["type"] == "device_offline"]

            def conns() -> list[str]:
                return [one["conn"] for one in here.broker.said(f"device/{kitchen.id}/up/register")]

            await until(lambda: kitchen.id in offline(), seconds=100)
            here.broker.deaf_to = set()
            await until(lambda: len(conns()) == 2)
            await until(lambda: any(one.id == kitchen.id and one.is_online for one in remote.devices))
            assert conns() == [conns()[0]] * 2
            assert kitchen.player.client.is_online


@simulated
async def test_a_half_open_connection_is_noticed() -> None:
    async with world() as here, here.client(device_id=device_id(7), name="r") as remote:
        await after(5)
        link = here.broker.links[device_id(7)]
        link.silent = True
        loop = asyncio.get_running_loop()
        start = loop.time()
        await until(lambda: here.broker.links.get(device_id(7)) is not link, seconds=60)
        assert loop.time() - start < 40
        await until(lambda: remote.is_online)


@simulated
async def test_a_half_open_connection_is_noticed_sooner_by_a_command() -> None:
    async with world() as here, here.client() as remote:
        await after(5)
        here.broker.links[remote.device_id].silent = True
        error = await raises(RejectedError, remote.play())
        assert isinstance(error, RejectedError)
        assert error.code is Code.NO_ACTIVE_DEVICE  # it was repeated, and answered


@simulated
async def test_an_attempt_that_hangs_is_given_up_once_the_program_knows_better() -> None:
    async with world() as here, here.client() as remote:
        await after(5)
        here.broker.fall_mute()
        asking = asyncio.create_task(remote.list_devices())
        await until(lambda: not remote.is_online)
        await after(5)
        dials = here.broker.dials
        await until(lambda: here.broker.dials > dials)
        await after(HANGS + 0.1)
        here.broker.restore()
        remote.reconnect_now()
        remote.reconnect_now()  # who says it twice gives up no fresh attempt
        await until(lambda: remote.is_online, seconds=0.1)
        assert here.broker.dials == dials + 2
        await raises(NoAnswerError, asking)


@simulated
async def test_commands_made_offline_go_out_once_with_the_same_moment() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            await remote.set_queue(ALBUM, target_device=device_id(1))
            here.broker.online = False
            here.broker.lose(here.broker.links[remote.device_id], by_peer=True)
            await until(lambda: not remote.is_online)
            server_now = remote.server_now()
            assert server_now is not None
            first = asyncio.create_task(remote.send_command(SetVolume(volume=0.1)))
            await after(0)
            second = asyncio.create_task(remote.send_command(SetVolume(volume=0.2)))
            await after(0)
            assert [one.was_sent for one in remote.open_requests] == [False]
            await after(1.5)
            here.broker.online = True
            assert (await first).status is ResultStatus.SUPERSEDED
            assert (await second).status is ResultStatus.APPLIED
            assert kitchen.engine.volume == 0.2
            sent = [message for message in here.broker.said("up/command") if "volume" in message["command"]]
            assert [message["command"]["volume"] for message in sent] == [0.2]
            assert abs(sent[0]["issued_at"] - server_now) < 20
            assert sent[0]["expires_at"] == sent[0]["issued_at"] + 5_000


@simulated
async def test_a_command_that_finds_no_connection_in_time_expires() -> None:
    async with world() as here, here.client() as remote:
        here.broker.kill()
        await until(lambda: not remote.is_online)
        loop = asyncio.get_running_loop()
        start = loop.time()
        error = await raises(ExpiredError, remote.send_command(Seek(position_ms=1)))
        assert isinstance(error, ExpiredError)
        assert not error.sent
        assert 4.9 < loop.time() - start < 5.2


@simulated
async def test_a_coordinator_that_is_away_gives_no_answer() -> None:
    async with world() as here, here.client() as remote:
        here.home.kill()
        await raises(NoAnswerError, remote.playback_state())


@simulated
async def test_a_request_can_be_withdrawn_while_it_waits() -> None:
    async with world() as here, here.client() as remote:
        here.broker.kill()
        await until(lambda: not remote.is_online)
        request = asyncio.create_task(remote.send_command(Play()))
        await after(0.1)
        remote.cancel(remote.open_requests[0].id)
        await raises(WithdrawnError, request)


@simulated
async def test_disconnecting_ends_requests_and_iterators() -> None:
    async with world() as here:
        remote = here.client()
        await remote.connect()
        here.home.kill()
        request = asyncio.create_task(remote.play())
        await after(0.1)
        await remote.disconnect()
        await raises(WithdrawnError, request)
        assert [state async for state in remote.subscribe_state()] == [remote.state]
        await raises(NotConnectedError, remote.play())
        await remote.disconnect()
        here.home.start()
        await remote.connect()
        assert remote.is_online
        await remote.disconnect()


@simulated
async def test_iterators_go_on_through_reconnects_and_give_the_latest() -> None:
    async with world() as here:
        kitchen = here.player(1)
        async with here.client() as remote:
            await until(lambda: kitchen.player.client.is_online)
            states = remote.subscribe_state()
            assert not (await anext(states)).is_playing
            here.broker.lose(here.broker.links[remote.device_id], by_peer=True)
            await _kitchen_plays(here)
            await until(lambda: remote.is_online)
            await after(3)
            assert (await anext(states)).is_playing
            assert (await anext(states)).position_ms > 1_000


@simulated
async def test_the_goodbye_is_said_before_disconnect() -> None:
    async with world() as here:
        async with here.client(device_id=device_id(5), name="x"):
            pass
        assert [message["reason"] for message in here.broker.said("up/disconnect")] == ["quit"]
        assert not here.broker.said("up/will")


@simulated
async def test_nobody_there_is_said_in_time() -> None:
    async with world() as here:
        here.broker.online = False
        remote = here.client()
        error = await raises(UnreachableError, remote.connect(timeout=3))
        assert isinstance(error.__cause__, UnreachableError)
        await remote.disconnect()


@simulated
async def test_a_refused_token_ends_the_client_without_another_one() -> None:
    async with world() as here:
        here.broker.refused.add(token())
        remote = here.client()
        error = await raises(TokenRefusedError, remote.connect())
        assert isinstance(error, TokenRefusedError)
        assert error.reason == 5
        await raises(TokenRefusedError, remote.wait_closed())
        await remote.disconnect()
        assert here.broker.dials == 1


@simulated
async def test_a_token_that_runs_out_is_replaced_by_the_one_asked_for() -> None:
    async with world() as here:
        asked: list[int] = []

        async def another() -> str | None:
            asked.append(1)
            if len(asked) == 1:
                raise OSError("the login page is as dead as the server")
            return token(jti="second")

        async with here.client(device_id=device_id(4), name="x", new_token=another) as remote:
            here.broker.refused.add(token())
            here.broker.lose(here.broker.links[device_id(4)], by_peer=True)
            await until(lambda: not remote.is_online)
            await until(lambda: remote.is_online)
            assert len(asked) == 2


@simulated
async def test_nobody_hammers_with_tokens_that_are_all_refused() -> None:
    async with world() as here:
        given = 0

        async def another() -> str | None:
            nonlocal given
            given += 1
            here.broker.refused.add(token(jti=str(given)))
            return token(jti=str(given))

        here.broker.refused.add(token())
        remote = here.client(new_token=another)
        loop = asyncio.get_running_loop()
        start = loop.time()
        await raises(TokenRefusedError, remote.connect(timeout=None))
        assert loop.time() - start > 15
        assert here.broker.dials <= 5
        await remote.disconnect()


@simulated
async def test_two_clients_with_one_device_id_do_not_fight_for_ever() -> None:
    async with world() as here:
        first = here.client(device_id=device_id(3), name="x")
        second = here.client(device_id=device_id(3), name="x")
        await first.connect()
        await second.connect()
        loser = (
            await asyncio.wait(
                [asyncio.ensure_future(one.wait_closed()) for one in (first, second)],
                return_when=asyncio.FIRST_COMPLETED,
                timeout=60,
            )
        )[0]
        assert len(loser) == 1
        assert isinstance(loser.pop().exception(), DeviceInUseError)
        await after(20)
        assert [first.is_online, second.is_online].count(True) == 1
        await first.disconnect()
        await second.disconnect()


@simulated
async def test_the_eleventh_device_may_make_room_and_then_comes_in() -> None:
    async with world() as here:
        others = [here.client(device_id=device_id(number), name="n") for number in range(20, 30)]
        for other in others:
            await other.connect()
        late = here.client(device_id=device_id(30), name="late")
        await raises(DeviceLimitError, late.connect())
        assert len(await late.list_devices()) == 10
        assert (await late.delete_device(device_id(20))).status is ResultStatus.APPLIED
        await late.connect()
        assert late.is_online
        for one in (*others, late):
            await one.disconnect()
