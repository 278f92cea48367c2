"""Music over real HTTP: what tracks are called, where they sound, and who may hear them."""

import contextlib
import gzip
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import ClientResponse
from yarl import URL

from coordinator.http.world import DEVICE, World, refused
from coordinator.music.sounds import PNG, wav
from soul_coordinator.adapters.http import HttpSettings
from soul_coordinator.adapters.http_music import Elsewhere
from soul_coordinator.adapters.sqlite import SqliteStore
from soul_coordinator.core.effects import ForgetDevice
from soul_coordinator.music.folder import MusicFolder
from soul_coordinator.music.tickets import Tickets
from soul_protocol.roles import Role, Scope
from waiting import until_async

ODD = "odd/100% #1? & more.wav"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    wav(folder / "album" / "01.wav", title="One", album="First", track="1")
    wav(folder / "album" / "02.wav", title="Two", album="First", track="2")
    wav(folder / ODD)
    (folder / "album" / "cover.png").write_bytes(PNG)
    (folder / "album" / "01.wav.gz").write_bytes(gzip.compress(b"not this"))
    return folder


@pytest.fixture
async def world(tmp_path: Path, music: Path) -> AsyncIterator[World]:
    folder = MusicFolder(music, b"k" * 32)
    world = World(tmp_path, HttpSettings(music=folder))
    async with world.client:
        await until_async(lambda: not folder.scanning, what="the library")
        yield world


async def library(world: World, **query: Any) -> Any:
    response = await world.client.get("/api/library", params=query, headers=world.bearer())
    assert response.status == 200
    return await response.json()


async def tracks(world: World, *ids: str, headers: dict[str, str] | None = None) -> Any:
    response = await world.post("/api/tracks", {"ids": ids}, headers=headers or world.bearer())
    assert response.status == 200, await response.text()
    return (await response.json())["tracks"]


def with_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def heard(world: World, address: str, **headers: str) -> ClientResponse:
    """As `<audio>` asks: no token."""
    return await world.client.get(URL(f"/{address}", encoded=True), headers=headers)


async def test_a_device_is_told_what_a_track_is_and_where_it_sounds(world: World) -> None:
    found = await tracks(world, "album/01.wav", "album/nothing.wav")
    assert set(found) == {"album/01.wav"}
    one = found["album/01.wav"]
    shown = {"title": "One", "artist": "The Testers", "album": "First", "track_number": 1}
    assert {key: one[key] for key in shown} == shown
    assert (one["duration_ms"], one["media_type"]) == (1000, "audio/wav")
    assert re.fullmatch(r"covers/[0-9a-f]{32}\.png", one["cover"])
    assert re.fullmatch(r"stream/alice/[0-9]+-[0-9a-f]{32}-[A-Za-z0-9_-]{43}/album/01.wav", one["stream"])
    response = await heard(world, one["stream"])
    assert response.status == 200
    assert response.content_type == "audio/wav"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"] == "private, max-age=600"
    assert (await response.read()).startswith(b"RIFF")


async def test_the_cover_is_shown_to_whoever_knows_its_name_and_never_changes(world: World) -> None:
    cover = (await tracks(world, "album/01.wav"))["album/01.wav"]["cover"]
    response = await world.client.get(f"/{cover}")
    assert (await response.read(), response.content_type) == (PNG, "image/png")
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    await refused(await world.client.get("/covers/" + "0" * 32 + ".png"), 404, "not_found")
    await refused(await world.client.get("/covers/..%2falbum%2fcover.png"), 404, "not_found")


async def test_names_with_signs_of_their_own(world: World) -> None:
    stream = (await tracks(world, ODD))[ODD]["stream"]
    assert stream.endswith("/odd/100%25%20%231%3F%20%26%20more.wav")
    assert (await heard(world, stream)).status == 200


async def test_those_who_do_not_play_get_no_stream(world: World) -> None:
    for role in (Role.GUEST, Role.OBSERVER):
        found = await tracks(world, "album/01.wav", headers=world.bearer(role))
        assert found["album/01.wav"]["title"] == "One"
        assert not {"stream", "stream_expires_at"} & set(found["album/01.wav"])


async def test_the_library_in_pages(world: World) -> None:
    whole = await library(world)
    assert [track["id"] for track in whole["tracks"]] == ["album/01.wav", "album/02.wav", ODD]
    assert (whole["total"], whole["offset"], whole["next_offset"]) == (3, 0, None)
    assert not any("stream" in track for track in whole["tracks"])
    first = await library(world, limit=2)
    assert (len(first["tracks"]), first["next_offset"]) == (2, 2)
    rest = await library(world, limit=2, offset=2)
    assert [track["id"] for track in rest["tracks"]] == [ODD]
    assert [track["title"] for track in (await library(world, search="first tWo"))["tracks"]] == ["Two"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "offset=-1", "offset=x", "offset=²", "search=" + "x" * 101]
)
async def test_pages_that_cannot_be(world: World, query: str) -> None:
    await refused(await world.client.get(f"/api/library?{query}", headers=world.bearer()), 400, "bad_request")


