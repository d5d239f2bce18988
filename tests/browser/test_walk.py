"""A random walk over all that can be pressed: wherever it leads the map is drawn, nothing is cut or covered, and what
the page says of itself is true."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Playwright

from tests.browser.conftest import DRAWN, FLAGS, Opened, chromium_path
from tests.browser.pixels import proof, rest
from tests.support.system_packages import HEADLESS_SHELL

pytestmark = pytest.mark.browser
Open = Callable[..., Opened]

SIZES = ((1440, 900), (1024, 768), (768, 1024), (390, 844), (844, 390), (932, 430), (320, 568), (720, 450))
WINDOWS = ("1h", "4h", "12h", "24h", "48h", "3d", "7d", "14d", "30d", "90d", "1y")
ALMOST_ALL = 0.95
STEPS = 14
LIGHT = 2
KEYS = "vbkpslcoqfigywnxtuzde[]?"
# Of what is in sight: controls that something else is over, text that is cut, what reaches beyond the page.
LOOK = """() => {
  const inSight = element => element.checkVisibility({visibilityProperty: true, opacityProperty: true});
  const named = element => (element.id || element.ariaLabel || element.textContent.trim().slice(0, 40) || element.className);
  const modal = document.querySelector('dialog[open]'), popover = document.querySelector('.popover:not([hidden])');
  const over = [modal, popover, document.querySelector('.side.open'), document.querySelector('.toasts'),
    document.querySelector('.note'), document.querySelector('#connection-card:not([hidden])')].filter(Boolean);
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push(`wider than the page: ${document.documentElement.scrollWidth}`);
  for (const control of document.querySelectorAll('button, select, input, a, summary, [role=slider]')) {
    if (!inSight(control) || control.disabled || (modal && !modal.contains(control))) continue;
    const {left, top, width, height, right, bottom} = control.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    if (!width || x < 0 || y < 0 || x > innerWidth || y > innerHeight) continue;
    const hit = document.elementFromPoint(x, y);
    if (!hit || control === hit || control.contains(hit) || hit.contains(control) || hit.closest('label')?.contains(control)) continue;
    if (over.some(each => each.contains(hit) && !each.contains(control))) continue;
    let scrolled = false; // out of sight within what scrolls
    for (let box = control.parentElement; box; box = box.parentElement) {
      const {left: l, top: t, right: r, bottom: b} = box.getBoundingClientRect();
      if (getComputedStyle(box).overflow !== 'visible' && (x < l || x > r || y < t || y > b)) scrolled = true;
    }
    if (!scrolled) found.push(`${named(control)} is below ${named(hit)}`);
  }
  for (const element of document.querySelectorAll('button, h2, h3, th, td, .caption, .empty, .notice, .pill, .label, .toast, .if-label, .swept-note, .measured-note')) {
    if (!inSight(element) || !element.textContent.trim() || (modal && !modal.contains(element))) continue;
    if (element.scrollWidth > element.clientWidth + 2 && element.clientWidth && getComputedStyle(element).overflow !== 'visible' && getComputedStyle(element).textOverflow !== 'ellipsis') {
      found.push(`cut: ${named(element)} ${element.scrollWidth} of ${element.clientWidth}`);
    }
  }
  for (const box of document.querySelectorAll('.side, .side-body, .popover, dialog[open]')) {
    if (inSight(box) && box.scrollWidth > box.clientWidth + 1) found.push(`wider than ${box.className}: ${box.scrollWidth}`);
  }
  return found;
}"""
TRUE = """() => {
  const {client, mapGrid, loader} = liqstream, state = document.querySelector('#connection').dataset.state;
  const {symbol} = mapGrid.market, found = [];
  if (!document.title.includes(symbol)) found.push(`the title is ${document.title}, the market ${symbol}`);
  if (state === 'live' && client.status.state !== 'open') found.push(`live with a socket that is ${client.status.state}`);
  return found;
}"""


class Walk:
    """One viewer who presses what comes; the same seed, the same walk."""

    def __init__(self, page: Page, seed: int) -> None:
        self.page = page
        self.random = random.Random(seed)
        self.steps: list[str] = []

    def step(self) -> None:
        """Something that a viewer can do, and a moment for the page to do it."""
        pick = self.random.choice
        acts: list[tuple[str, Callable[[], None]]] = [
            ("key", lambda: self.press(pick(KEYS))),
            ("key", lambda: self.press(pick(KEYS))),
            ("control", self.press_a_control),
            ("control", self.press_a_control),
            ("window", lambda: self.set({"window": pick(WINDOWS), "times": []})),
            ("size", self.resize),
            ("pan", lambda: self.move(f"pan({pick((-0.4, -0.1, 0.2))}, {pick((0, 0.1, -0.1))})")),
            ("zoom", lambda: self.move(f"zoomTime({pick((0.5, 0.8, 1.6))})")),
            ("escape", lambda: self.press("Escape")),
            ("offline", self.offline),
            ("reload", self.reload),
        ]
        name, act = pick(acts)
        self.steps.append(name)
        act()

    def press(self, key: str) -> None:
        self.steps[-1] += f" {key}"
        self.page.keyboard.press(key)

    def set(self, patch: dict[str, Any]) -> None:
        self.steps[-1] += f" {patch}"
        self.page.evaluate("patch => liqstream.store.set(patch)", patch)

    def move(self, call: str) -> None:
        self.steps[-1] += f" {call}"
        self.page.evaluate(f"() => liqstream.mapGrid.focus.view.viewport.{call}")

    def press_a_control(self) -> None:
        """One that is in sight, is no link away, and is not covered."""
        at = self.page.evaluate(
            """share => { const modal = document.querySelector('dialog[open]');
              const all = [...(modal ?? document).querySelectorAll('button, summary')].filter(each => {
                const {left, top, width, height} = each.getBoundingClientRect();
                const hit = document.elementFromPoint(left + width / 2, top + height / 2);
                return each.checkVisibility({visibilityProperty: true}) && width && hit && (each === hit || each.contains(hit))
                  && !/Copy|Link|Picture|CSV|Levels as|Pop|window|Send|Test|Add rule|this device/i.test(each.textContent + each.ariaLabel); });
              const one = all[Math.floor(share * all.length)];
              if (!one) return ''; one.click(); return one.id || one.ariaLabel || one.textContent; }""",
            self.random.random(),
        )
        self.steps[-1] += f" {at}"

    def resize(self) -> None:
        width, height = self.random.choice(SIZES)
        self.steps[-1] += f" {width}x{height}"
        self.page.set_viewport_size({"width": width, "height": height})

    def offline(self) -> None:
        self.page.context.set_offline(True)
        self.page.wait_for_timeout(200)
        self.page.context.set_offline(False)

    def reload(self) -> None:
        self.page.reload()
        self.page.wait_for_selector("#display-button[aria-expanded]", state="attached")

    def faults(self) -> list[str]:
        """What is wrong now."""
        rest(self.page)
        found: list[str] = self.page.evaluate(LOOK) + self.page.evaluate(TRUE)
        covered = "document.querySelector('dialog[open], .popover:not([hidden]), .side.open, .replay-bar:not([hidden])')"
        whole = "[...liqstream.mapGrid.slots.values()].every(({view}) => view.viewport.isWhole && !view.viewport.isFree)"
        plain = "(({candles, pane, lev, grid, cells}) => candles && pane === 'none' && !lev.length && grid === 1 && !cells.length)"
        if self.page.evaluate(f"() => !{covered} && {whole} && {plain}(liqstream.store.state)"):
            found += [fault for fault in proof(self.page).faults if not is_of_a_young_market(fault)]
        return [f"after {self.steps[-3:]}: {fault}" for fault in found]


def is_of_a_young_market(fault: str) -> bool:
    """The first bars of what is recorded have hardly any levels yet: their columns are bare."""
    share = re.search(r"PAINT \w+: ([.\d]+)", fault)
    return share is not None and float(share[1]) > ALMOST_ALL


CONTEXTS: list[dict[str, Any]] = [
    {},
    {"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}},
    {"forced_colors": "active", "reduced_motion": "reduce"},
]
ON_A_PHONE = 1
"""The one walk of `make test`."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("context", "seed"),
    [
        pytest.param(CONTEXTS[seed % 3], seed, marks=[] if seed == ON_A_PHONE else pytest.mark.attack)
        for seed in range(12)
    ],
    indirect=["context"],
    ids=str,
)
def test_wherever_one_goes_the_page_is_whole(open_page: Open, markets_url: str, seed: int) -> None:
    """Windows, markets, sizes, themes, panels, layouts, menus, gestures, reloads, a line that is away for a moment."""
    opened = open_page(markets_url, dots="0", theme="light" if seed % 3 == LIGHT else "dark")
    opened.watch.allowed.append("ERR_INTERNET_DISCONNECTED|WebSocket connection|Failed to load resource")
    opened.page.wait_for_selector("#display-button[aria-expanded]", state="attached")
    walk = Walk(opened.page, seed)
    found: list[str] = []
    for _ in range(STEPS):
        walk.step()
        found += walk.faults()
    assert found == []


