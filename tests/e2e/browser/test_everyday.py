"""What people do all day: see what plays, play, pause, skip, seek, choose."""

import re

from playwright.sync_api import expect

from e2e.browser.conftest import OpenScreen
from e2e.browser.house import House
from e2e.browser.screen import Screen
from waiting import until


def test_signing_in_shows_what_the_house_has(screens: OpenScreen, house: House) -> None:
    screen = screens(None).open()
    screen.expect_complaint("401")
    screen.sign_in(password="wrong")
    expect(screen.page.get_by_role("alert")).to_have_text(re.compile("do not match"))
    screen.sign_in().arrive()
    expect(screen.where).to_have_text("Paused on Kitchen")
    screen.where.click()
    expect(screen.places).to_have_count(len(house.names()))
    names = screen.places.locator(".name").all_inner_texts()
    assert names[0].startswith("Chrome on Linux")
    assert {"Kitchen", "Living room"} <= set(names)
    screen.page.keyboard.press("Escape")
    expect(screen.where).to_be_focused()
    expect(screen.title).not_to_be_empty()
    assert len(screen.queue()) == len(house.album)


def test_play_pause_and_skip(screen: Screen, house: House) -> None:
    first, second = screen.queue()[:2]
    screen.button("Play").click()
    expect(screen.where).to_have_text("Playing on Kitchen")
    until(lambda: house.state.is_playing)
    expect(screen.title).to_have_text(first)
    screen.button("Next track").click()
    expect(screen.title).to_have_text(second)
    until(lambda: house.state.queue_position == 1)
    screen.button("Previous track").click()
    expect(screen.title).to_have_text(first)
    screen.button("Pause").click()
    until(lambda: not house.state.is_playing)
    expect(screen.where).to_have_text("Paused on Kitchen")


def test_seek_and_volume_are_sent_when_let_go(screen: Screen, house: House) -> None:
    duration = until(lambda: house.state.duration_ms)
    assert duration is not None
    screen.slide("Position", 0.5)
    until(lambda: abs(house.state.position_ms - duration / 2) < 0.05 * duration)
    screen.slide("Volume", 0.25)
    until(lambda: abs(house.state.volume - 0.25) < 0.05)
    screen.slider("Position").press("ArrowRight")
    position = house.state.position_ms
    until(lambda: house.state.position_ms != position, what="an arrow key on the slider seeks")


def test_shuffle_and_repeat(screen: Screen, house: House) -> None:
    screen.button("Shuffle").click()
    until(lambda: house.state.shuffle)
    expect(screen.button("Shuffle")).to_have_attribute("aria-pressed", "true")
    shuffled = list(house.state.queue)
    screen.page.locator(".queue .pick").nth(2).click()  # to another track: the order stays
    until(lambda: house.state.track_id == shuffled[2])
    assert list(house.state.queue) == shuffled
    screen.page.locator(".queue .row").nth(2).hover()
    screen.page.locator(".queue .row").nth(2).get_by_role("button", name=re.compile("Remove")).click()
    left = [track for track in shuffled if track != shuffled[2]]
    until(lambda: list(house.state.queue) == left)
    screen.button("Shuffle").click()
    until(lambda: list(house.state.queue) == [track for track in house.album if track in left])
    for name, mode in (("off", "all"), ("the whole queue", "one"), ("this track", "off")):
        screen.button(f"Repeat: {name}").click()
        until(lambda wanted=mode: house.state.repeat_mode == wanted)  # type: ignore[misc]


def test_the_queue_is_changed_while_the_music_goes_on(screen: Screen, house: House) -> None:
    names = screen.queue()
    screen.button("Play").click()
    screen.page.locator(".queue .pick").nth(2).click()
    expect(screen.title).to_have_text(names[2])
    until(lambda: house.state.queue_position == 2)
    screen.page.locator(".queue .row").nth(0).hover()
    screen.button(f"Remove {names[0]} from the queue").click()
    until(lambda: list(house.state.queue) == house.album[1:])
    expect(screen.title).to_have_text(names[2])
    moved = screen.page.locator(".queue .handle").nth(3)
    moved.focus()
    moved.press("ArrowUp")
    wanted = [house.album[1], house.album[2], house.album[4], house.album[3]]
    until(lambda: list(house.state.queue) == wanted)
    assert house.state.queue_position == 1
    screen.button(re.compile(f"^Add {re.escape(names[0])} to the queue")).click(force=True)
    until(lambda: list(house.state.queue) == [*wanted, house.album[0]])
    expect(screen.toast).to_contain_text(names[0])
    screen.button("Clear").click()
    expect(screen.page.get_by_text("The queue is empty")).to_be_visible()
    until(lambda: not house.state.queue)


def test_a_row_is_dragged_to_another_place(screen: Screen, house: House) -> None:
    names = screen.queue()
    rows = screen.page.locator(".queue .row")
    rows.nth(4).hover()
    box, target = screen.page.locator(".queue .handle").nth(4).bounding_box(), rows.nth(1).bounding_box()
    assert box is not None
    assert target is not None
    screen.page.mouse.move(box["x"] + 20, box["y"] + 20)
    screen.page.mouse.down()
    screen.page.mouse.move(box["x"] + 20, target["y"] + 24, steps=8)
    screen.page.mouse.up()
    wanted = [names[0], names[4], names[1], names[2], names[3]]
    until(lambda: screen.queue() == wanted)
    until(lambda: house.state.queue[1] == house.album[4])


def test_an_album_is_started_and_a_word_is_found(screen: Screen, house: House) -> None:
    screen.button(re.compile("^Play Five Rooms")).click()
    until(lambda: house.state.is_playing)
    expect(screen.page.locator(".library .row[data-current=true]")).to_have_count(1)


def test_devices_are_renamed_in_place_and_forgotten_after_a_question(
    screens: OpenScreen, house: House
) -> None:
    screen = screens().open("#/devices").arrive()
    screen.button("Rename Living room").click()
    field = screen.page.get_by_label("New name")
    expect(field).to_be_focused()
    field.fill("Kitchen")
    field.press("Enter")
    expect(screen.page.get_by_role("heading", name="Kitchen (2)")).to_be_visible()
    screen.button("Rename Kitchen (2)").click()
    screen.page.get_by_label("New name").fill("Living room")
    screen.button("Save").click()
    until(lambda: "Living room" in house.names())
    before = house.names()
    other = screens(None).open().sign_in().arrive()
    (name,) = until(lambda: house.names() - before)
    other.page.close()
    card = screen.page.locator(".card").filter(has_text=name)
    expect(card.get_by_text("Last seen")).to_be_visible()
    screen.button(f"Forget {name}").click()
    screen.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    screen.button(f"Forget {name}").click()
    screen.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(card).to_have_count(0)
    # The page shows it at once, the others when the server has done it.
    until(lambda: name not in house.names())


def test_the_words_are_german_for_a_german(screens: OpenScreen) -> None:
    screen = screens(0, locale="de-DE").open().arrive()
    expect(screen.where).to_have_text("Pause auf Kitchen")
    expect(screen.page.locator("html")).to_have_attribute("lang", "de")
    screen.pick("Dieser Browser")
    expect(screen.where).to_have_text("Pause auf diesem Gerät")
