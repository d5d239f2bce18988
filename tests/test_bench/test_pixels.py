"""The bench of changed pixels judges by pixels: a page that stops drawing fails it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.bench_live import Figure
from bench.bench_pixels import Seen, figures, measure

# Whatever is drawn from now on, the canvases stay as they are.
FROZEN = """() => {
  for (const name of ["clearRect", "drawImage", "fill", "fillRect", "fillText", "putImageData", "stroke"])
    CanvasRenderingContext2D.prototype[name] = () => {};
}"""


def seen(latency_ms: list[float], *, received: int) -> Seen:
    """A page that showed so many of the ticks it got in ten seconds."""
    found = np.array(latency_ms, dtype=np.float64)
    return Seen(received, 0, found - 10, found, clock_error_ms=1.0, span_s=10.0, read_ms=0.3)


def missed(found: list[Figure]) -> set[str]:
    """The figures that are not within their limits."""
    return {it.what for it in found if not it.met}


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (seen([50.0] * 50, received=50), set()),
        (seen([50.0] * 40 + [250.0] * 10, received=50), {"exchange's socket to changed pixels, p95"}),
        (seen([50.0] * 30, received=50), {"of them with changed pixels of their own"}),
        (
            seen([], received=50),
            {"of them with changed pixels of their own", "exchange's socket to changed pixels, p95"},
        ),
    ],
)
def test_late_and_unseen_ticks_miss_the_limits(page: Seen, expected: set[str]) -> None:
    """What was never seen is infinitely late, not left out."""
    assert missed(figures(page, rate=5000.0)) == expected


@pytest.mark.attack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("spoil", ["", FROZEN], ids=["as it is", "draws nothing"])
async def test_a_page_that_draws_nothing_has_no_changed_pixels(spoil: str) -> None:
    """In the real Chromium on a real server; how late the drawing page is depends on the machine."""
    found = await measure(clients=10, rate=1000.0, seconds=6.0, spoil=spoil)
    shown = next(it for it in found if it.what == "of them with changed pixels of their own")
    if spoil:
        assert shown.reached == 0
        assert missed(found) >= {shown.what, "exchange's socket to changed pixels, p95"}
    else:
        assert shown.reached > 50
