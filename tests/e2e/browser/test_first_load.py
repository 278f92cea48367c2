"""What a first visit costs, and what it shows before everything is there."""

import re
from urllib.request import Request, urlopen

from playwright.sync_api import Route, expect

from e2e.browser.conftest import OpenScreen
from waiting import until

MOST = 150_000


def test_the_first_load_is_small_in_all(screens: OpenScreen) -> None:
    """With MQTT.js, compressed by gzip; the covers are the user's own."""
    screen = screens()
    asked: set[str] = set()
    screen.page.on("request", lambda request: asked.add(request.url))
    screen.open().arrive()
    page = [
        url for url in asked if url.startswith(screen.house.address) and not re.search("/(api|covers)/", url)
    ]
    assert any("transport-" in url for url in page)
    sizes = {url: size(url) for url in page}
    assert sum(sizes.values()) <= MOST, sizes


def size(url: str) -> int:
    with urlopen(Request(url, headers={"Accept-Encoding": "gzip"}), timeout=10) as answer:
        return len(answer.read())


def test_the_page_is_there_before_mqtt(screens: OpenScreen) -> None:
    screen = screens()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    screen.page.route("**/transport-*.js", hold)
    screen.open()
    expect(screen.title).to_have_text("Soul Connect")
    expect(screen.page.get_by_text("Connecting…")).to_be_visible()
    until(lambda: screen.page.evaluate("true") and held, what="the request for MQTT.js")
    for route in held:
        route.continue_()
    screen.arrive()


def test_a_browser_may_install_it(screens: OpenScreen) -> None:
    screen = screens(None).open()
    session = screen.context.new_cdp_session(screen.page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    missing = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {one["errorId"] for one in missing} <= {"in-incognito"}  # as every page of a test is
