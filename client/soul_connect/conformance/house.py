"""The stage for a server: three devices of one user, whom it does not know yet."""

import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from soul_connect.address import Address
from soul_connect.conformance.peer import Peer, fresh, peer
from soul_connect.conformance.verdict import PROMPT, Broken, NotShown
from soul_connect.link import Dial
from soul_protocol.down import CommandResult, ExecuteCommand, PlaybackStateMessage, Registered, ResultStatus
from soul_protocol.models import PlaybackState
from soul_protocol.roles import Role
from soul_protocol.topics import COORDINATOR, all_topic, down_filter, up_topic
from soul_protocol.topics import UpChannel as Up

NAME = "Conformance"
TRACKS = ("conformance-a", "conformance-b", "conformance-c")


@dataclass
class House:
    """Connections of one user. `a` and `b` render, `remote` does not; they exist once `arrive` worked."""

    address: Address
    user: str
    token: str
    tls: Any
    stack: AsyncExitStack
    prompt: float = PROMPT
    devices: dict[str, Peer] = field(default_factory=dict)

    def dial(self, device: str, **options: Any) -> Dial:
        """As a device of this user."""
        topic = up_topic(self.user, Role.DEVICE, device, Up.WILL)
        return Dial(
            **{
                "address": self.address,
                "client_id": device,
                "user": self.user,
                "token": self.token,
                "will": (topic, b""),
                "filters": (
                    down_filter(self.user, Role.DEVICE, device),
                    all_topic(self.user, "+"),
                    COORDINATOR,
                ),
                "tls": self.tls,
                **options,
            }
        )

    def topic(self, one: Peer, channel: Up) -> str:
        """Where a device speaks."""
        return up_topic(self.user, Role.DEVICE, one.dial.client_id, channel)

    async def say(self, one: Peer, channel: Up, message: dict[str, Any] | bytes, *, qos: int = 1) -> None:
        """A device says something."""
        await one.publish(self.topic(one, channel), message, qos=qos)

    def description(self, *, renders: bool, name: str = NAME, **more: Any) -> dict[str, Any]:
        """A device, as it describes itself."""
        capabilities = {
            "can_render": renders,
            "can_control": True,
            "can_host_jam": False,
            "supported_formats": ["flac"],
            "max_sample_rate": 48_000,
        }
        return {"name": name, "device_type": "desktop", "capabilities": capabilities, **more}

    async def register(self, one: Peer, **options: Any) -> Registered:
        """Register, and hear the answer."""
        message = {"type": "register", "conn": one.conn, "protocol": 1, **options}
        await self.say(one, Up.REGISTER, message)
        return await one.expect(Registered, lambda it: it.conn == one.conn, what="registered")

    async def join(self, *, renders: bool, name: str = NAME) -> tuple[Peer, Registered]:
        """One more device, until the end."""
        dial = self.dial(fresh())
        one = await self.stack.enter_async_context(peer(dial, prompt=self.prompt))
        more = {"volume": 0.5} if renders else {}
        return one, await self.register(one, device=self.description(renders=renders, name=name, **more))

    def one(self, name: str) -> Peer:
        """A device that has arrived.

        Raises:
            NotShown: it has not.
        """
        if name not in self.devices:
            raise NotShown("it takes devices that could register")
        return self.devices[name]

    # The usual course of things

    async def state(self, device: str = "remote") -> PlaybackState:
        """Ask for the canonical state."""
        one, name = self.one(device), fresh()
        await self.say(one, Up.QUERY, {"type": "request_state", "id": name})
        return (await one.expect(PlaybackStateMessage, lambda it: it.id == name)).state

    async def ask(self, command: dict[str, Any], *, by: str = "remote", **more: Any) -> str:
        """Send a command; returns its id."""
        name = more.pop("id", None) or fresh()
        channel = Up.QUEUE if command.get("type") == "set_queue" else Up.COMMAND
        message = {"type": "playback_command", "id": name, "command": command, **more}
        await self.say(self.one(by), channel, message)
        return name

    async def end(self, name: str, *, by: str = "remote", within: float | None = None) -> CommandResult:
        """The final result of a request."""
        return await self.one(by).expect(
            CommandResult,
            lambda it: it.id == name and it.status is not ResultStatus.ACCEPTED,
            within=within,
            what="final result",
        )

    async def carry_out(self, device: str, name: str, **state: Any) -> ExecuteCommand:
        """A device gets a command and reports it as applied."""
        one = self.one(device)
        order = await one.expect(ExecuteCommand, lambda it: it.id == name, what="execute_command")
        await self.report(device, order.epoch, applied=[name], **state)
        return order

    async def report(self, device: str, epoch: int, **more: Any) -> None:
        """A full report."""
        one = self.one(device)
        one.seq += 1
        lists: dict[str, Any] = {key: more.pop(key) for key in ("applied", "refused") if key in more}
        state = {
            "track_id": TRACKS[0],
            "position_ms": 0,
            "is_playing": False,
            "queue_position": 0,
            "volume": 0.5,
            "shuffle": False,
            "repeat_mode": "off",
            **more,
        }
        message = {"type": "state_update", "conn": one.conn, "seq": one.seq, "epoch": epoch, "state": state}
        await self.say(one, Up.STATE, {**message, **lists})

    async def done(self, command: dict[str, Any], *, on: str = "a", **state: Any) -> ExecuteCommand:
        """A command from asking to `applied`."""
        name = await self.ask(command)
        order = await self.carry_out(on, name, **state)
        result = await self.end(name)
        if result.status is not ResultStatus.APPLIED:
            raise Broken(f"a command that was carried out ended {result.status}")
        return order

    def queue(self, **more: Any) -> dict[str, Any]:
        """The usual queue."""
        return {"type": "set_queue", "tracks": list(TRACKS), "start_index": 0, **more}

    def now(self) -> int:
        """Ms since the epoch, here."""
        return int(time.time() * 1_000)

    async def clean_up(self) -> None:
        """Forget the devices that were made."""
        with contextlib.suppress(Broken, NotShown):
            for name, one in tuple(self.devices.items()):
                if name != "remote" and not one.closed:
                    message = {"type": "delete_device", "id": fresh(), "device_id": one.dial.client_id}
                    await self.say(self.one("remote"), Up.MANAGE, message)
            if "remote" in self.devices:
                me = self.devices["remote"]
                message = {"type": "delete_device", "id": fresh(), "device_id": me.dial.client_id}
                await self.say(me, Up.MANAGE, message)


@contextlib.asynccontextmanager
async def house(
    *, address: Address, user: str, token: str, tls: Any, prompt: float = PROMPT
) -> AsyncIterator[House]:
    """A stage whose connections end with it, and whose devices are forgotten."""
    async with AsyncExitStack() as stack:
        made = House(address, user, token, tls, stack, prompt)
        try:
            yield made
        finally:
            await made.clean_up()
