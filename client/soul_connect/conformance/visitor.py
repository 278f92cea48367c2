"""The stage for a client: we are the coordinator, and it is the only one who comes."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from soul_connect.conformance.peer import Heard, Peer, fresh
from soul_connect.conformance.verdict import Broken, NotShown
from soul_protocol.limits import PING_EVERY
from soul_protocol.models import ReportedState
from soul_protocol.topics import COORDINATOR
from soul_protocol.up import Ping, Register, StateUpdate

PINGS_WITHIN: Final = PING_EVERY / 1_000 + 2
"""How long (s) a client may leave the first ping."""

TRACKS: Final = ("conformance-a", "conformance-b", "conformance-c")


@dataclass
class Visitor:
    """A client that registers with us."""

    service: Peer
    patience: float
    tracks: tuple[str, ...] = TRACKS
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    pings_within: float = PINGS_WITHIN
    root: str = ""
    transfer: str = ""
    everything: list[Heard] = field(default_factory=list)
    """All that anybody said before this client was known."""
    register: Register | None = None
    epoch: int = 1
    sequence: int = 1
    rev: int = 0
    deaf: bool = False
    """A coordinator that is away answers nothing."""
    said: list[Heard] = field(default_factory=list)
    """All that it said."""
    seqs: dict[str, list[int]] = field(default_factory=dict)
    """The `seq` of its reports, by `conn`."""
    _pings: "asyncio.Queue[int]" = field(default_factory=asyncio.Queue)

    # What it is

    @property
    def device(self) -> str:
        """Its id."""
        return self.root.rsplit("/", 1)[-1]

    @property
    def user_root(self) -> str:
        """The topics of its user."""
        return "/".join(self.root.split("/")[:3])

    def arrived(self) -> Register:
        """Its `register`.

        Raises:
            NotShown: it never came.
        """
        if self.register is None:
            raise NotShown("it takes a client that registers")
        return self.register

    def renderer(self) -> Register:
        """Its `register`, if it renders.

        Raises:
            NotShown: it does not.
        """
        if not self.arrived().device.capabilities.can_render:
            raise NotShown("it does not render")
        return self.arrived()

    # What we say

    async def announce(self, *, online: bool = True) -> None:
        """`coordinator_status`, which is retained where the service may do that; here it is told live."""
        status = {
            "type": "coordinator_status",
            "coordinator": self.id,
            "online": online,
            "started_at": self.now(),
        }
        await self.service.publish(COORDINATOR, status)

    async def tell(self, channel: str, message: dict[str, Any], *, qos: int = 1) -> None:
        """On `down/CHANNEL` of the client."""
        await self.service.publish(f"{self.root}/down/{channel}", message, qos=qos)

    async def tell_all(self, channel: str, message: dict[str, Any], *, qos: int = 1) -> None:
        """On `all/CHANNEL` of its user."""
        await self.service.publish(f"{self.user_root}/all/{channel}", message, qos=qos)

    def now(self) -> int:
        """Our clock."""
        return int(time.time() * 1_000)

    def state(self, **changes: Any) -> dict[str, Any]:
        """A canonical state; the client is active in it unless `changes` say otherwise."""
        state: dict[str, Any] = {
            "device_id": None,
            "track_id": None,
            "position_ms": 0,
            "position_at": self.now(),
            "is_playing": False,
            "queue": [],
            "queue_position": 0,
            "volume": 1.0,
            "shuffle": False,
            "repeat_mode": "off",
            "duration_ms": None,
            "updated_at": self.now(),
            "epoch": self.epoch,
            "sequence": self.sequence,
            "queue_rev": self.rev,
            "paused_reason": None,
            "error": None,
            "applied": [],
        }
        return {**state, **changes}

    def queued(self, **changes: Any) -> dict[str, Any]:
        """A state with music in it."""
        return self.state(
            **{"track_id": self.tracks[0], "queue": list(self.tracks), "device_id": self.device, **changes}
        )

    async def welcome(self, register: Register, **state: Any) -> None:
        """Answer a `register`."""
        described = register.device.model_dump(mode="json")
        device = {
            "id": self.device,
            **described,
            "is_online": True,
            "is_guest": "/guest/" in self.root,
            "last_seen": self.now(),
            "created_at": self.now(),
        }
        limits = {
            "packet_bytes": 524_288,
            "queue_tracks": 10_000,
            "queue_bytes": 393_216,
            "requests_per_minute": 100,
            "other_per_minute": 60,
            "states_per_second": 10,
            "devices": 10,
        }
        answer = {
            "type": "registered",
            "conn": register.conn,
            "device_id": self.device,
            "device": device,
            "devices": [device],
            "current_state": self.state(**state),
            "should_resume": False,
            "server_time": self.now(),
            "coordinator": self.id,
            "limits": limits,
            "later_version": {"an": "unknown field"},
        }
        await self.tell("reply", answer)

    async def execute(self, command: dict[str, Any], **more: Any) -> str:
        """`execute_command`; returns its id."""
        name = more.pop("id", None) or fresh()
        order = {
            "type": "execute_command",
            "id": name,
            "command": command,
            "from_device": fresh(),
            "epoch": self.epoch,
            "expires_at": self.now() + 5_000,
        }
        await self.tell("execute", {**order, **more})
        return name

    # What it says

    async def wait_for(self, condition: Callable[[], object], within: float, what: str) -> None:
        """Return when the condition holds; `Broken` if it does not in time."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                raise Broken(f"no {what} within {within:g} s")
            await asyncio.sleep(0.05)

    async def report(
        self,
        where: Callable[[StateUpdate], object],
        *,
        within: float | None = None,
        what: str = "such report",
    ) -> StateUpdate:
        """The first report for which `where` holds."""
        return await self.service.expect(StateUpdate, where, within=within, what=what)

    async def applied(self, command: dict[str, Any], **more: Any) -> ReportedState:
        """Send a command, and hear the report that lists it as applied."""
        name = await self.execute(command, **more)
        report = await self.report(
            lambda it: name in (it.applied or ()) or any(one.id == name for one in it.refused or ()),
            what=f"report that lists {command['type']}",
        )
        for one in report.refused or ():
            if one.id == name:
                raise Broken(f"{command['type']} was refused: {one.code}")
        if report.epoch != self.epoch:
            raise Broken(f"the report is of epoch {report.epoch}, the command was of {self.epoch}")
        if report.state is None:
            raise Broken("the report has no state")
        return report.state

    async def silent_for(self, seconds: float, playing: Callable[[StateUpdate], object]) -> bool:
        """Whether no report for which `playing` holds comes for so long."""
        self.service.forget()
        return await self.service.find(StateUpdate, playing, within=seconds) is None

    def overhear(self, heard: Heard) -> None:
        """Everything that anybody says passes here."""
        if not self.root:
            self.everything.append(heard)
        if not self.root or not heard.topic.startswith(f"{self.root}/up/"):
            return
        self.said.append(heard)
        message = heard.message
        if isinstance(message, StateUpdate):
            self.seqs.setdefault(message.conn, []).append(message.seq)
        if isinstance(message, Ping) and not self.deaf:
            self._pings.put_nowait(message.t0)

    async def answer_pings(self) -> None:
        """A coordinator always does; until cancelled."""
        while True:
            t0, now = await self._pings.get(), self.now()
            with contextlib.suppress(Broken):
                await self.tell("reply", {"type": "pong", "t0": t0, "t1": now, "t2": now}, qos=0)
