"""The README's picture: the page of a demo server, as a visitor sees it.

.venv/bin/python -m bench.screenshot docs/screenshot.png
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
from playwright.sync_api import sync_playwright

from tests.browser.conftest import DRAWN, FLAGS, chromium_path
from tests.support.demo_server import demo_server

BESIDE = "() => document.querySelectorAll('.ladder tbody tr').length > 3"


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def main(path: Path) -> None:
    """Write a PNG of the page, 1440 x 900, to PATH."""
    with (
        tempfile.TemporaryDirectory() as folder,
        demo_server(Path(folder)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB", color_scheme="dark")
        page.goto(url)
        page.wait_for_function(DRAWN)
        page.wait_for_function(BESIDE)
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main()
