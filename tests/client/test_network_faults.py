"""The network breaks, tokens run out, machines sleep: back at once, nothing twice, nothing lost."""

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from client.faulty_proxy import FaultyProxy, faulty_proxy
from client.on_stage import playing
from client.simulation import token as unsigned
from client.simulation import world
from client.virtual_time import after, simulated, until
from serving import Process, Server
from soul_connect.address import parse_url
from soul_connect.client import ConnectClient
from soul_connect.link import Dial
from soul_connect.reconnect import LONGEST
from soul_connect.transport import open_link
from soul_coordinator.accounts import Accounts
from soul_protocol.commands import Next, SetVolume
from soul_protocol.down import ResultStatus
from soul_protocol.roles import Role
from waiting import until_async

EXAMPLES = Path(__file__).parents[2] / "client" / "examples"
BACK_WITHIN = 5.0
ASLEEP = 2.0
ASLEEP_WITHOUT_NETWORK = 5.0
assert ASLEEP_WITHOUT_NETWORK > LONGEST
ALBUM = ("a", "b", "c", "d")


async def break_it(proxy: FaultyProxy, fault: str) -> None:
    if fault == "cut":
        await proxy.cut()
    elif fault == "hold":
        proxy.hold()
    else:
        proxy.black_out()


@pytest.mark.parametrize("fault", ["cut", "hold", "black_out"])
async def test_what_was_asked_meanwhile_is_done_once_when_the_path_is_back(
    server: Server, accounts: Accounts, user: str, fault: str
) -> None:
    token = accounts.issue(user).token
    async with (
        faulty_proxy(server.mqtt_port) as proxy,
        playing(proxy.url if fault == "cut" else server.url, token, "Kitchen") as (player, engine),
        ConnectClient(url=proxy.url, token=token, ephemeral=True) as remote,
        Listener.at(server, accounts, user) as listener,
    ):
        await remote.set_queue(ALBUM, target_device=player.client.device_id)
        await remote.play()
        states, devices = remote.subscribe_state(), remote.subscribe_devices()
        assert (await anext(states)).is_playing
        assert await anext(devices)
        await break_it(proxy, fault)
        waiting = [
            asyncio.create_task(remote.send_command(SetVolume(volume=volume), lifetime_ms=30_000))
            for volume in (0.25, 0.5)
        ]
        stepping = asyncio.create_task(remote.send_command(Next(), lifetime_ms=30_000))
        await until_async(lambda: not remote.is_online, seconds=8)
        assert remote.state is not None
        assert (remote.state.volume, remote.state.queue_position) == (0.5, 1)  # it shows at once
        later = asyncio.create_task(remote.send_command(SetVolume(volume=0.75), lifetime_ms=30_000))
        await proxy.restore()
        await until_async(lambda: remote.is_online and player.client.is_online, seconds=BACK_WITHIN)
        ends = [(await one).status for one in (*waiting, later)]
        assert ends[-1] is ResultStatus.APPLIED
        assert set(ends) <= {ResultStatus.APPLIED, ResultStatus.SUPERSEDED}
        assert (await stepping).status is ResultStatus.APPLIED
        assert engine.volume == 0.75
        assert engine.track == ALBUM[1]  # one step, whatever was said twice
        assert engine.playing  # the music never stopped
        await remote.pause()
        async with asyncio.timeout(5):
            while (await anext(states)).is_playing:
                pass
        assert await anext(devices)
        if fault != "cut":  # else the renderer was away as well, and is asked again when it is back
            executed = Counter(listener.executed)
            assert len(executed) >= 5
            assert max(executed.values()) == 1


