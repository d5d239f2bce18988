"""Messages and numbers that are not what they should be are refused, whatever the exchange."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.feeds.parsing import BadItems, not_negative, positive, utc_ms
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue import Venue
from liqstream.simulator.faults import GARBAGE

COUNTED = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What the core counts as a bad message; anything else would end the feed."""


@pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
@pytest.mark.parametrize("text", GARBAGE, ids=[text[:30] for text in GARBAGE])
def test_garbage_is_bad_or_unknown(venue: type[Venue], text: str) -> None:
    """Nothing nonsensical becomes a record, and nothing but the counted errors comes out."""
    try:
        parsed = venue().read(text)
    except COUNTED:
        return
    assert not parsed.events
    assert not parsed.trades


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["e", "E", "s", "k", "o", "data", "stream", "topic", "type", "ts", "arg", "event", "channel", "op"]
)
WORDS = st.sampled_from(
    (
        "kline",
        "forceOrder",
        "markPriceUpdate",
        "trade",
        "tickers.BTCUSDT",
        "kline.5.BTCUSDT",
        "allLiquidation.BTCUSDT",
        "publicTrade.BTCUSDT",
        "candle5m",
        "liquidation-orders",
        "candle",
        "activeAssetCtx",
    )
)


@pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
@given(message=st.dictionaries(KEYS, WORDS | JSON, max_size=6))
def test_no_json_ends_a_feed(venue: type[Venue], message: dict[str, object]) -> None:
    """Whatever well-formed JSON an exchange sends, the feed goes on."""
    try:
        text = orjson.dumps(message)
    except TypeError:
        return  # an integer too large for JSON
    try:
        venue().read(text)
    except COUNTED:
        return


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-inf", "1e999", "", "abc", None, True, [], {}, "0", "-1"]
)
def test_prices_are_positive_and_finite(value: object) -> None:
    """A price that is no price is refused at the edge."""
    with pytest.raises(ValueError):
        positive(value)


@pytest.mark.parametrize("value", [1_790_000_000, 1_790_000_000_000_000, "now", -1, None])
def test_times_are_in_milliseconds(value: object) -> None:
    """Seconds and microseconds are refused, not taken for milliseconds."""
    with pytest.raises(ValueError):
        utc_ms(value)


def test_zero_is_a_quantity_but_no_price() -> None:
    """Open interest may be zero, a price may not."""
    assert not_negative("0") == 0.0


@pytest.mark.parametrize(
    "item", [{"t": 1.7e308}, {"t": "9" * 400}, orjson.loads("[" * 900 + "]" * 900), {"t": [{}]}]
)
def test_an_item_that_cannot_be_read_costs_itself_alone(item: object) -> None:
    """Whatever it does to arithmetic, or to writing it down."""
    items = BadItems()
    assert items.each([{"t": 2}, item, {"t": 3}], lambda row: float(int(row["t"]) * 1000)) == [2000, 3000]
    count, reason = items.take()
    assert count == 1
    assert len(reason) < 400
