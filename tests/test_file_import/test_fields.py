"""One field: what is taken, and what is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.file_import import fields as csv_fields

NOON_MS = 1_779_724_800_000


@pytest.mark.parametrize(
    "text",
    [
        "1779724800000",
        "1779724800000.0",
        "1779724800",
        "1779724800000000",
        "1779724800000000000",
        "2026-05-25 16:00:00",
        "2026-05-25T16:00:00Z",
        "2026-05-25T18:00:00+02:00",
    ],
)
def test_times_in_every_unit_are_the_same_moment(text: str) -> None:
    """Epoch s, ms, us and ns, and dates: naive ones are UTC."""
    assert csv_fields.time_ms(text, "time") == NOON_MS


@pytest.mark.parametrize("text", ["", "noon", "-5", "1.7797E+12", "12", "2026-05-25 25:00:00", "9" * 40, "²"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Neither text nor a number outside 2009..2100 passes for a time."""
    with pytest.raises(ValueError, match="time is not a time"):
        csv_fields.time_ms(text, "time")


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "1e999", "1_000", "1,5", "0x10"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Python's own float() would take some of these."""
    with pytest.raises(ValueError, match="is not a number"):
        csv_fields.amount(text, "volume")


def test_signs_are_checked() -> None:
    """A price is above zero, an amount not below."""
    with pytest.raises(ValueError, match="open is not above zero"):
        csv_fields.price("0", "open")
    with pytest.raises(ValueError, match="volume is negative"):
        csv_fields.amount("-1", "volume")


@pytest.mark.parametrize(
    ("text", "exchange", "long"),
    [
        ("long", "anywhere", True),
        ("SHORT", "anywhere", False),
        ("SELL", "binance", True),
        ("sell", "okx", True),
        ("Buy", "bybit", True),
        ("Sell", "bybit", False),
    ],
)
def test_sides_are_read_as_the_venue_means_them(text: str, exchange: str, long: bool) -> None:
    """Binance and OKX name the closing order's side, Bybit the position's."""
    assert csv_fields.is_long(text, exchange) is long


def test_an_order_side_of_an_unknown_venue_is_refused() -> None:
    """Buy means opposite things on two venues, so elsewhere it means nothing."""
    with pytest.raises(ValueError, match="neither long nor short"):
        csv_fields.is_long("BUY", "elsewhere")


@given(st.text(max_size=60))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    """Nothing but ValueError comes out of a strange field."""
    for read in (csv_fields.amount, csv_fields.price, csv_fields.time_ms):
        try:
            value = read(text, "field")
        except ValueError:
            continue
        assert value >= 0


@pytest.mark.parametrize(
    ("text", "exchange", "sides"),
    [
        (None, "bybit", 2),
        ("", "bybit", 2),
        ("true", "bybit", 1),
        ("1", "bybit", 1),
        (None, "binance", 1),
        ("False", "binance", 2),
    ],
)
def test_open_interest_is_counted_as_the_row_or_its_exchange_does(
    text: str | None, exchange: str, sides: int
) -> None:
    """Bybit publishes both sides; a row that says so itself is believed."""
    assert csv_fields.sides_counted(text, exchange) == sides
    with pytest.raises(ValueError, match="neither true nor false"):
        csv_fields.sides_counted("perhaps", exchange)
