"""A headless Chromium for pages that are measured or tested, with nothing of its own on the net."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

BROWSER: Final = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER: Final = shutil.which("chromedriver")
MISSING: Final = "Chromium or its driver is missing: apt-get install chromium chromium-driver"
ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_browser(
    profile: Path, *arguments: str, size: tuple[int, int] = (1200, 900)
) -> Iterator[Any]:
    """A browser's driver of Selenium.

    Args:
        profile: an empty folder.
        arguments: more of Chromium's.
        size: of the window.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    assert BROWSER and DRIVER, MISSING
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    window = f"--window-size={size[0]},{size[1]}"
    for argument in (*ARGUMENTS, window, f"--user-data-dir={profile}", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(condition: Callable[[], Any], timeout_s: float = 15) -> Any:
    """What a condition gives, once that is true; the browser has no event to wait for."""
    until = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < until, "the page did not do what was waited for"
        time.sleep(0.02)
    return value