@pytest.mark.attack
def test_letters_as_large_as_a_browser_makes_them_are_whole(playwright: Playwright, demo_url: str) -> None:
    """No letter is smaller than 16 px, as people who see badly set it: nothing is wider than its place."""
    flags = [*FLAGS, "--blink-settings=minimumFontSize=16,minimumLogicalFontSize=16"]
    chromium = playwright.chromium.launch(executable_path=chromium_path(HEADLESS_SHELL), args=flags)
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.goto(demo_url)
    page.wait_for_function(DRAWN)
    rest(page)
    assert page.evaluate("document.querySelector('.profile-max').getClientRects()[0].height") > 16
    assert page.evaluate(LOOK) == []
    right = page.evaluate("document.querySelector('.profile').getBoundingClientRect().right")
    figures = "[...document.querySelectorAll('.profile-head div > :last-child')].map(each => each.getBoundingClientRect().right)"
    assert max(page.evaluate(figures)) <= right
    chromium.close()


def test_the_walk_sees_what_is_wrong(open_page: Open, demo_url: str) -> None:
    """A control under another, a text that is cut, a page too wide, a title of another market: each is found."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#display-button[aria-expanded]")
    assert page.evaluate(LOOK) + page.evaluate(TRUE) == []
    page.evaluate(
        """() => { const over = document.createElement('div');
          over.style = 'position: fixed; inset: 0 0 auto 60%; height: 40px; z-index: 99';
          document.body.append(over);
          Object.assign(document.querySelector('#view button').style, {width: '20px', overflow: 'hidden'});
          document.querySelector('main').style.minWidth = '3000px'; }"""
    )
    # Whatever comes writes the title anew: it is looked at in the same task.
    untrue = page.evaluate(f"() => {{ document.title = 'another'; return ({TRUE})(); }}")
    found = "; ".join(page.evaluate(LOOK) + untrue)
    for fault in ("display-button is below", "cut: Clusters", "wider than the page", "the title is another"):
        assert fault in found
