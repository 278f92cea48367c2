"""One page in one browser profile, and what a person does with it."""

import json
import re
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Locator, Page, StorageState, expect

from e2e.browser.house import USER, House

expect.set_options(timeout=20_000)

_AXE: Final = Path(__file__).parents[3] / "client/web/node_modules/axe-core/axe.min.js"


class Screen:
    """A page of a context of its own. What the console reports is kept, and checked at the end."""

    def __init__(
        self,
        browser: Browser,
        house: House,
        *,
        profile: StorageState | None = None,
        dark: bool = False,
        phone: bool = False,
        locale: str = "en-GB",
    ) -> None:
        self.house = house
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 390, "height": 844} if phone else {"width": 1440, "height": 900},
            is_mobile=phone,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale=locale,
            storage_state=profile,
        )
        self.context.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser."""
        page = self.context.new_page()
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        return page

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def expect_complaint(self, pattern: str) -> None:
        """Chromium itself reports some of what a test does on purpose: a refusal, a lost connection."""
        self.expected.append(pattern)

    def close(self) -> None:
        self.context.close()
        known = re.compile("|".join(self.expected) or "(?!)")
        surprises = [one for one in self.complaints if not known.search(one)]
        assert surprises == [], surprises

    # What a person does

    def open(self, fragment: str = "") -> "Screen":
        self.page.goto(self.house.address + fragment)
        return self

    def sign_in(self, user: str = USER, password: str | None = None) -> "Screen":
        self.page.get_by_label("Name").fill(user)
        self.page.get_by_label("Password").fill(self.house.password if password is None else password)
        self.page.get_by_role("button", name="Sign in").click()
        return self

    def arrive(self) -> "Screen":
        """Until the page shows the house as it is."""
        expect(self.where).to_be_visible()
        if "#/" not in self.page.url:
            expect(self.title).to_have_text(re.compile(r"\S"))
        return self

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name, exact=isinstance(name, str))

    @property
    def where(self) -> Locator:
        """The bar "Playing on X"."""
        return self.page.locator(".playing-on .where")

    @property
    def places(self) -> Locator:
        """The rows of the device list."""
        return self.page.locator("dialog .row")

    def place(self, name: str) -> Locator:
        return self.places.filter(has_text=name).get_by_role("button")

    def pick(self, name: str) -> None:
        self.where.click()
        self.place(name).click()
        expect(self.page.locator("dialog")).to_have_count(0)

    @property
    def title(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    @property
    def toast(self) -> Locator:
        return self.page.locator(".toast")

    def slider(self, name: str) -> Locator:
        return self.page.get_by_role("slider", name=name)

    def slide(self, name: str, share: float) -> None:
        """Drag a slider to a share (0-1) of its length, in steps, and let go."""
        box = self.slider(name).bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + box["width"] / 2, y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] * share, y, steps=5)
        self.page.mouse.up()

    def queue(self) -> list[str]:
        return self.page.locator(".queue .row .name").all_inner_texts()

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page as it is now, every rule but those for experiments."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE.read_text("utf-8") + "; undefined")
        found: Any = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['html'][:160]} {json.dumps(node['failureSummary'])}"
            for one in found["violations"]
            for node in one["nodes"]
        ]