async def test_a_guest_sees_the_library_only_to_queue_from_it(world: World) -> None:
    looking = await world.client.get("/api/library", headers=world.bearer(Role.GUEST, Scope.CONTROL))
    await refused(looking, 403, "forbidden")
    queueing = await world.client.get("/api/library", headers=world.bearer(Role.GUEST, Scope.QUEUE))
    assert queueing.status == 200


@pytest.mark.parametrize("ids", [None, [], "album/01.wav", [1], [""], ["x" * 257], ["a"] * 101, {"a": 1}])
async def test_ids_that_cannot_be(world: World, ids: object) -> None:
    await refused(await world.post("/api/tracks", {"ids": ids}, headers=world.bearer()), 400, "bad_request")


async def test_a_hundred_long_ids_are_taken_and_a_larger_body_is_not(world: World) -> None:
    assert await tracks(world, *("ä" * 250 + str(number) for number in range(100))) == {}
    large = await world.post("/api/tracks", {"ids": ["x" * 200_000]}, headers=world.bearer())
    await refused(large, 413, "payload_too_large")


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-", 206, 0, None),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-199", 206, 100, 200),
        ("BYTES=100-199", 206, 100, 200),
        ("bytes=-10", 206, -10, None),
        ("bytes=-999999", 206, 0, None),
        ("bytes=16000-999999", 206, 16_000, None),
        # What is no range, or several: the whole file (RFC 9110 section 14.2).
        ("bytes=5-2", 200, 0, None),
        ("bytes=0-1,5-9", 200, 0, None),
        ("bytes=x", 200, 0, None),
        ("bytes=-0", 200, 0, None),
        ("seconds=0-1", 200, 0, None),
    ],
)
async def test_ranges(world: World, asked: str, status: int, start: int, end: int | None) -> None:
    stream = (await tracks(world, "album/01.wav"))["album/01.wav"]["stream"]
    whole = await (await heard(world, stream)).read()
    response = await heard(world, stream, Range=asked)
    body = await response.read()
    assert (response.status, body) == (status, whole[start:end])
    if status == 206:
        first = start % len(whole)
        last = first + len(body) - 1
        assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
    head = await world.client.head(URL(f"/{stream}", encoded=True), headers={"Range": asked})
    assert (head.status, await head.read()) == (status, b"")
    assert head.headers["Content-Length"] == str(len(body))


async def test_a_range_beyond_the_end(world: World, music: Path) -> None:
    size = (music / "album" / "01.wav").stat().st_size
    stream = (await tracks(world, "album/01.wav"))["album/01.wav"]["stream"]
    response = await heard(world, stream, Range=f"bytes={size}-")
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{size}"


async def test_a_range_of_another_file_is_the_whole_new_one(world: World) -> None:
    stream = (await tracks(world, "album/01.wav"))["album/01.wav"]["stream"]
    tag = (await heard(world, stream)).headers["ETag"]
    same = await heard(world, stream, Range="bytes=0-9", **{"If-Range": tag})
    other = await heard(world, stream, Range="bytes=0-9", **{"If-Range": '"other"'})
    assert (same.status, other.status) == (206, 200)
    assert (await heard(world, stream, **{"If-None-Match": tag})).status == 304


