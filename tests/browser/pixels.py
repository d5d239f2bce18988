"""What a person sees of a map: proofs on screenshots of the browser and on where the page puts things.

FILL: the maps cover their part of the page, a place or two of a grid aside.
PAINT: of the pixel columns between the first recorded bar and the newest, the share that shows heat or candles.
RANGE: the bars in sight are the whole window, or what is recorded of it, with a little room for what comes.
INSIDE: both axes, header, legend and the newest bar are within the viewport.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

# Shares of the width (viewport.js, time-axis.js): beyond UNKNOWN of the window, what was never recorded is left out.
UNKNOWN = 0.15
UNKNOWN_SHOWN = 0.08
LEAST_COLUMNS = 12
MOST_FUTURE = 0.12
LEAST_COVERED = 0.8

# Differing pixels of each pixel column of a rectangle (CSS px) of two PNGs, decoded where they were taken.
DIFFERING = """async ([one, other, boxes]) => {
  const pixels = async text => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], {type: 'image/png'}), {colorSpaceConversion: 'none'});
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), context = canvas.getContext('2d');
    context.drawImage(bitmap, 0, 0);
    return {width: bitmap.width, height: bitmap.height,
            words: new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer)};
  };
  const [a, b] = [await pixels(one), await pixels(other)];
  if (a.width !== b.width || a.height !== b.height) return null;
  const ratio = a.width / innerWidth;
  return boxes.map(({x, y, width, height}) => {
    const [left, top] = [Math.round(x * ratio), Math.round(y * ratio)];
    const bottom = Math.min(a.height, Math.round((y + height) * ratio));
    return Array.from({length: Math.round(width * ratio)}, (_, i) => {
      let off = 0;
      for (let row = top; row < bottom; row++) {
        const at = row * a.width + left + i;
        if (a.words[at] !== b.words[at]) off++;
      }
      return off;
    });
  });
}"""

OFF = """async pngs => {
  const words = async text => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], {type: 'image/png'}));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
    context.drawImage(bitmap, 0, 0);
    return [bitmap.width, bitmap.height, new Uint32Array(context.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer)];
  };
  const [[width, height, a], [width2, height2, b]] = [await words(pngs[0]), await words(pngs[1])];
  if (width !== width2 || height !== height2) return 1;
  let off = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) off++;
  return off / a.length;
}"""

# The rectangle (device px) of a PNG, as a PNG.
CROPPED = """async ([png, x, y, width, height]) => {
  const bytes = Uint8Array.from(atob(png), letter => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], {type: 'image/png'}), {colorSpaceConversion: 'none'});
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d').drawImage(bitmap, -x, -y);
  const cropped = new Uint8Array(await (await canvas.convertToBlob({type: 'image/png'})).arrayBuffer());
  let text = '';
  for (const byte of cropped) text += String.fromCharCode(byte);
  return btoa(text);
}"""

# The chart's own range is of the middles of the bars at its ends.
MAPS = """() => { const edges = range => range && {from: range.from - .5, to: range.to + .5};
  return [...liqstream.mapGrid.slots.values()].map(({view, chartElement}) => {
  const box = chartElement.getBoundingClientRect(), {matrix} = view.market, {width, height} = view.pane;
  const time = view.chart.timeScale(), columns = matrix.end - matrix.first;
  const axis = chartElement.querySelector('tr:last-child')?.getBoundingClientRect();
  return {
    symbol: view.market.symbol, x: box.x, y: box.y, width: box.width, height: box.height,
    pane: {width, height}, axisBottom: axis?.bottom ?? Infinity, priceAxis: box.width - width,
    columns, known: matrix.firstKnown - matrix.first, gaps: view.heat.gaps.map(gap => gap.map(c => c - matrix.first)),
    range: edges(time.getVisibleLogicalRange()), newestX: time.logicalToCoordinate(columns - 1),
  };
}); }"""

COVERED = """() => { const size = each => each.clientWidth * each.clientHeight;
  const place = document.querySelector('#maps');
  return [...place.querySelectorAll('.map')].reduce((sum, map) => sum + size(map), 0) / size(place); }"""

FIXED = """() => ['.bar', '.tools', '#connection', '#legend', '.readout'].map(name => {
  const {x, y, right, bottom, width} = document.querySelector(name).getBoundingClientRect();
  return {name, x, y, right, bottom, shown: width > 0};
})"""


@dataclass(frozen=True)
class Proof:
    """What was found wrong with the maps in sight; nothing: they are as they should be."""

    faults: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.faults


def freeze(page: Page) -> None:
    """Nothing comes in any more, and the pointer is away: two screenshots of one state are the same."""
    page.evaluate("liqstream.client.close(); liqstream.loader.refineFor(() => [])")
    page.mouse.move(0, 0)


def share_off(page: Page, one: bytes, other: bytes) -> float:
    """The share of pixels in which two pictures differ; 1 if they are of different sizes."""
    off: float = page.evaluate(OFF, [base64.b64encode(png).decode() for png in (one, other)])
    return off


def cropped(page: Page, png: bytes, x: int, y: int, width: int, height: int) -> bytes:
    """A rectangle of a picture, device px."""
    text: str = page.evaluate(CROPPED, [base64.b64encode(png).decode(), x, y, width, height])
    return base64.b64decode(text)


@contextmanager
def bare(page: Page) -> Iterator[None]:
    """Heat and candles are not drawn; hatching, axes and all around them are."""
    set_series = "on => { for (const {view} of liqstream.mapGrid.slots.values()) view.setSeriesVisible(on); }"
    page.evaluate(set_series, False)
    yield
    page.evaluate(set_series, True)


def rest(page: Page) -> None:
    """Wait until the maps of the state are there and have come to rest, colours and sizes included."""
    page.wait_for_function(
        """() => { const {mapGrid, loader} = liqstream;
          return [...mapGrid.slots.values()].every(({view}) => view.market?.matrix && view.heat.frames) && !loader.isLoading; }"""
    )
    page.evaluate(
        """async () => { const frame = () => new Promise(done => requestAnimationFrame(done));
          await frame(); await frame(); await new Promise(done => setTimeout(done, 200)); await frame(); await frame(); }"""
    )


def wanted_range(columns: int, known: int) -> tuple[float, float]:
    """The edges of the whole window's bars, of which `known` is the first recorded, in bars; bar 0 begins at -.5."""
    recorded = columns - known
    shown = (
        columns if recorded > (1 - UNKNOWN) * columns else max(LEAST_COLUMNS, recorded * (1 + UNKNOWN_SHOWN))
    )
    return columns - min(columns, shown) - 0.5, columns - 0.5


