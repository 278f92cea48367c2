"""What people really have: long names, other scripts, odd ids, long queues, a small phone, large letters."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from e2e.browser.conftest import OpenScreen
from e2e.browser.house import House
from e2e.browser.screen import Screen
from waiting import until

VIEWS = ("player", "queue", "library", "devices", "invite")
TOUCH = 44

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbea"
ODD = (
    "https://music.example.org/" + "x" * 200 + ".flac",
    "שיר השירים אשר לשלמה בן דוד מלך ירושלים ואחרים (חי) - 2011",
    "🎉🎉🎉 ¡Fiesta! 🎧🛋️👩‍👩‍👧‍👦",
    "W" * 250,
)

# What stands out of the window at a side, and what is smaller than a finger.
_FAULTS = """(touch) => {
  const wide = document.documentElement.clientWidth, found = [];
  for (const one of document.querySelectorAll("body *")) {
    if (!one.checkVisibility() || one.closest("svg, .unseen") || one.parentElement.closest(".cut")) continue;
    const box = one.getBoundingClientRect();
    const name = `${one.tagName} ${one.className} ${one.ariaLabel ?? one.innerText ?? ""}`.slice(0, 80);
    if (box.width > 0 && (box.left < -1 || box.right > wide + 1)) found.push(`outside: ${name}`);
    const target = one.matches("label input") ? one.closest("label").getBoundingClientRect() : box;
    if (one.matches("button, a, input, select") && Math.min(target.width, target.height) < touch - 0.1)
      found.push(`${target.width} x ${target.height}: ${name}`);
    // Into smaller ones a phone zooms, and does not zoom out again.
    const typed = one.matches("input:not([type=checkbox], [type=range]), select");
    if (typed && parseFloat(getComputedStyle(one).fontSize) < 16)
      found.push(`small letters: ${name}`);
  }
  return found;
}"""


def faults(screen: Screen) -> list[str]:
    found: list[str] = screen.page.evaluate(_FAULTS, TOUCH)
    return found


@pytest.fixture
def unkind(house: House) -> Iterator[House]:
    """Kitchen has odd tracks on, and the other player the longest name there is."""
    other = house.device("Living room")
    house.hand.rename_device(other.id, LONG)
    house.hand.set_queue(ODD, target_device=house.device("Kitchen").id)
    until(lambda: list(house.state.queue) == list(ODD) and LONG in house.names())
    yield house
    house.hand.rename_device(other.id, "Living room")
    until(lambda: "Living room" in house.names())


@pytest.mark.parametrize("letters", [100, 200])
def test_on_a_small_phone_nothing_is_cut_off_or_too_small_to_touch(
    screens: OpenScreen, unkind: House, letters: int
) -> None:
    screen = screens(phone=True).open().arrive()
    screen.page.set_viewport_size({"width": 360, "height": 740})
    screen.page.evaluate(f"document.documentElement.style.fontSize = '{letters}%'")
    for view in VIEWS:
        screen.page.evaluate(f"location.hash = '#/{view}'")
        expect(screen.title.first).to_be_attached()
        until(lambda: faults(screen) == [], what=lambda view=view: f"{view}: {faults(screen)}")  # type: ignore[misc]
    for opener in (screen.where, screen.button("Menu")):
        opener.click()
        expect(screen.page.get_by_role("dialog")).to_be_visible()
        assert faults(screen) == []
        screen.page.keyboard.press("Escape")
    assert LONG in unkind.names()


# Which parts of what is shown lie over each other or out of the window, or are too narrow to be read.
_CRAMPED = """() => {
  const parts = [...document.querySelectorAll(".top, .banner, .now > *, .playing-on, .tabs")]
    .filter((one) => one.checkVisibility())
    .map((one) => ({ name: one.className || one.innerText, box: one.getBoundingClientRect() }));
  // Beside the cover there is some room.
  const over = (a, b, beside) =>
    a.left < b.right + beside && b.left < a.right + beside && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  return parts.flatMap(({ name, box }, at) => [
    ...parts.slice(at + 1).filter((one) => over(box, one.box, name === "cover" ? 12 : -1))
      .map((one) => `${name} and ${one.name}`),
    ...(box.top < -1 || box.bottom > innerHeight + 1 || box.width < 64 ? [name] : []),
  ]);
}"""

SIZES = ((360, 640), (390, 664), (412, 560), (360, 480), (640, 360), (667, 375), (844, 390), (390, 844))


def cramped(screen: Screen) -> dict[tuple[int, int], list[str]]:
    """For each size of the window with any, what is in the way of what."""
    found: dict[tuple[int, int], list[str]] = {}
    for width, height in SIZES:
        screen.page.set_viewport_size({"width": width, "height": height})
        found[width, height] = screen.page.evaluate(_CRAMPED)
    return {size: parts for size, parts in found.items() if parts}


def test_nothing_lies_over_anything_else_on_a_small_or_low_screen_with_a_long_title_or_a_banner(
    screens: OpenScreen, house: House
) -> None:
    screen = screens(phone=True).open().arrive()
    screen.expect_complaint("WebSocket|Failed to load resource|ERR_CONNECTION")
    for title in ("Donaudampfschifffahrt" * 9, "A_title_of_many_words_" * 9):
        house.hand.set_queue([title], target_device=house.device("Kitchen").id)
        expect(screen.title).to_have_text(title.replace("_", " ").strip())
        assert cramped(screen) == {}
        # It is cut after the second line, with the dots that say so: not by the side of the window.
        assert screen.title.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    house.server.kill()
    expect(screen.page.locator(".banner")).to_be_visible()
    assert cramped(screen) == {}
    house.server.start("--demo")
    expect(screen.page.locator(".banner")).to_have_count(0)
    until(lambda: house.hand.is_online, seconds=20)


def test_the_list_of_many_places_stays_in_a_low_window(screens: OpenScreen, house: House) -> None:
    screen = screens(phone=True).open().arrive()
    screen.page.set_viewport_size({"width": 844, "height": 390})
    screen.where.click()
    # As long as a list of ten devices.
    screen.page.locator("dialog ul").evaluate("(one) => { one.style.minHeight = '40rem' }")
    box = screen.page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert "Kitchen" in house.names()


def test_a_name_in_another_script_is_cut_at_its_own_end(screens: OpenScreen, unkind: House) -> None:
    screen = screens(phone=True).open("#/queue").arrive()
    name = screen.page.locator(".queue .name").nth(1)
    expect(name).to_contain_text("שיר")
    # The first letter of the Hebrew title, which is its rightmost, is inside what is shown.
    inside = """(one) => {
      const range = document.createRange();
      range.setStart(one.firstChild, 0);
      range.setEnd(one.firstChild, 1);
      const letter = range.getBoundingClientRect(), box = one.getBoundingClientRect();
      return letter.left >= box.left - 1 && letter.right <= box.right + 1;
    }"""
    assert name.evaluate("(one) => one.scrollWidth > one.clientWidth")
    assert name.evaluate(inside)
    assert len(unkind.state.queue) == len(ODD)


def test_a_track_that_cannot_be_played_is_named_and_not_the_one_that_plays_then(
    screens: OpenScreen, house: House
) -> None:
    screen = screens(locale="de-DE", phone=True).open().arrive()
    bad = f"https://music.example.org/{'y' * 150}/Broken_Song.flac?error=bad_format"
    house.hand.set_queue(["first", bad, "third"], target_device=house.device("Kitchen").id)
    house.hand.play()
    house.hand.next()
    expect(screen.toast).to_have_text("Kitchen konnte Broken Song nicht abspielen.")
    expect(screen.title).to_have_text("Third")
    expect(screen.page.locator(".trouble")).to_have_count(0)
    assert faults(screen) == []


def test_a_long_queue_shows_where_it_plays(screens: OpenScreen, house: House) -> None:
    tracks = [f"track {number}" for number in range(10_000)]
    house.hand.set_queue(tracks, start_index=5_000, target_device=house.device("Kitchen").id)
    screen = screens(phone=True).open("#/queue").arrive()
    expect(screen.page.get_by_text("10,000 tracks")).to_be_visible()
    expect(screen.page.locator(".queue .row[data-current=true]")).to_be_in_viewport()
    screen.page.get_by_role("link", name="Now playing").click()
    house.hand.set_queue(tracks, start_index=7_000)
    expect(screen.title).to_have_text("Track 7000")
    screen.page.get_by_role("link", name="Queue").click()
    expect(screen.page.locator(".queue .row[data-current=true]")).to_be_in_viewport()