class Listener:
    """An observer, who sees every command that goes to a device."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    @classmethod
    def at(cls, server: Server, accounts: Accounts, user: str) -> "_Listening":
        token = accounts.issue(user, Role.OBSERVER).token
        return _Listening(cls(), server, user, token)

    def hear(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/down/execute"):
            message = json.loads(payload)
            if message["type"] == "execute_command":
                self.executed.append(message["id"])


class _Listening:
    def __init__(self, listener: Listener, server: Server, user: str, token: str) -> None:
        self._listener = listener
        self._dial = Dial(
            address=parse_url(server.url),
            client_id="listener",
            user=user,
            token=token,
            will=None,
            filters=(f"soul/v1/{user}/#",),
            tls=None,
        )
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._listen())
        await self._ready.wait()
        return self._listener

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _listen(self) -> None:
        async with open_link(self._dial) as link:
            self._ready.set()
            async for message in link.messages():
                self._listener.hear(message.topic, message.payload)


async def test_a_token_that_runs_out_in_the_middle_is_replaced(
    server: Server, accounts: Accounts, user: str
) -> None:
    asked: list[str] = []

    async def another() -> str:
        asked.append(short)
        return accounts.issue(user).token

    short = accounts.issue(user, ttl=3).token
    async with (
        playing(server.url, accounts.issue(user).token, "Kitchen") as (player, _),
        ConnectClient(url=server.url, token=short, ephemeral=True, new_token=another) as remote,
    ):
        await remote.set_queue(("a",), target_device=player.client.device_id)
        states = remote.subscribe_state()
        assert not (await anext(states)).is_playing
        await until_async(lambda: asked, seconds=10)
        await until_async(lambda: remote.is_online, seconds=BACK_WITHIN)
        await remote.play()
        async with asyncio.timeout(5):
            while not (await anext(states)).is_playing:
                pass
        assert len(asked) == 1


def _is_stopped(process: Process) -> bool:
    """As Linux says it: the state after the name in brackets (proc(5))."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].startswith("T")


async def test_a_machine_that_slept_is_back_at_once(server: Server, token: str) -> None:
    """Seven seconds here; two minutes by hand, for the same (`make bench` says how long they take)."""
    async with faulty_proxy(server.mqtt_port) as proxy:
        sleeper = Process(
            [sys.executable, str(EXAMPLES.parent.parent / "tests" / "client" / "sleeper.py")],
            env={"SOUL_CONNECT_URL": proxy.url, "SOUL_CONNECT_TOKEN": token},
        )
        try:
            await asyncio.to_thread(lambda: sleeper.line("online"))
            sleeper.signal(signal.SIGSTOP)
            await until_async(lambda: _is_stopped(sleeper))
            # The sleep is the thing itself: time has to pass that the client does not live through, with
            # its network and, for longer than any attempt lasts, without. Nothing happens meanwhile.
            await asyncio.sleep(ASLEEP)
            proxy.black_out()
            await asyncio.sleep(ASLEEP_WITHOUT_NETWORK)
            await proxy.restore()
            sleeper.signal(signal.SIGCONT)
            heard = len(sleeper.lines)
            await asyncio.to_thread(lambda: sleeper.line("online", seconds=BACK_WITHIN, after=heard))
        finally:
            sleeper.kill()


CROWD = 30


@pytest.mark.parametrize("fault", ["killed", "dark", "mute"])
def test_half_of_a_crowd_is_back_within_a_second(fault: str) -> None:
    crowd(fault)


@simulated
async def crowd(fault: str) -> None:
    async with world() as here:
        loop, clients = asyncio.get_running_loop(), []
        for number in range(CROWD):
            clients.append(here.client(token=unsigned(f"user{number}")))
            await clients[-1].connect()
            await after(0.37)
        if fault == "killed":
            here.broker.kill()
            here.home.kill()
        elif fault == "dark":
            here.broker.black_out()
        else:
            here.broker.fall_mute()
        await until(lambda: not any(client.is_online for client in clients), seconds=60)
        await after(20)
        here.broker.restore()
        if fault == "killed":
            here.home.start()
        start = loop.time()
        back: dict[int, float] = {}

        def all_back() -> bool:
            for number, client in enumerate(clients):
                if client.is_online:
                    back.setdefault(number, loop.time() - start)
            return len(back) == CROWD

        await until(all_back, seconds=10)
        times = sorted(back.values())
        assert times[CROWD // 2] <= 1.0
        assert times[-1] <= BACK_WITHIN
        for client in clients:
            await client.disconnect()
