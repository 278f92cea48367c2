"""The HTTP API on a real server, with real accounts."""

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from coordinator.http.world import DEVICE, World, refused
from soul_coordinator.accounts_errors import NoSuchUser
from soul_coordinator.adapters.http import Health, HttpSettings
from soul_coordinator.adapters.http_answers import errors
from soul_protocol.roles import Role, Scope

PROXY = HttpSettings(trusted_proxies=("127.0.0.0/8",))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, HttpSettings())
    async with world.client:
        yield world


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path, PROXY)
    async with world.client:
        yield world


async def test_a_password_gets_a_devices_token(world: World) -> None:
    response = await world.post("/api/login", {"user": "alice", "password": "secret", "device": DEVICE})
    body = await response.json()
    claims = world.signer.read(body["token"])
    assert response.status == 200
    assert set(body) == {"token", "user", "expires_at"}
    assert (claims.sub, claims.role, claims.device) == ("alice", Role.DEVICE, DEVICE)
    assert (body["user"], body["expires_at"]) == ("alice", claims.exp * 1000)
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_wrong_password_and_an_unknown_user_look_alike(world: World) -> None:
    wrong, unknown = await world.login("wrong"), await world.login(user="nobody")
    await refused(wrong, 401, "refused")
    assert await wrong.json() == await unknown.json()


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"user": "alice"},
        {"user": "alice", "password": 1},
        {"user": ["alice"], "password": "secret"},
        {"user": "alice", "password": "secret", "device": 7},
        {"user": "alice", "password": "secret", "device": "kitchen"},
    ],
)
async def test_bodies_that_are_not_understood(world: World, body: object) -> None:
    await refused(await world.post("/api/login", body), 400, "bad_request")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"user": NaN}'])
async def test_bytes_that_are_no_json(world: World, body: bytes) -> None:
    await refused(await world.client.post("/api/login", data=body), 400, "bad_request")


async def test_a_text_that_cannot_be_encoded_is_just_wrong(world: World) -> None:
    body = b'{"user": "alice", "password": "\\ud800"}'
    await refused(await world.client.post("/api/login", data=body), 401, "refused")


async def test_a_large_body_is_not_read(world: World) -> None:
    response = await world.client.post("/api/login", data=b"x" * 17_000)
    await refused(response, 413, "payload_too_large")


async def test_five_tries_a_minute(world: World) -> None:
    for _ in range(5):
        await refused(await world.login("wrong"), 401, "refused")
        world.now += 1
    response = await world.login()
    await refused(response, 429, "too_many_tries")
    assert response.headers["Retry-After"] == "55"
    await refused(await world.login(user="bob"), 401, "refused")
    world.now += 55
    assert (await world.login()).status == 200


async def test_tries_are_counted_for_each_address_behind_a_trusted_proxy(proxied: World) -> None:
    for _ in range(5):
        await proxied.login("wrong", via="198.51.100.1")
    assert (await proxied.login(via="198.51.100.1")).status == 429
    assert (await proxied.login(via="203.0.113.9, 198.51.100.1")).status == 429
    assert (await proxied.login(via="198.51.100.2")).status == 200


async def test_an_address_that_nobody_vouches_for_does_not_count(world: World) -> None:
    for number in range(5):
        await world.login("wrong", via=f"198.51.100.{number}")
    assert (await world.login(via="198.51.100.77")).status == 429


async def test_refresh(world: World) -> None:
    old = world.accounts.issue("alice", Role.GUEST, device=DEVICE, scope=frozenset({Scope.QUEUE}))
    response = await world.post("/api/refresh", headers={"Authorization": f"Bearer {old.token}"})
    claims = world.signer.read((await response.json())["token"])
    assert (claims.role, claims.device) == (Role.GUEST, DEVICE)
    assert claims.scope == {Scope.QUEUE}
    world.accounts.revoke(old.claims.jti)
    again = await world.post("/api/refresh", headers={"Authorization": f"Bearer {old.token}"})
    await refused(again, 401, "refused")


async def test_who_is_removed_while_it_is_asked_for_is_refused() -> None:
    async def handler(_request: web.Request) -> web.Response:
        raise NoSuchUser("alice")

    with pytest.raises(web.HTTPUnauthorized) as caught:
        await errors(make_mocked_request("POST", "/api/login"), handler)
    assert json.loads(caught.value.text or "") == {"error": "refused", "message": "This account is gone."}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc"])
async def test_refresh_without_a_token(world: World, header: str) -> None:
    response = await world.post("/api/refresh", headers={"Authorization": header})
    await refused(response, 401, "no_token")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_in_the_query_does_not_count(world: World) -> None:
    token = world.accounts.issue("alice").token
    await refused(await world.post(f"/api/refresh?token={token}&access_token={token}"), 401, "no_token")


async def test_an_invitation(world: World) -> None:
    code = world.accounts.invite("alice", frozenset({Scope.CONTROL}), ttl=60).code
    await refused(await world.post("/api/invite", {"code": code}), 400, "bad_request")
    response = await world.post("/api/invite", {"code": code, "device": DEVICE})
    body = await response.json()
    assert (response.status, body["user"]) == (200, "alice")
    assert world.signer.read(body["token"]).scope == {Scope.CONTROL}
    await refused(await world.post("/api/invite", {"code": code, "device": DEVICE}), 401, "refused")