async def test_a_compressed_file_beside_is_not_sent(world: World) -> None:
    stream = (await tracks(world, "album/01.wav"))["album/01.wav"]["stream"]
    response = await heard(world, stream, **{"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in response.headers
    assert (await response.read()).startswith(b"RIFF")


async def test_addresses_that_were_not_given_out(world: World) -> None:
    stream = (await tracks(world, "album/01.wav"))["album/01.wav"]["stream"]
    world.accounts.add("bob")
    for address in (
        stream.replace("01.wav", "02.wav"),
        stream.replace("alice", "bob"),
        stream.replace("album/01.wav", "..%2Fdb"),
        stream.replace("album/01.wav", "%2e%2e/db"),
        re.sub("/[0-9]+-", lambda end: f"/{int(end[0][1:-1]) + 1}-", stream),
        "stream/alice/x/album/01.wav",
        re.sub("-[0-9a-f]{32}-", "-" + "0" * 32 + "-", stream),
        "stream/alice/0-" + "0" * 32 + "-" + "A" * 43 + "/album/01.wav",
    ):
        assert (await heard(world, address)).status in {403, 404}, address
    await refused(await heard(world, stream.replace("alice", "bob")), 403, "bad_signature")


async def test_an_address_that_has_expired(world: World) -> None:
    old = Tickets(world.key).make("alice", "0" * 32, "album/01.wav", now=0, duration_ms=1_000)
    await refused(await heard(world, f"stream/alice/{old.text}/album/01.wav"), 403, "expired")


async def test_a_stream_opens_nothing_else_and_a_token_no_stream(world: World) -> None:
    stream = (await tracks(world, "album/01.wav"))["album/01.wav"]["stream"]
    ticket = stream.split("/")[2]
    response = await world.client.get("/api/library", headers={"Authorization": f"Bearer {ticket}"})
    await refused(response, 401, "refused")
    token = world.bearer()["Authorization"].split()[1]
    await refused(await heard(world, f"stream/alice/{token}/album/01.wav"), 403, "bad_signature")


async def test_an_address_ends_with_the_token_that_asked_for_it(world: World) -> None:
    signed_in, other = world.bearer(), world.bearer()
    bound = world.accounts.issue("alice", device=DEVICE)
    by_operator = world.accounts.issue("alice")

    async def stream(headers: dict[str, str]) -> str:
        found = await tracks(world, "album/01.wav", headers=headers)
        return str(found["album/01.wav"]["stream"])

    async def gone(address: str) -> None:
        await refused(await heard(world, address), 403, "revoked")
        await refused(await heard(world, address, Range="bytes=0-9"), 403, "revoked")

    mine, theirs, device, revoked = [
        await stream(headers)
        for headers in (signed_in, other, with_token(bound.token), with_token(by_operator.token))
    ]
    assert len({mine, theirs, device, revoked}) == 4
    for address in (mine, theirs, device, revoked):
        assert (await heard(world, address)).status == 200

    assert (await world.post("/api/logout", headers=signed_in)).status == 200
    await gone(mine)
    world.accounts.revoke(by_operator.claims.jti)
    await gone(revoked)
    with contextlib.closing(SqliteStore(world.database)) as store:
        store.load()
        store.commit((ForgetDevice("alice", DEVICE, "deleted"),))
    await gone(device)
    assert (await heard(world, theirs)).status == 200
    world.accounts.remove("alice")
    await gone(theirs)


async def test_an_address_outlives_the_end_of_its_token(world: World) -> None:
    short = world.accounts.issue("alice", ttl=1)
    found = await tracks(world, "album/01.wav", headers=with_token(short.token))
    await until_async(lambda: time.time() > short.claims.exp)
    await refused(
        await world.post("/api/tracks", {"ids": ["x"]}, headers=with_token(short.token)), 401, "refused"
    )
    assert (await heard(world, found["album/01.wav"]["stream"])).status == 200


async def test_of_a_removed_file_nothing_is_heard(world: World, music: Path) -> None:
    found = await tracks(world, "album/01.wav")
    (music / "album" / "01.wav").unlink()
    await refused(await heard(world, found["album/01.wav"]["stream"]), 404, "not_found")


async def test_without_a_folder_there_is_no_library(tmp_path: Path) -> None:
    world = World(tmp_path, HttpSettings())
    async with world.client:
        assert await library(world) == {
            "tracks": [],
            "total": 0,
            "offset": 0,
            "next_offset": None,
            "scanning": False,
        }
        assert await tracks(world, "album/01.wav", "https://radio.example.org/a") == {}


async def test_music_elsewhere(tmp_path: Path, music: Path) -> None:
    elsewhere = Elsewhere("https://music.example.org/s/{track}?x=1", ("https://radio.example.org",))
    built = tmp_path / "page"
    built.mkdir()
    (built / "index.html").write_text("<!doctype html>")
    folder = MusicFolder(music, b"k" * 32)
    world = World(tmp_path, HttpSettings(music=folder, elsewhere=elsewhere, web_dir=built))
    async with world.client:
        await until_async(lambda: not folder.scanning, what="the library")
        ids = ("album/01.wav", "a/b ü", "https://radio.example.org/live", "https://else.example/a", "..")
        found = await tracks(world, *ids)
        assert found["album/01.wav"]["stream"].startswith("stream/alice/")
        assert found["a/b ü"] == {"stream": f"https://music.example.org/s/{quote('a/b ü', safe='')}?x=1"}
        assert found["https://radio.example.org/live"] == {"stream": "https://radio.example.org/live"}
        assert set(found) == set(ids[:3])
        assert set(await tracks(world, *ids, headers=world.bearer(Role.GUEST))) == {"album/01.wav"}
        policy = (await world.client.get("/")).headers["Content-Security-Policy"]
        assert "media-src 'self' https://music.example.org https://radio.example.org;" in policy
