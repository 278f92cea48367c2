"""A guest comes by a link, and sees and can do what the host allowed."""

import re

from playwright.sync_api import Page, expect

from e2e.browser.conftest import OpenScreen
from e2e.browser.house import House
from e2e.browser.screen import Screen
from waiting import until


def invitation(host: Screen, *allowed: str) -> str:
    """Made on the host's page; returns the link."""
    host.button("Menu").click()
    host.button("Invite a guest").click()
    for name in ("Play, pause and skip", "Choose the music", "Move the music to another device"):
        host.page.get_by_label(name).set_checked(name in allowed)
    host.button("Make a link").click()
    link = host.page.get_by_label("Send this link to your guest:").input_value()
    host.button("Back").click()
    return link


def join(guest: Screen, link: str) -> None:
    guest.page.goto(link)
    expect(guest.page.get_by_role("heading", name="You are invited")).to_be_visible()
    assert "invite" not in guest.page.url  # the code is nobody else's business
    guest.button("Join").click()
    guest.arrive()


def controls(page: Page) -> set[str]:
    names = page.get_by_role("button").evaluate_all("all => all.map((one) => one.ariaLabel ?? one.innerText)")
    return {name.strip() for name in names}


def test_a_guest_who_may_look_sees_what_plays_and_nothing_to_press(screens: OpenScreen, house: House) -> None:
    host, guest = screens().open().arrive(), screens(None)
    link = invitation(host)
    join(guest, link)
    expect(guest.page.get_by_text("Guest of demo")).to_be_visible()
    expect(guest.title).to_have_text(host.title.inner_text())
    assert guest.queue() == host.queue()
    assert not controls(guest.page) & {"Play", "Pause", "Next track", "Shuffle", "Clear", "Mute"}
    expect(guest.slider("Position")).to_be_disabled()
    expect(guest.page.get_by_role("heading", name="Library")).to_have_count(0)
    guest.page.keyboard.press("Space")
    guest.page.keyboard.press("n")
    guest.where.click()
    expect(guest.place("Living room")).to_be_disabled()
    assert guest.violations() == []
    guest.page.keyboard.press("Escape")
    guest.button("Menu").click()
    expect(guest.button("Manage devices")).to_have_count(0)
    expect(guest.button("Invite a guest")).to_have_count(0)
    assert not house.state.is_playing
    assert house.state.queue_position == 0

    late = screens(None)
    late.expect_complaint("40[0-9]|410")
    late.page.goto(link)
    late.button("Join").click()
    expect(late.page.get_by_role("alert")).to_have_text(re.compile("used already, or is over"))


def test_a_guest_who_may_choose_the_music_does_and_moves_nothing(screens: OpenScreen, house: House) -> None:
    host, guest = screens().open().arrive(), screens(None, phone=True)
    join(guest, invitation(host, "Play, pause and skip", "Choose the music"))
    guest.button("Play").click()
    until(lambda: house.state.is_playing)
    guest.page.get_by_role("link", name="Library").click()
    guest.button(re.compile("^Add .* to the queue")).last.click()
    until(lambda: len(house.state.queue) == len(house.album) + 1)
    expect(host.page.locator(".queue .row")).to_have_count(len(house.album) + 1)
    guest.where.click()
    expect(guest.place("Living room")).to_be_disabled()


def test_a_guest_who_may_only_choose_the_music_starts_nothing_and_is_not_told_off(
    screens: OpenScreen, house: House
) -> None:
    host, guest = screens().open().arrive(), screens(None)
    join(guest, invitation(host, "Choose the music"))
    guest.page.locator(".queue .pick").nth(2).click()
    until(lambda: house.state.queue_position == 2)
    guest.page.locator(".queue .pick").nth(2).click()  # the one that is on
    guest.button(re.compile("^Play Five Rooms")).click()
    until(lambda: house.state.queue_position == 0)
    guest.page.locator(".queue .pick").nth(1).click()
    until(lambda: house.state.queue_position == 1)
    assert guest.toast.count() == 0  # what is not allowed is said before anything is sent
    assert not house.state.is_playing


def test_a_link_that_works_on_this_machine_only_says_so(screens: OpenScreen) -> None:
    host = screens().open().arrive()
    assert "127.0.0.1" in invitation(host)
    host.button("Menu").click()
    host.button("Invite a guest").click()
    host.button("Make a link").click()
    expect(host.page.get_by_text("It works on this computer only.")).to_be_visible()


def test_a_guest_who_may_move_the_music_moves_it(screens: OpenScreen, house: House) -> None:
    host, guest = screens().open().arrive(), screens(None)
    join(guest, invitation(host, "Move the music to another device"))
    guest.pick("Living room")
    expect(host.where).to_have_text("Paused on Living room")
    assert house.state.device_id == house.device("Living room").id