async def test_a_database_that_cannot_be_written(world: World) -> None:
    with sqlite3.connect(world.database, isolation_level=None) as db:
        db.execute("ALTER TABLE tokens RENAME TO elsewhere")
    db.close()
    response = await world.login()
    await refused(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "1"


async def test_health_says_what_does_not_work(world: World) -> None:
    response = await world.client.get("/healthz")
    assert response.status == 200
    assert await response.json() == {"status": "ok", "broker": True, "coordinator": True}
    world.health = Health(broker=True, coordinator=False, detail="the disk is full.")
    response = await world.client.get("/healthz")
    assert response.status == 503
    assert await response.json() == {
        "status": "failing",
        "broker": True,
        "coordinator": False,
        "detail": "the disk is full.",
    }


async def test_metrics_are_prometheus_text(world: World) -> None:
    response = await world.client.get("/metrics")
    assert (response.status, await response.text()) == (200, "soul_up 1\n")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/login", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_errors_are_json(world: World, method: str, path: str, status: int, error: str) -> None:
    await refused(await world.client.request(method, path), status, error)


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/nowhere"])
async def test_every_answer_has_strict_headers(world: World, path: str) -> None:
    headers = (await world.client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "soul-connect"
    assert "Strict-Transport-Security" not in headers


async def test_nothing_secret_is_logged(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    token = (await (await world.login()).json())["token"]
    await world.login("a wrong password")
    await world.login(user="secret typed into the wrong field")
    code = world.accounts.invite("alice", frozenset(), ttl=60).code
    await world.post("/api/invite", {"code": code, "device": DEVICE})
    logged = "".join(capfd.readouterr())
    assert "login" in logged
    for secret in ("secret", "a wrong password", token, code):
        assert secret not in logged


async def test_logging_out_takes_the_token_back(world: World) -> None:
    headers = world.bearer()
    assert (await world.post("/api/logout", headers=headers)).status == 200
    await refused(await world.post("/api/logout", headers=headers), 401, "refused")
    await refused(await world.post("/api/refresh", headers=headers), 401, "refused")


@pytest.mark.parametrize("path", ["/api/logout", "/api/invitations", "/api/tracks", "/api/library"])
async def test_what_needs_a_token_asks_for_it(world: World, path: str) -> None:
    method = "GET" if path == "/api/library" else "POST"
    bad = [{}, {"Authorization": "Bearer nonsense"}]
    if path != "/api/logout":  # which takes what could be refreshed
        bad.append(world.bearer(ttl=0))
    for headers in bad:
        response = await world.client.request(method, path, headers=headers)
        await refused(response, 401, "refused" if headers else "no_token")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    token = world.bearer()["Authorization"].split()[1]
    await refused(await world.client.request(method, f"{path}?token={token}"), 401, "no_token")


async def test_an_invitation_made_from_the_page(world: World) -> None:
    response = await world.post("/api/invitations", {"scope": ["queue"], "ttl": 60}, headers=world.bearer())
    made = await response.json()
    assert response.status == 200
    assert (made["link"], made["scope"]) == (f"#invite={made['code']}", ["queue"])
    guest = await world.post("/api/invite", {"code": made["code"], "device": DEVICE})
    claims = world.signer.read((await guest.json())["token"])
    assert (claims.sub, claims.role) == ("alice", Role.GUEST)
    assert claims.scope == {Scope.QUEUE}
    assert claims.exp * 1000 == made["expires_at"]
    plain = await (await world.post("/api/invitations", {}, headers=world.bearer())).json()
    assert plain["scope"] == ["control", "queue"]
    looking = await (await world.post("/api/invitations", {"scope": []}, headers=world.bearer())).json()
    assert looking["scope"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "queue"},
        {"scope": ["everything"]},
        {"scope": [1]},
        {"scope": [["queue"]]},
        {"ttl": "4h"},
        {"ttl": 59},
        {"ttl": 2_592_001},
        {"ttl": True},
        {"ttl": 1e3},
        [],
    ],
)
async def test_an_invitation_that_cannot_be(world: World, body: object) -> None:
    await refused(await world.post("/api/invitations", body, headers=world.bearer()), 400, "bad_request")


@pytest.mark.parametrize("role", [Role.GUEST, Role.OBSERVER])
async def test_guests_and_observers_invite_nobody(world: World, role: Role) -> None:
    await refused(await world.post("/api/invitations", {}, headers=world.bearer(role)), 403, "forbidden")


async def test_twenty_open_invitations(world: World) -> None:
    codes = [
        (await (await world.post("/api/invitations", {}, headers=world.bearer())).json())["code"]
        for _ in range(20)
    ]
    more = await world.post("/api/invitations", {}, headers=world.bearer())
    await refused(more, 429, "too_many_invitations")
    await world.post("/api/invite", {"code": codes[0], "device": DEVICE})
    assert (await world.post("/api/invitations", {}, headers=world.bearer())).status == 200
