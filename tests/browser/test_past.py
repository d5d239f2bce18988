"""What a map shows of a moment that is past is what was shown at that moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.conftest import Opened

pytestmark = pytest.mark.browser

KEEP = """() => { globalThis.kept = new Map();
  liqstream.client.on('snapshot', ({timeMs, symbol}) => {
    const {market} = liqstream.mapGrid.focus.view, {matrix} = market;
    const column = matrix.columnAt(timeMs - 1);
    if (timeMs !== matrix.timeOf(column + 1) || column !== matrix.end - 1) return;
    const {long, short} = matrix.column(column);
    kept.set(matrix.timeOf(column), {long: [...long], short: [...short], p0: matrix.p0, step: matrix.step});
  }); }"""
COMPARED = """() => { const {matrix} = liqstream.mapGrid.focus.view.market;
  const found = {columns: 0, cells: 0, off: 0};
  for (const [timeMs, then] of kept) {
    const column = matrix.columnAt(timeMs), now = matrix.column(column);
    // What came while the history was on its way is not in it yet.
    if (!now || matrix.isUnseen(column) || then.p0 !== matrix.p0 || then.step !== matrix.step) continue;
    found.columns++;
    for (const side of ['long', 'short']) then[side].forEach((index, row) => {
      if (index || now[side][row]) found.cells++;
      if (Math.abs(index - now[side][row]) > 1) found.off++;
    });
  }
  return found; }"""


def test_a_past_column_is_the_snapshot_of_its_moment(
    open_page: Callable[..., Opened], replay_url: str
) -> None:
    """The levels streamed at a bar's close, and the same column of a history that is loaded later: within one step."""
    opened = open_page(replay_url, window="12h")
    page = opened.page
    page.wait_for_function("() => globalThis.liqstream.client")
    page.evaluate(KEEP)
    page.wait_for_function("() => kept.size > 6")
    page.evaluate("() => liqstream.loader.reload()")
    page.wait_for_function("() => !liqstream.loader.isLoading")
    found = page.evaluate(COMPARED)
    assert found["columns"] >= 4
    assert found["cells"] > 100 * found["columns"]
    assert found["off"] <= 0.005 * found["cells"], found
