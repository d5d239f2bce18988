"""Takes the README's picture of the page, on a simulated market: `make screenshot`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.demo_server import demo_server

WIDTH, HEIGHT = 1440, 900
SETTLE_MS = 4000
"""For the history to be drawn and the first live columns to arrive."""


def take(url: str, picture: Path) -> None:
    """Write the page at `url` to `picture`."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url, wait_until="networkidle")
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    with TemporaryDirectory() as folder, demo_server(Path(folder)) as address:
        take(address, Path(sys.argv[1]))
