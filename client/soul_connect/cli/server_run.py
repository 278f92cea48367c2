"""Running the server: what stands in one process, from the first file to the last farewell."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from soul_connect.cli.collector import settle_collector
from soul_connect.cli.exits import CliError, Exit
from soul_connect.cli.loop import run_for_long
from soul_connect.cli.running import noted
from soul_connect.settings import ServerSettings

if TYPE_CHECKING:
    from soul_connect.cli.server_parts import Parts

Part = Literal["serve", "broker", "coordinator"]

_STOP_WITHIN: Final = 4.0
_LOGGED: Final = 1_000
"""Characters of one value that a log needs at most."""
_log = structlog.get_logger("soul_connect")


def run(part: Part, *, config: Path | None, demo: bool = False, **options: Any) -> int:
    """Run a part of the server until SIGINT or SIGTERM. Returns the exit code.

    Raises:
        SettingsError, CliError: a bad setting, or a taken port.
    """
    settings = ServerSettings.load(config, options)
    if demo and not (settings.mqtt_port or settings.http_port):
        text = "The demo's players need the MQTT or the HTTP port: set one of them."
        raise CliError(Exit.USAGE, text)
    log_to_stderr(settings)
    _raise_file_limit()
    return run_for_long(_until_signal(part, settings, demo=demo))


async def _until_signal(part: Part, settings: ServerSettings, *, demo: bool) -> int:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reload = asyncio.Event()
    if hasattr(signal, "SIGHUP"):  # not on Windows
        loop.add_signal_handler(signal.SIGHUP, reload.set)
    serving = asyncio.create_task(_serve(part, settings, stop, reload, demo=demo))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        await asyncio.wait({serving}, timeout=_STOP_WITHIN)
    stopping.cancel()
    if not serving.done():
        _log.warning("did not stop in time; ending anyway")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        return Exit.DONE
    return serving.result()


async def _serve(
    part: Part, settings: ServerSettings, stop: asyncio.Event, reload: asyncio.Event, *, demo: bool
) -> int:
    """Start the parts in order, say `ready`, wait, and stop them in the opposite order."""
    from soul_connect.cli.server_parts import Parts  # noqa: PLC0415 (heavy, and after the log is set up)

    async with contextlib.AsyncExitStack() as stack:
        parts = await stack.enter_async_context(Parts.open(settings))
        if demo:
            from soul_connect.cli.server_demo import add_music  # noqa: PLC0415

            add_music(parts)
        if part != "coordinator":
            await stack.enter_async_context(parts.broker(with_api=part == "serve"))
        if part != "broker":
            await stack.enter_async_context(parts.coordinator(alone=part == "coordinator"))
            if not await _first(parts.ready(), stop):
                return Exit.DONE
        if demo:
            from soul_connect.cli.server_demo import demo_players  # noqa: PLC0415

            await stack.enter_async_context(demo_players(parts, stop))
        settle_collector()
        if part != "coordinator":
            stack.enter_context(_noted(parts))
        if not stop.is_set():
            sys.stdout.write(f"ready {parts.listening}\n")
            sys.stdout.flush()
        reloading = asyncio.create_task(_reload(parts, reload))
        stack.callback(reloading.cancel)
        await _first(parts.failure(), stop)
    return Exit.DONE


@contextlib.contextmanager
def _noted(parts: "Parts") -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(noted(parts.settings.data_dir, parts.running))
        except OSError as error:  # music plays all the same
            _log.warning("`invite` and `provision` cannot know where this server is", why=str(error))
        yield


async def _reload(parts: "Parts", reload: asyncio.Event) -> None:
    """At each SIGHUP, once everything runs."""
    while True:
        await reload.wait()
        reload.clear()
        parts.reload()


async def _first(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Run until done (True) or until told to stop (False)."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def _raise_file_limit() -> None:
    """Each connection is an open file: take as many as the system allows."""
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def log_to_stderr(settings: ServerSettings) -> None:
    """The log as the settings want it."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: Any
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer(serializer=json.dumps)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _bounded,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # What a stranger sends to the port is no request: that is the stranger's trouble, and 20 lines each.
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    # amqtt, aiohttp and paho speak through the standard library; their warnings are enough.
    logging.basicConfig(level=max(level, logging.WARNING), format="%(asctime)s %(name)s %(message)s")


def _bounded(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For structlog: no value of others makes a line long. A topic has 64 KiB."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > _LOGGED:
            event[name] = f"{value[:_LOGGED]}..."
    return event


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether aiohttp speaks of our own mistake."""
    from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415 (heavy; it is there by now)

    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
