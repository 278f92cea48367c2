"""Connections end and come back, sign-ins run out, tabs are opened twice."""

from uuid import uuid4

from playwright.sync_api import expect

from e2e.browser.conftest import OpenScreen
from e2e.browser.house import USER, House
from e2e.browser.screen import Screen
from e2e.browser.test_guest import invitation, join
from soul_connect.sync import ConnectClient
from soul_protocol.limits import DEVICES_PER_USER
from waiting import until

HELD_BACK = 32
"""So many WebSockets that fail have Chromium hold the next one back for 1-5 s, if one was good before."""

LOST = r"WebSocket|Failed to load resource|ERR_CONNECTION"


def kept_token(screen: Screen) -> str:
    token = screen.page.evaluate("localStorage.getItem('soul-connect.token')")
    assert isinstance(token, str)
    return token


def give_token(screen: Screen, token: str) -> None:
    """What a browser has that signed in with this token."""
    script = f"""if (!sessionStorage.given) {{
      localStorage.setItem('soul-connect.token', '{token}');
      sessionStorage.given = 1;
    }}"""
    screen.context.add_init_script(script)


def test_a_server_that_comes_back_has_the_page_back_in_3_seconds_without_a_reload(
    screen: Screen, house: House
) -> None:
    screen.expect_complaint(LOST)
    screen.page.evaluate("window.notReloaded = true")
    house.server.kill()
    expect(screen.page.get_by_text("No connection. Trying again…")).to_be_visible()
    assert screen.violations() == []
    house.server.start("--demo")
    expect(screen.page.locator(".banner")).to_have_count(0, timeout=3_000)
    assert screen.page.evaluate("window.notReloaded") is True
    until(lambda: house.hand.is_online, seconds=20)
    screen.button("Next track").click()
    until(lambda: house.state.queue_position == 1)


def test_after_a_long_outage_the_page_is_back_as_soon_because_hardly_a_websocket_has_failed(
    screen: Screen, house: House
) -> None:
    screen.expect_complaint(LOST)
    sockets: list[str] = []
    asked: list[str] = []
    screen.page.on("websocket", lambda socket: sockets.append(socket.url))
    healthz = f"{house.address}healthz"
    screen.page.on("requestfailed", lambda request: asked.extend({request.url} & {healthz}))
    house.server.kill()
    until(
        lambda: screen.page.evaluate("true") and len(sockets) + len(asked) >= HELD_BACK,
        seconds=60,
        what=lambda: f"that the page tries: {len(sockets)} WebSockets, {len(asked)} requests",
    )
    assert len(sockets) <= 3, sockets
    house.server.start("--demo")
    expect(screen.page.locator(".banner")).to_have_count(0, timeout=3_000)
    until(lambda: house.hand.is_online, seconds=20)


def test_a_token_that_runs_out_is_refreshed_without_a_word(screens: OpenScreen, house: House) -> None:
    screen = screens(None)
    short = house.server.token(USER, "--ttl", "4s")
    give_token(screen, short)
    screen.open().arrive()
    until(lambda: kept_token(screen) != short, seconds=15)
    expect(screen.page.get_by_role("button", name="Sign in")).to_have_count(0)
    screen.button("Next track").click()
    until(lambda: house.state.queue_position == 1)


def test_a_token_that_ran_out_while_the_page_was_closed_is_refreshed(
    screens: OpenScreen, house: House
) -> None:
    screen = screens(None)
    screen.expect_complaint("WebSocket|401")
    short = house.server.token(USER, "--ttl", "1s")
    give_token(screen, short)
    until(lambda: house.server.run("status", token=short).returncode != 0, seconds=15)
    screen.open().arrive()
    assert kept_token(screen) != short


def test_a_revoked_token_leads_to_signing_in(screens: OpenScreen, house: House) -> None:
    screen = screens(None)
    screen.expect_complaint("WebSocket|401")
    token = house.server.token(USER)
    give_token(screen, token)
    screen.open().arrive()
    done = house.server.run("token", "revoke", token)
    assert done.returncode == 0, done.stderr
    expect(screen.page.get_by_text("Your sign-in has ended. Please sign in again.")).to_be_visible()
    screen.sign_in().arrive()


def test_signing_out_ends_the_sign_in_everywhere_it_was_kept(screens: OpenScreen) -> None:
    screen = screens(None).open().sign_in().arrive()
    screen.button("Menu").click()
    screen.button("Sign out").click()
    expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert screen.page.evaluate("localStorage.getItem('soul-connect.token')") is None
    screen.page.reload()
    expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_second_tab_says_so_and_takes_over_when_told(screen: Screen) -> None:
    second = screen.tab()
    second.goto(screen.house.address)
    expect(second.get_by_role("heading", name="Open in another tab")).to_be_visible()
    expect(screen.where).to_be_visible()
    second.get_by_role("button", name="Use it here").click()
    expect(second.locator(".playing-on")).to_be_visible()
    expect(screen.page.get_by_role("heading", name="Open in another tab")).to_be_visible()
    screen.button("Use it here").click()
    expect(screen.where).to_be_visible()
    expect(second.get_by_role("heading", name="Open in another tab")).to_be_visible()
    screen.page.close(run_before_unload=True)
    expect(second.locator(".playing-on")).to_be_visible()


def test_where_all_places_are_taken_guests_are_not_listed_and_it_is_tried_again(
    screens: OpenScreen, house: House
) -> None:
    host, guest = screens().open().arrive(), screens(None)
    join(guest, invitation(host))
    token = house.server.token(USER)
    while len([one for one in house.devices if not one.is_guest]) < DEVICES_PER_USER:
        known = len(house.devices)
        with ConnectClient(url=house.server.url, token=token, name=f"Spare {known}", device_id=str(uuid4())):
            until(lambda known=known: len(house.devices) > known)  # type: ignore[misc]
    late = screens(None).open().sign_in()
    expect(late.page.get_by_role("heading", name="All places are taken")).to_be_visible()
    expect(late.page.locator(".card")).to_have_count(DEVICES_PER_USER)
    assert late.violations() == []
    late.button("Sign out").click()
    expect(late.button("Sign in")).to_be_visible()
    late.sign_in()
    spare = [one for one in house.devices if one.name.startswith("Spare")]
    expect(late.button(f"Forget {spare[0].name}")).to_be_visible()
    house.hand.delete_device(spare[0].id)
    late.button("Try again").click()
    late.arrive()
    for one in spare[1:]:
        house.hand.delete_device(one.id)
