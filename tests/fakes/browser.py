"""A real Chromium without a window, driven by Selenium; it calls nobody but the page under test."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from selenium.webdriver.remote.webelement import WebElement

PATIENCE_S = 30.0
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"),
    "--disable-dev-shm-usage",
)


class Browser:
    """One browser with one tab."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def look(self, url: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Open a page in a window of that size, in that colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(url)

    def all(self, selector: str) -> list[WebElement]:
        """Every element that a CSS selector finds."""
        found: list[WebElement] = self.driver.find_elements("css selector", selector)
        return found

    def text(self, selector: str) -> str:
        """The text of the first element found, as it is in the page, shown or not."""
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, until: Callable[[], object], message: str) -> None:
        """Wait until something is so."""
        WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.05).until(lambda _: until(), message)

    def complaints(self) -> list[str]:
        """What the console has said since the last time it was asked: errors, and what the policy stopped."""
        found = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in found]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, which ends with the block."""
    chromium = shutil.which("chromium")
    driver = shutil.which("chromedriver") or shutil.which("chromium.chromedriver")
    assert chromium, "there is no chromium: sh deploy/test.sh installs it"
    assert driver, "there is no chromedriver: sh deploy/test.sh installs it (chromium-driver)"
    with tempfile.TemporaryDirectory(prefix="vcpu-browser-", ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = chromium
        for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "OFF"})
        opened = webdriver.Chrome(options=options, service=Service(driver))
        try:
            yield Browser(opened)
        finally:
            opened.quit()
