"""The layer of measured positions on the page: chosen, labelled, drawn alone, and left again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.browser.conftest import PHONE, Opened
from tests.browser.test_venues import demo

pytestmark = [pytest.mark.browser, pytest.mark.simulated]
Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def measured_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulated market whose positions are measured."""
    with demo(tmp_path_factory.mktemp("measured"), "BTCUSDT") as url:
        yield url


@pytest.mark.parametrize(
    ("context", "theme"), [({}, "dark"), ({"viewport": PHONE}, "light")], indirect=["context"]
)
def test_the_layer_is_labelled_and_left_again(measured_url: str, open_page: Open, theme: str) -> None:
    """Coverage, age, "measured" and "simulated" are in sight, in both themes and on a phone; no address is
    whole."""
    opened = open_page(measured_url, venues="hyperliquid-measured", theme=theme)
    opened.watch.allowed.append("503")  # the score of a market that has just begun
    note = opened.page.locator(".measured-note")
    note.filter(has_text="of longs").wait_for()
    text = note.inner_text()
    assert text.startswith("Measured, simulated: ")
    assert "of shorts" in text
    assert opened.view("market.chosen") == ["hyperliquid-measured"]
    assert "hyperliquid-measured" not in opened.view("market.exchanges")
    assert not re.search("0x[0-9a-fA-F]{40}", opened.page.content())
    estimate = opened.page.locator(".map .estimate").first
    assert not estimate.is_visible()
    box = note.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= opened.page.viewport_size["width"]  # type: ignore[index]
    opened.page.evaluate("() => liqstream.store.set({ venues: [] })")
    opened.until("market.chosen.length === 0")
    note.wait_for(state="hidden")
    assert estimate.is_visible()