def proof(page: Page) -> Proof:
    """PAINT, RANGE and INSIDE of every map in sight."""
    maps: list[dict[str, Any]] = page.evaluate(MAPS)
    shown = [one for one in maps if one["y"] >= 0 and one["y"] + one["height"] <= _height(page) + 1]
    faults = [fault for one in maps for fault in _range_faults(one)]
    faults += _inside_faults(page, shown, maps)
    faults += _fill_faults(page)
    faults += _paint_faults(page, shown)
    return Proof(tuple(faults))


def _height(page: Page) -> int:
    height: int = page.evaluate("innerHeight")
    return height


def _range_faults(one: dict[str, Any]) -> Iterator[str]:
    start, newest = wanted_range(one["columns"], one["known"])
    range_ = one["range"]
    if range_ is None or abs(range_["from"] - start) > 1:
        yield f"RANGE {one['symbol']}: {range_} of {one['columns']} columns begins off {start}"
        return
    future = range_["to"] - newest
    if not 0 <= future <= max(2, MOST_FUTURE * (range_["to"] - range_["from"])) + 0.5:
        yield f"RANGE {one['symbol']}: {future:.1f} columns of future in {range_}"
    place = (one["newestX"] or 0) / max(1, one["pane"]["width"])
    if not 0.85 <= place + 0.5 / (range_["to"] - range_["from"]) <= 0.98:
        yield f"RANGE {one['symbol']}: newest bar at {place:.2f} of the width"


def _inside_faults(page: Page, shown: list[dict[str, Any]], maps: list[dict[str, Any]]) -> Iterator[str]:
    size = page.evaluate("({width: innerWidth, height: innerHeight})")
    for part in page.evaluate(FIXED):
        if part["shown"] and not (
            part["x"] >= -1
            and part["y"] >= -1
            and part["right"] <= size["width"] + 1
            and part["bottom"] <= size["height"] + 1
        ):
            yield f"INSIDE {part['name']}: {part} of {size}"
    if not shown:
        yield f"INSIDE: no whole map in sight, {[(one['y'], one['height']) for one in maps]} of {size}"
    for one in shown:
        if one["x"] + one["width"] > size["width"] + 1 or one["axisBottom"] > size["height"] + 1:
            yield f"INSIDE {one['symbol']}: axes reach {one['x'] + one['width']}, {one['axisBottom']} of {size}"
        if one["priceAxis"] < 30 or one["height"] - one["pane"]["height"] < 15:
            yield f"INSIDE {one['symbol']}: no room for an axis, {one}"
        if not 0 <= (one["newestX"] or -1) <= one["pane"]["width"]:
            yield f"INSIDE {one['symbol']}: newest bar at {one['newestX']} of {one['pane']['width']}"


def _fill_faults(page: Page) -> Iterator[str]:
    covered: float = page.evaluate(COVERED)
    if covered < LEAST_COVERED:
        yield f"FILL: the maps cover {covered:.2f} of their place"


def _paint_faults(page: Page, shown: list[dict[str, Any]]) -> Iterator[str]:
    drawn = page.screenshot()
    with bare(page):
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        without = page.screenshot()
    boxes = [{"x": one["x"], "y": one["y"], **one["pane"]} for one in shown]
    arg = [base64.b64encode(drawn).decode(), base64.b64encode(without).decode(), boxes]
    for one, counts in zip(shown, page.evaluate(DIFFERING, arg), strict=True):
        share = paint_share(counts, one)
        if share < 0.99:
            yield f"PAINT {one['symbol']}: {share:.3f} of the pixel columns are drawn"


FAINT_BARS = 6
"""After the first recorded one: as yet there are hardly any positions, and their heat is below what is shown."""


def paint_share(counts: list[int], one: dict[str, Any]) -> float:
    """Of the pixel columns from where RANGE has the first recorded bars to the newest, gaps aside: those drawn."""
    start, newest = wanted_range(one["columns"], one["known"])
    future = min(0.07 * (newest - start), max(0.0, (one["range"] or {"to": newest})["to"] - newest))
    scale = len(counts) / (newest + future - start)
    begun = one["known"] + (FAINT_BARS if one["known"] else 0) - 0.5
    first, last = ((index - start) * scale for index in (max(begun, start), newest))
    gaps = [((a - 0.5 - start) * scale - 1, (b - 0.5 - start) * scale + 1) for a, b in one["gaps"]]
    columns = [
        i for i in range(round(first), min(len(counts), round(last))) if not any(a <= i <= b for a, b in gaps)
    ]
    return sum(counts[i] >= 3 for i in columns) / max(1, len(columns))
