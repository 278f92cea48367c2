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
