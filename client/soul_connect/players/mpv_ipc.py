"""An mpv process and its JSON IPC (mpv's manual, "JSON IPC").

One socketpair joins the two: mpv ends by itself when our end closes, so that it never
outlives this process, and nobody else can reach it.
"""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any, Self

_QUIT_SECONDS = 2.0
_COMMAND_SECONDS = 10.0
_LINE_BYTES = 1024 * 1024


class MpvError(Exception):
    """mpv refused a command; the text is mpv's own word for it."""


class MpvGoneError(Exception):
    """The process has ended, or does not answer."""


class MpvProcess:
    """A running mpv. Make it with `start`; events go to `on_event`, in order, as they are read."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        on_event: Callable[[dict[str, Any]], None],
        on_exit: Callable[[], None],
    ) -> None:
        self._process = process
        self._reader, self._writer = streams
        self._on_event = on_event
        self._on_exit = on_exit
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[asyncio.Future[Any], Callable[[Any], None] | None]] = {}
        self._gone = False
        self._closing = False
        self._reading = asyncio.create_task(self._read(), name="mpv ipc")

    @classmethod
    async def start(
        cls,
        program: str,
        arguments: Sequence[str],
        *,
        on_event: Callable[[dict[str, Any]], None],
        on_exit: Callable[[], None],
    ) -> Self:
        """Start `program`. `on_exit` is called once when it ends without `close`.

        Raises:
            OSError: it cannot be started (`FileNotFoundError`: it is not installed).
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    program,
                    *arguments,
                    f"--input-ipc-client=fd://{theirs.fileno()}",
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                    # Ctrl-C in a terminal goes to the whole foreground group: the player
                    # shall say goodbye first, and end mpv itself.
                    start_new_session=True,
                )
            except BaseException:  # cancelled, too: nobody would close it later
                ours.close()
                raise
        streams = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        return cls(process, streams, on_event, on_exit)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def command(self, *words: object, then: Callable[[Any], None] | None = None) -> Any:
        """Run a command and return its data. See `request` for `then` and the errors."""
        return await self.request(list(words), then=then)

    async def request(self, command: object, *, then: Callable[[Any], None] | None = None) -> Any:
        """Run a command given as mpv's JSON: a list, or an object of named arguments.

        `then` gets the data before any later event is told: what it notes is there when
        the events that the command causes arrive.

        Raises:
            MpvError: mpv refused it.
            MpvGoneError: the process has ended, or did not answer.
        """
        if self._gone:
            raise MpvGoneError("mpv has ended")
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (future, then)
        self._writer.write(json.dumps({"command": command, "request_id": number}).encode() + b"\n")
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                return await future
        except TimeoutError:
            self.kill()
            raise MpvGoneError("mpv does not answer") from None

    def kill(self) -> None:
        """End it the hard way: for a process that does not answer."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End it; `on_exit` is not called. May be called twice."""
        self._closing = True
        # Closing our end is a `quit` that needs no answer.
        self._writer.close()
        try:
            async with asyncio.timeout(_QUIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._fail_waiting()

    async def _read(self) -> None:
        with contextlib.suppress(OSError):
            while line := await self._reader.readline():
                # A file name in a message need not be UTF-8.
                message = json.loads(line.decode(errors="replace"))
                if "event" in message:
                    self._on_event(message)
                elif (request := self._waiting.pop(message.get("request_id"), None)) is not None:
                    _answer(message, *request)
        self._fail_waiting()
        self._writer.close()
        if not self._closing:
            # The socket can only end with the process; whatever is left of it goes too.
            self.kill()
            await self._process.wait()
            self._on_exit()

    def _fail_waiting(self) -> None:
        self._gone = True
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(MpvGoneError("mpv has ended"))


def _answer(message: dict[str, Any], future: asyncio.Future[Any], then: Callable[[Any], None] | None) -> None:
    error = message.get("error", "success")
    if error == "success" and then is not None:
        then(message.get("data"))
    if future.done():
        return
    if error == "success":
        future.set_result(message.get("data"))
    else:
        future.set_exception(MpvError(error))
