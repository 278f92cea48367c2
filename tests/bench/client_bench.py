"""The client library: what importing it takes, what a connected client costs, and how soon it is back.

    python -m bench client [--clients 8] [--seconds 15] [--crowd 30] [--only TABLE]

What is measured stands in the tables that it prints; nothing is asserted.
"""

# ruff: noqa: T201 (what it prints is what it is for)

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from client.faulty_proxy import FaultyProxy, faulty_proxy
from client.on_stage import playing
from serving import Server, serving
from soul_connect.client import ConnectClient
from soul_connect.errors import RequestError
from soul_coordinator.accounts import Accounts
from waiting import until_async

ROUNDS = 9
PAGE = os.sysconf("SC_PAGE_SIZE")


def say(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def imports() -> None:
    """Median of nine fresh interpreters each."""
    print("\n### Import, ms (median of 9 processes)\n")
    say("what", "wall", "processor")
    say("---", "---:", "---:")
    for what in (
        "import soul_connect",
        "from soul_connect import ConnectClient",
        "from soul_connect import Player",
        "from soul_connect.sync import ConnectClient",
    ):
        code = (
            "import time; w, c = time.perf_counter(), time.process_time();"
            f"{what}; print(time.perf_counter() - w, time.process_time() - c)"
        )
        runs = []
        for _ in range(ROUNDS):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            runs.append([float(number) * 1_000 for number in done.stdout.split()])
        wall, processor = (statistics.median(column) for column in zip(*runs, strict=True))
        say(f"`{what}`", f"{wall:.0f}", f"{processor:.0f}")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE


async def hold(url: str, token: str, clients: int, seconds: float) -> None:
    """In a process of its own: connect so many, and say what they took."""
    before = resident()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(clients):
            await stack.enter_async_context(ConnectClient(url=url, token=token, ephemeral=True))
        await asyncio.sleep(2)
        busy, start = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (time.process_time() - busy) / (time.monotonic() - start)
        print(resident() - before, share, flush=True)


async def cost(server: Server, accounts: Accounts, clients: int, seconds: float) -> None:
    """A state a second, and the position tick besides."""
    print(f"\n### A connected client, one state and one tick a second ({seconds:g} s)\n")
    say("clients in one process", "memory each, KiB", "processor each, ms a second")
    say("---:", "---:", "---:")
    accounts.add("bench", None)
    token = accounts.issue("bench").token
    async with (
        playing(server.url, token, "Bench") as (player, _),
        ConnectClient(url=server.url, token=token, ephemeral=True) as remote,
    ):
        queue = tuple(f"track {number}" for number in range(100))
        await remote.set_queue(queue, target_device=player.client.device_id)
        await remote.play()
        changing = asyncio.create_task(_change(remote))
        for count in (1, clients):
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                __file__,
                *("--hold", str(count), "--seconds", str(seconds), "--url", server.url),
                env={**os.environ, "SOUL_CONNECT_TOKEN": token},
                stdout=subprocess.PIPE,
            )
            out, _ = await child.communicate()
            memory, share = (float(word) for word in out.split())
            say(count, f"{memory / count / 1_024:.0f}", f"{share / count * 1_000:.2f}")
        changing.cancel()
        await asyncio.wait({changing})


async def _change(remote: ConnectClient) -> None:
    for turn in range(10_000):
        with contextlib.suppress(RequestError):
            await remote.set_volume(0.4 + turn % 2 / 10)
        await asyncio.sleep(1)


async def back(server: Server, accounts: Accounts, crowd: int) -> None:
    """Many clients of as many users at once, each with a backoff of its own; 20 s away."""
    print(f"\n### Back online after 20 s away, ms from the moment that the path is back ({crowd} clients)\n")
    say("what broke", "median", "worst")
    say("---", "---:", "---:")
    tokens = []
    for number in range(crowd):
        accounts.add(f"crowd{number}", None)
        tokens.append(accounts.issue(f"crowd{number}").token)
    async with faulty_proxy(server.mqtt_port) as proxy:

        async def black_out() -> None:
            proxy.black_out()

        async def restart() -> None:
            await asyncio.to_thread(server.start)

        async def kill() -> None:
            await asyncio.to_thread(server.kill)

        await _round("connections reset, new ones refused", proxy, tokens, proxy.cut, proxy.restore)
        await _round("everything swallowed", proxy, tokens, black_out, proxy.restore)
        await _round("server killed and started again", proxy, tokens, kill, restart)


async def _round(
    what: str,
    proxy: FaultyProxy,
    tokens: list[str],
    breaks: Callable[[], Awaitable[None]],
    mends: Callable[[], Awaitable[None]],
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(ConnectClient(url=proxy.url, token=token, ephemeral=True))
            for token in tokens
        ]
        await breaks()
        asking = [asyncio.ensure_future(client.list_devices()) for client in clients]  # so that it shows
        await until_async(lambda: not any(client.is_online for client in clients), seconds=60)
        await asyncio.sleep(20)
        times: dict[int, float] = {}
        mended = time.monotonic()

        async def watch(number: int, client: ConnectClient) -> None:
            async for online in client.subscribe_online():
                if online:
                    times[number] = time.monotonic()
                    return

        watching = [asyncio.ensure_future(watch(*one)) for one in enumerate(clients)]
        await mends()
        if "server" in what:
            mended = time.monotonic()  # it is ready
        await asyncio.wait(watching, timeout=30)
        await asyncio.gather(*asking, return_exceptions=True)
        waits = sorted(max(0.0, at - mended) * 1_000 for at in times.values())
        missing = len(clients) - len(waits)
        say(
            what,
            f"{statistics.median(waits):.0f}",
            f"{waits[-1]:.0f}" + (f", {missing} missing" if missing else ""),
        )


async def measure(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server:
        accounts = Accounts.of_data_dir(server.data_dir)
        if options.only in {None, "cost"}:
            await cost(server, accounts, options.clients, options.seconds)
        if options.only in {None, "back"}:
            await back(server, accounts, options.crowd)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=8, help="in one process (10 ephemeral ones a user)")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--crowd", type=int, default=30)
    parser.add_argument("--only", choices=["imports", "cost", "back"], help="one of the three tables")
    parser.add_argument("--hold", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        asyncio.run(hold(options.url, os.environ["SOUL_CONNECT_TOKEN"], options.hold, options.seconds))
        return
    if options.only in {None, "imports"}:
        imports()
    if options.only != "imports":
        asyncio.run(measure(options))


if __name__ == "__main__":
    main()
