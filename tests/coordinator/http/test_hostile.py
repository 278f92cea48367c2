"""What strangers, pages of others and guests may not do to those who live here."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from coordinator.http.world import World, refused
from soul_coordinator.adapters import http_answers
from soul_coordinator.adapters.http import HttpSettings
from soul_coordinator.adapters.http_music import Elsewhere


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    settings = HttpSettings(
        trusted_proxies=("127.0.0.0/8",),
        allowed_origins=("https://player.example",),
        elsewhere=Elsewhere("https://m.example/{track}"),
    )
    world = World(tmp_path, settings)
    async with world.client:
        yield world


@pytest.mark.parametrize("user", ["\\ud800", "a\\u0000", "x" * 10_000, "' OR 1=1 --"])
async def test_a_name_that_nobody_can_have_is_just_wrong(world: World, user: str) -> None:
    body = f'{{"user": "{user}", "password": "secret"}}'.encode()
    await refused(await world.client.post("/api/login", data=body), 401, "refused")


async def test_half_a_character_is_no_track(world: World) -> None:
    body = b'{"ids": ["\\ud800", "http://\\ud800/x", "good"]}'
    response = await world.client.post("/api/tracks", data=body, headers=world.bearer())
    assert await response.json() == {"tracks": {"good": {"stream": "https://m.example/good"}}}


async def test_a_body_that_does_not_come(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_answers, "BODY_SECONDS", 0.05)
    host, port = world.client.server.host, world.client.server.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /api/login HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{")
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    writer.close()


@pytest.mark.parametrize("path", ["login", "refresh", "invite", "invitations", "logout", "tracks"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://player.example.evil.example"])
async def test_a_page_of_another_server_may_not_ask(world: World, path: str, origin: str) -> None:
    headers = {**world.bearer(), "Origin": origin}
    await refused(await world.post(f"/api/{path}", {}, headers=headers), 403, "forbidden")


async def test_our_own_page_may_also_through_a_proxy(world: World) -> None:
    own = f"http://{world.client.server.host}:{world.client.server.port}"
    for headers in (
        {"Origin": own},
        {"Origin": "https://player.example"},
        {"Origin": "https://music.example:8443", "X-Forwarded-Host": "Music.example:8443"},
    ):
        response = await world.post("/api/login", {"user": "alice", "password": "secret"}, headers=headers)
        assert response.status == 200, headers


async def test_guessing_keeps_nobody_out_who_is_signed_in(tmp_path: Path) -> None:
    """Strangers with many addresses: more passwords at once than may wait to be looked at."""
    settings = HttpSettings(trusted_proxies=("127.0.0.0/8",))
    world = World(tmp_path, settings, hasher=PasswordHasher(3, 65_536, 4))
    async with world.client:
        token = world.bearer()
        crowd = [
            asyncio.ensure_future(world.login("guess", f"user{number}", via=f"198.51.100.{number}"))
            for number in range(100)
        ]
        for answer in asyncio.as_completed(crowd):
            if (await answer).status == 503:
                break
        else:
            pytest.fail("nobody had to wait")
        assert (await world.post("/api/refresh", headers=token)).status == 200
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)


async def test_passwords_are_looked_at_after_the_music_had_its_turn(world: World) -> None:
    """Each takes every core for a moment, and any stranger may send one."""
    assert (await world.login()).status == 200
    ours = os.getpriority(os.PRIO_PROCESS, threading.main_thread().native_id or 0)
    theirs = {
        os.getpriority(os.PRIO_PROCESS, each.native_id or 0)
        for each in threading.enumerate()
        if each.name.startswith("passwords")
    }
    assert theirs == {min(19, ours + 10)}
