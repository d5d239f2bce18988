"""Alerts on the server, set from the page: made, tested, raised, edited and deleted; and when it cannot answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

PANEL = ".popover .server-alerts"
RAISED_ELSEWHERE = """() => { const newValue = JSON.stringify([{time: 0, sentence: 'earlier'}, {time: Date.now() + 1e6, sentence: 'later'}]);
  dispatchEvent(new StorageEvent('storage', {key: 'liqstream.raised', newValue})); }"""


def test_a_rule_on_the_server_is_made_tested_edited_and_deleted(open_page: Open, demo_url: str) -> None:
    """With the keyboard; the test comes as a toast that says it is one, of a simulated market."""
    opened = open_page(demo_url)
    page = opened.page
    panel = page.locator(PANEL)
    page.wait_for_selector("#alerts-button[aria-expanded]")
    page.keyboard.press("a")
    expect(page.locator(f"{PANEL} [role=status]")).to_have_text("No rules on the server yet.")
    panel.get_by_label("Kind of alert").select_option("new_cluster")
    panel.get_by_label("Market", exact=True).select_option("*")
    panel.get_by_label("Unit").select_option("rank")
    panel.get_by_label("From", exact=True).fill("95")
    panel.get_by_label("Within %").fill("2")
    panel.get_by_label("Within %").press("Enter")
    row = page.locator(f"{PANEL} .server-rules li")
    words = "from the 95th percentile, within 2 %, all markets, every 15 min at most"
    expect(row.locator("span")).to_have_text(f"New cluster, {words}")
    secret = page.evaluate("() => localStorage.getItem('liqstream.alerts-secret')")
    kept = page.request.get(f"{demo_url}/api/alerts", headers={"X-Liqstream-Alerts-Secret": secret}).json()
    assert [(rule["kind"], rule["min_percentile"]) for rule in kept["rules"]] == [("new_cluster", 95)]
    row.get_by_role("button", name="Test").press("Enter")
    page.wait_for_selector(".toast >> text=[TEST] [SIMULATED]")
    expect(row.get_by_role("button", name="Test")).to_be_focused()
    raised = page.locator(".popover .raised-last li")
    expect(raised).to_contain_text(["[TEST] [SIMULATED]"])
    # One list with what this browser's pages raised, here another tab of it; in the zone that is chosen.
    page.evaluate("liqstream.store.set({utc: true})")
    page.evaluate(RAISED_ELSEWHERE)
    expect(raised).to_have_text(
        [re.compile("later$"), re.compile("TEST"), re.compile("^1 Jan,? 00:00 earlier$")]
    )
    row.get_by_role("button", name="Edit").press("Enter")
    panel.get_by_label("Kind of alert").select_option("cluster")
    panel.get_by_role("button", name="Save rule").press("Enter")
    expect(row.locator("span")).to_have_text(f"Cluster near the price, {words}")
    row.get_by_role("button", name="Delete").press("Enter")
    expect(row).to_have_count(0)
    expect(raised).to_have_text([re.compile("later$"), re.compile("earlier$")])


def test_a_server_that_cannot_answer_is_named_and_asked_again(open_page: Open, demo_url: str) -> None:
    """What failed, in the server's words; nothing that was typed is lost, and one that has no rules shows none."""
    opened = open_page(demo_url)
    page = opened.page
    panel = page.locator(PANEL)
    status, sentence = 503, "the rules cannot be reached just now"

    def answer(route: object) -> None:
        route.fulfill(status=status, body=json.dumps({"error": sentence}))  # type: ignore[attr-defined]

    opened.watch.allowed.append("503")
    opened.watch.allowed.append("404")
    page.route("**/api/alerts**", answer)
    page.wait_for_selector("#alerts-button[aria-expanded]")
    page.click("#alerts-button")
    state = page.locator(f"{PANEL} [role=status]")
    expect(state).to_contain_text(sentence)
    panel.get_by_label("From", exact=True).fill("7")
    page.unroute("**/api/alerts**")
    state.get_by_role("button", name="Try again").click()
    expect(state).to_have_text("No rules on the server yet.")
    assert panel.get_by_label("From", exact=True).input_value() == "7"
    status = 404
    page.route("**/api/alerts**", answer)
    page.click("#alerts-button")
    page.click("#alerts-button")
    expect(page.locator(PANEL)).to_be_hidden()
