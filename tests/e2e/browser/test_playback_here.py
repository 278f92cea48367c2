"""The music goes from one device to another, and to this browser, where it really sounds."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.browser.conftest import OpenScreen
from e2e.browser.house import USER, House
from e2e.browser.screen import Screen
from e2e.engines import SimulatedLog
from serving import Process
from waiting import until

AGREE_MS = 300

# The root mean square of what the playing element decodes, once above zero; 0 after two seconds without.
_RMS = """async () => {
  const audio = [...document.querySelectorAll("audio")].find((one) => !one.paused);
  const context = new AudioContext();
  await context.resume();
  const meter = context.createAnalyser();
  context.createMediaStreamSource(audio.captureStream()).connect(meter);
  const samples = new Float32Array(meter.fftSize);
  let rms = 0;
  for (let look = 0; rms === 0 && look < 40; look++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    meter.getFloatTimeDomainData(samples);
    rms = Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  }
  await context.close();
  return rms;
}"""

_PLAYING_SINCE = (
    """() => [...document.querySelectorAll("audio")].find((one) => !one.paused)?.currentTime ?? 0"""
)

# When the shown position turns to another second: at which time (ms since the epoch) the track began by it.
_BEGUN = """() => new Promise((resolve) => {
  const shown = document.querySelector(".times span");
  const seen = new MutationObserver(() => {
    const [minutes, seconds] = shown.textContent.split(":").map(Number);
    seen.disconnect();
    resolve(Date.now() - (minutes * 60 + seconds) * 1000);
  });
  seen.observe(shown, { characterData: true, childList: true, subtree: true });
})"""


def sounds(screen: Screen) -> None:
    """Samples come out of the decoder, and time goes on."""
    begun = until(lambda: screen.page.evaluate(_PLAYING_SINCE))
    until(lambda: screen.page.evaluate(_PLAYING_SINCE) > begun + 0.5)
    assert screen.page.evaluate(_RMS) > 0


def test_the_music_moves_to_a_player_and_to_this_browser_and_back(screen: Screen, house: House) -> None:
    screen.button("Play").click()
    screen.pick("Living room")
    expect(screen.where).to_have_text("Playing on Living room")
    assert house.state.device_id == house.device("Living room").id

    screen.pick("Chrome on Linux")  # allows it to play, and brings the music here
    expect(screen.where).to_have_text("Playing on This device")
    sounds(screen)
    here = house.state.device_id
    assert here == next(device.id for device in house.devices if device.name.startswith("Chrome"))
    formats = next(device for device in house.devices if device.id == here).capabilities.supported_formats
    assert "wav" in formats

    screen.button("Next track").click()
    until(lambda: house.state.queue_position == 1)
    sounds(screen)
    screen.slide("Position", 0.5)
    until(lambda: screen.page.evaluate(_PLAYING_SINCE) > 20)
    sounds(screen)
    screen.button("Pause").click()
    until(lambda: screen.page.evaluate(_PLAYING_SINCE) == 0)
    screen.button("Play").click()
    sounds(screen)

    screen.pick("Kitchen")
    expect(screen.where).to_have_text("Playing on Kitchen")
    until(lambda: screen.page.evaluate(_PLAYING_SINCE) == 0)
    assert house.state.is_playing


def test_a_page_that_lost_its_sound_plays_here_again_when_play_is_pressed(
    screens: OpenScreen, house: House
) -> None:
    """It was told to be a remote control only, then loaded again: sound wants a click each time."""
    screen, other = screens(0).open().arrive(), screens(1).open().arrive()
    screen.pick("This browser")
    screen.button("Play").click()
    sounds(screen)
    screen.open("#/devices")
    screen.button("Use only as a remote control").click()
    until(lambda: not house.state.is_playing)
    until(lambda: not house.device("Chrome on Linux").capabilities.can_render)
    assert screen.page.evaluate(_PLAYING_SINCE) == 0
    at = house.state.position_ms
    assert house.state.paused_reason is None
    # Elsewhere there is nothing that could play: another place is asked for.
    expect(other.where).to_have_text("Paused on Chrome on Linux")
    other.button("Play").click()
    expect(other.place("Kitchen")).to_be_visible()
    screen.open()
    screen.button("Play").click()
    sounds(screen)
    assert screen.page.evaluate(_PLAYING_SINCE) * 1000 > at

    screen.page.reload()
    screen.arrive()
    until(lambda: not house.state.is_playing)
    screen.button("Play").click()
    sounds(screen)


def test_what_sounds_here_is_paused_and_goes_on_while_the_server_is_away(
    screen: Screen, house: House
) -> None:
    screen.expect_complaint(r"WebSocket|Failed to load resource|ERR_CONNECTION")
    screen.button("Play").click()
    screen.pick("This browser")
    sounds(screen)
    here = house.state.device_id
    house.server.kill()
    expect(screen.page.locator(".banner")).to_be_visible()
    by_mouse_and_key: tuple[Callable[[], None], ...] = (
        lambda: screen.button("Pause").click(),
        lambda: screen.page.keyboard.press("Space"),
    )
    for press in by_mouse_and_key:
        press()
        until(lambda: screen.page.evaluate(_PLAYING_SINCE) == 0)
        expect(screen.where).to_have_text("Paused on This device")
        screen.button("Play").click()
        sounds(screen)
        expect(screen.where).to_have_text("Playing on This device")
        screen.page.evaluate("document.activeElement.blur()")
    screen.button("Pause").click()
    until(lambda: screen.page.evaluate(_PLAYING_SINCE) == 0)
    shown = screen.page.locator(".times span").first.inner_text()
    house.server.start("--demo")
    expect(screen.page.locator(".banner")).to_have_count(0)
    until(lambda: house.hand.is_online and house.state.device_id == here and not house.state.is_playing)
    expect(screen.where).to_have_text("Paused on This device")
    expect(screen.page.locator(".times span").first).to_have_text(shown)
    assert screen.page.evaluate(_PLAYING_SINCE) == 0
    assert screen.toast.count() == 0
    screen.button("Play").click()
    until(lambda: house.state.is_playing)
    sounds(screen)


@dataclass(frozen=True)
class Attic:
    """A Python player that notes what it plays."""

    process: Process
    log: SimulatedLog


@pytest.fixture
def attic(house: House, tmp_path: Path) -> Iterator[Attic]:
    log, file = tmp_path / "attic.log", tmp_path / "attic.json"
    player = house.server.spawn(
        *("player", "--name", "Attic", "--engine", "simulated"),
        *("--log", str(log), "--device-file", str(file)),
        token=house.server.token(USER),
    )
    try:
        until(lambda: "Attic" in house.names())
        yield Attic(player, SimulatedLog(log))
        house.hand.delete_device(house.device("Attic").id)
    finally:
        player.kill()


def test_two_pages_and_a_python_player_agree_where_the_music_is(
    screens: OpenScreen, house: House, attic: Attic
) -> None:
    one, other = screens(0).open().arrive(), screens(1).open().arrive()
    one.button("Play").click()
    one.pick("Attic")
    other.slide("Position", 0.3)
    until(lambda: attic.log.playing and house.state.position_ms > 0)

    def begun() -> list[float]:
        """When the track began, as each of them has it."""
        last = attic.log.last
        assert last.position is not None
        truth = (last.at - time.monotonic() + time.time()) * 1000 - last.position
        return [one.page.evaluate(_BEGUN), other.page.evaluate(_BEGUN), truth]

    # A page that was held up draws late, and is right a second later.
    until(lambda: max(found := begun()) - min(found) < AGREE_MS, what=lambda: str(begun()))


def test_what_is_asked_for_is_drawn_within_a_frame_and_taken_back_with_the_reason(
    screen: Screen, house: House
) -> None:
    drawn = screen.page.evaluate(
        """() => new Promise((resolve) => requestAnimationFrame(() => {
          document.querySelector(".transport .play").click();
          requestAnimationFrame(() => resolve(document.querySelector(".playing-on").innerText));
        }))"""
    )
    assert drawn.strip() == "Playing on Kitchen"
    until(lambda: house.state.is_playing)
    house.hand.pause()
    expect(screen.where).to_have_text("Paused on Kitchen")
    house.hand.set_queue([])  # a device with nothing to play refuses `play`
    expect(screen.title).to_have_text("Nothing plays")
    screen.page.keyboard.press("Space")
    expect(screen.toast).to_contain_text("It could not play.")
    expect(screen.where).to_have_text("Paused on Kitchen")
    screen.toast.get_by_role("button", name="Close").click()
    expect(screen.toast).to_have_count(0)


def test_a_transfer_that_fails_leaves_the_music_and_can_be_tried_again(
    screen: Screen, house: House, attic: Attic
) -> None:
    screen.button("Play").click()
    attic.process.signal(signal.SIGSTOP)
    screen.where.click()
    screen.place("Attic").click()
    expect(screen.place("Attic").locator(".spinner")).to_be_visible()
    expect(screen.place("Living room")).to_be_disabled()
    expect(screen.where).to_have_text("Playing on Kitchen")
    expect(screen.toast).to_contain_text("The music stays where it was.")
    assert house.state.is_playing
    attic.process.signal(signal.SIGCONT)
    screen.toast.get_by_role("button", name="Try again").click()
    expect(screen.where).to_have_text("Playing on Attic")
