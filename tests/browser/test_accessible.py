"""The page for those who do not see it, or have no mouse: axe finds nothing, and the keyboard reaches all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Opened

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.browser
Open = Callable[..., Opened]


def faults(page: Page) -> list[str]:
    """What axe finds: rule, and where."""
    page.evaluate(AXE.read_text())
    found: list[str] = page.evaluate(
        """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
             .map(({id, nodes}) => `${id}: ${nodes.map(({target}) => target).join(', ')}`)"""
    )
    return found


@pytest.mark.parametrize("theme", ["dark", pytest.param("light", marks=pytest.mark.long)])
def test_axe_finds_nothing(open_page: Open, demo_url: str, theme: str) -> None:
    """Names, roles, structure and contrast (WCAG AA), also with each menu and dialog open."""
    opened = open_page(demo_url, theme=theme)
    opened.page.wait_for_selector(".ladder button:visible")
    assert faults(opened.page) == []
    for button in ("#display-button", "#alerts-button", "#export-button", "#help-button"):
        opened.page.click(button)
        opened.page.wait_for_selector(".popover:visible, dialog[open]:visible")
        assert (button, faults(opened.page)) == (button, [])
        opened.page.keyboard.press("Escape")


@pytest.mark.parametrize("query", [{"grid": "4"}, {"embed": "1"}, {"window": "30d", "view": "density"}])
def test_axe_finds_nothing_in_other_views(open_page: Open, demo_url: str, query: dict[str, str]) -> None:
    """Several maps, a frame, a window with a note."""
    assert faults(open_page(demo_url, **query).page) == []


@pytest.mark.parametrize("context", [{"viewport": PHONE, "has_touch": True}], indirect=True)
@pytest.mark.parametrize("open_sheet", [False, True])
def test_axe_finds_nothing_on_a_phone(open_page: Open, demo_url: str, open_sheet: bool) -> None:
    """With the sheet down and up."""
    opened = open_page(demo_url)
    if open_sheet:
        opened.page.tap("#sheet-handle")
        opened.page.wait_for_selector(".ladder button:visible")
    assert faults(opened.page) == []


def test_the_ladder_keeps_the_focus_while_its_figures_change(open_page: Open, demo_url: str) -> None:
    """Enter on a rung brings its price into sight; the next figures leave the focus where it is."""
    opened = open_page(demo_url, fit="candles")
    rung = opened.page.locator(".ladder button:visible").first
    rung.focus()
    seq = opened.view("market.now.seq")
    opened.until("market.now.seq > arg + 1", seq)
    assert rung.evaluate("button => document.activeElement === button")
    opened.view("view.viewport.showPrices([market.now.price * 0.999, market.now.price * 1.001])")
    price = float(rung.locator("span").inner_text().replace(",", ""))
    opened.page.keyboard.press("Enter")
    opened.until("view.viewport.prices()[1] > arg", price)


def test_what_is_in_focus_has_the_keys_that_it_needs(open_page: Open, demo_url: str) -> None:
    """Arrows scroll a panel or menu that has the focus, and Space opens a note: neither moves the map nor plays it."""
    opened = open_page(demo_url)
    page = opened.page
    page.set_viewport_size({"width": 1440, "height": 420})
    page.wait_for_selector(".ladder button:visible")
    opened.settle()
    for focus, box in (("#side-body", ".side"), ("#display-button", ".popover[aria-label=Settings]")):
        page.focus(focus)
        if focus == "#display-button":
            page.keyboard.press("Enter")
        free = opened.view("view.viewport.isFree")
        page.keyboard.press("ArrowDown")
        page.wait_for_function("box => document.querySelector(box).scrollTop > 0", arg=box)
        assert opened.view("view.viewport.isFree") is free is False
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    page.focus(".estimate summary")
    page.keyboard.press(" ")
    page.wait_for_selector(".estimate[open]")
    assert page.is_visible("[aria-label='Play (Space)']")


# Figures without a word that stand out from their ground: bars, lamps, keys of colours.
STANDING_OUT = """() => {
  const none = colour => /, 0\\)$|transparent/.test(colour), all = [...document.querySelectorAll('body *')];
  const ground = element => none(getComputedStyle(element).backgroundColor) && element.parentElement
    ? ground(element.parentElement) : getComputedStyle(element).backgroundColor;
  return all.flatMap((element, i) => {
    if (element.textContent.trim() || element.matches('canvas, input, svg, svg *') || element.querySelector('canvas, svg, input')) return [];
    const {width, height} = element.getBoundingClientRect(), {backgroundColor: own, borderTopWidth} = getComputedStyle(element);
    if (!width || !height || none(own) || !element.checkVisibility({visibilityProperty: true})) return [];
    const stands = own !== ground(element.parentElement) || parseFloat(borderTopWidth) > 0;
    return stands ? [`${i} ${element.tagName}.${element.className} in ${element.parentElement.className}`] : [];
  });
}"""


def test_no_figure_is_lost_in_forced_colours(open_page: Open, demo_url: str) -> None:
    """What is a colour and no word stands out from its ground there too, in every tab; and one that does not is found."""
    opened = open_page(demo_url)
    page = opened.page
    page.wait_for_selector("#context .sides i", state="attached")
    page.wait_for_selector(".ladder button:visible")
    opened.view("liqstream.client.close()")
    seen: set[str] = set()
    for tab in ("levels", "tape", "accuracy", "data"):
        page.click(f"#tab-{tab}")
        opened.settle()
        page.emulate_media(forced_colors="none")
        seen = set(page.evaluate(STANDING_OUT))
        page.emulate_media(forced_colors="active")
        assert seen - set(page.evaluate(STANDING_OUT)) == set(), tab
    page.evaluate("() => document.querySelector('.sides').style.setProperty('forced-color-adjust', 'auto')")
    assert seen - set(page.evaluate(STANDING_OUT))
