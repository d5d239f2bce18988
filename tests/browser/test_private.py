"""The page of a private server: it asks for the token, and then works like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from liqstream.admission.tokens import new_token, token_line
from tests.attack.harness import attacked
from tests.browser.conftest import DRAWN, Opened, Watch

pytestmark = pytest.mark.browser


def test_the_page_asks_for_a_token_once(
    open_page: Callable[..., Opened], watch: Watch, tmp_path: Path
) -> None:
    """A wrong one is asked for again; the right one draws the map, live, also after a reload."""
    token = new_token()
    (tmp_path / "tokens").write_text(token_line("page", token))
    watch.allowed.append("401|WebSocket connection")
    with attacked(tmp_path, TOKENS_FILE="tokens") as server:
        opened = open_page(server.url, drawn=False)
        opened.page.wait_for_selector("#token-dialog[open]")
        opened.page.keyboard.press("Escape")
        opened.page.wait_for_selector("#token-dialog", state="detached")
        opened.page.evaluate("() => liqstream.loader.reload()")  # which it does by itself after 5 s
        for attempt in (new_token(), token):
            opened.page.wait_for_selector("#token-dialog[open]")
            opened.page.fill("#token-dialog input", attempt)
            with opened.page.expect_navigation():
                opened.page.click("#token-dialog button")
        for _ in range(2):
            opened.page.wait_for_function(DRAWN)
            opened.until_indicator("live")
            assert opened.page.query_selector("#token-dialog") is None
            assert token not in opened.page.url
            opened.page.reload()
        assert token not in server.log()
