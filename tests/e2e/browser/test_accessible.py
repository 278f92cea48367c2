"""axe-core finds nothing on any view, by day and by night; everything can be done by keys alone."""

import re

import pytest
from playwright.sync_api import expect

from e2e.browser.conftest import OpenScreen
from e2e.browser.house import USER, House
from e2e.browser.screen import Screen
from waiting import until

VIEWS = ("player", "queue", "library", "devices", "invite")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong_with_any_view(screens: OpenScreen, *, dark: bool, phone: bool) -> None:
    stranger = screens(None, dark=dark, phone=phone).open()
    expect(stranger.button("Sign in")).to_be_visible()
    assert stranger.violations() == []
    stranger.page.goto("about:blank")
    stranger.open("#invite=none")
    expect(stranger.button("Join")).to_be_visible()
    assert stranger.violations() == []

    screen = screens(dark=dark, phone=phone).open().arrive()
    scheme = screen.page.evaluate("document.documentElement.dataset.theme")
    assert scheme == ("dark" if dark else "light")
    for view in VIEWS:
        screen.page.evaluate(f"location.hash = '#/{view}'")
        expect(screen.title.first).to_be_attached()
        assert screen.violations() == [], view
    screen.page.evaluate("location.hash = '#/devices'")
    screen.button("Rename Kitchen").click()
    screen.button("Forget Living room").click()
    assert screen.violations() == []
    screen.page.keyboard.press("Escape")
    for opener in (screen.where, screen.button("Menu")):
        opener.click()
        expect(screen.page.get_by_role("dialog")).to_be_visible()
        assert screen.violations() == []
        screen.page.keyboard.press("Escape")

    second = screen.tab()
    second.goto(screen.house.address)
    first, screen.page = screen.page, second
    expect(screen.button("Use it here")).to_be_visible()
    assert screen.violations() == []
    screen.page = first


_FOCUSED = """() => {
  const one = document.activeElement;
  return one.ariaLabel ?? one.labels?.[0]?.innerText ?? one.innerText;
}"""


def focus_is_visible(screen: Screen) -> bool:
    return bool(
        screen.page.evaluate(
            "() => { const style = getComputedStyle(document.activeElement);"
            " return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 }"
        )
    )


def tab_to(screen: Screen, name: str) -> None:
    """Press Tab until the focus is on what is called so; each stop on the way can be seen."""
    for _ in range(60):
        screen.page.keyboard.press("Tab")
        now = screen.page.evaluate(_FOCUSED)
        if now is None or now == "":
            continue
        assert focus_is_visible(screen), now
        if re.search(name, now):
            return
    raise AssertionError(name)


def test_everything_is_done_by_keys_alone(screens: OpenScreen, house: House) -> None:
    screen = screens(None).open()
    keys = screen.page.keyboard
    expect(screen.button("Sign in")).to_be_visible()
    tab_to(screen, "^Name")
    keys.type(USER)
    tab_to(screen, "^Password")
    keys.type(house.password)
    keys.press("Enter")
    screen.arrive()

    tab_to(screen, "^Play$")
    keys.press("Enter")
    until(lambda: house.state.is_playing)
    tab_to(screen, "^Next track$")
    keys.press("Space")
    until(lambda: house.state.queue_position == 1)
    tab_to(screen, "Playing on")
    keys.press("Enter")
    tab_to(screen, "^Living room")
    keys.press("Enter")
    expect(screen.where).to_have_text("Playing on Living room")
    expect(screen.where).to_be_focused()


def test_the_short_keys_work_but_not_where_somebody_types(screen: Screen, house: House) -> None:
    keys = screen.page.keyboard
    keys.press("Space")
    until(lambda: house.state.is_playing)
    keys.press("n")
    until(lambda: house.state.queue_position == 1)
    keys.press("p")
    until(lambda: house.state.queue_position == 0)
    keys.press("ArrowRight")
    until(lambda: house.state.position_ms >= 10_000)
    volume = house.state.volume
    keys.press("ArrowUp")
    until(lambda: house.state.volume > volume)
    keys.press("m")
    until(lambda: house.state.volume == 0)
    keys.press("m")
    until(lambda: house.state.volume > 0)
    keys.press("Space")
    until(lambda: not house.state.is_playing)
    keys.press("d")
    expect(screen.page.get_by_role("dialog")).to_be_visible()
    keys.press("n")
    keys.press("Escape")
    screen.page.evaluate("location.hash = '#/devices'")
    screen.button("Rename Living room").click()
    keys.type("n pmd")
    expect(screen.page.get_by_label("New name")).to_have_value("n pmd")
    keys.press("Escape")
    assert house.state.queue_position == 0
    assert not house.state.is_playing
