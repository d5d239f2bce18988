"""Refusals are counted each, and logged rarely."""

from __future__ import annotations

from structlog.testing import capture_logs

from liqstream.market.refusal_count import Refusal, RefusalCount


def test_the_first_is_logged_and_then_one_at_every_doubling() -> None:
    """A flood of one kind is a handful of lines; another kind has its own."""
    counts = RefusalCount()
    late, large = Refusal("x", "BTCUSDT", "bar", "time"), Refusal("x", "BTCUSDT", "bar", "size")
    with capture_logs() as logs:
        for _ in range(100):
            counts.add(late, 1, "a bar")
        counts.add(large, 5, "b" * 1000)
    assert counts.refused == {late: 100, large: 5}
    assert counts.last_refusal == {"x": "BTCUSDT: bar, size"}
    assert [each["count"] for each in logs] == [1, 2, 4, 8, 16, 32, 64, 5]
    assert len(logs[-1]["sample"]) == 200
