"""Which symbols are followed: what does not trade now is waited for, a new contract size is told."""

from __future__ import annotations

import pytest

from liqstream.feeds.instruments import InstrumentList
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue import Instrument

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
NOW_MS = 1_795_402_800_000


def listing(**contracts: tuple[bool, float]) -> dict[str, Instrument]:
    return {
        symbol: Instrument(symbol, tradable, "live" if tradable else "post_only", size)
        for symbol, (tradable, size) in contracts.items()
    }


def test_before_the_list_is_known_everything_is_followed() -> None:
    """Sockets need not wait for it."""
    instruments = InstrumentList(SYMBOLS)
    assert not instruments.is_known
    assert instruments.followed == SYMBOLS
    assert instruments.flags() == {}
    assert instruments.problems("x") == {}


def test_what_does_not_trade_is_waited_for() -> None:
    """It is followed once it trades."""
    instruments = InstrumentList(SYMBOLS)
    instruments.read(listing(BTCUSDT=(True, 1.0), ETHUSDT=(False, 1.0)))
    assert instruments.followed == ("BTCUSDT",)
    assert instruments.flags() == {"ETHUSDT": {"not_trading"}, "SOLUSDT": {"not_listed"}}
    assert instruments.problems("okx") == {
        "ETHUSDT": "okx does not trade ETHUSDT now (post_only)",
        "SOLUSDT": "okx does not list SOLUSDT",
    }


def test_what_has_left_the_list_may_come_back() -> None:
    """It is not listed meanwhile."""
    instruments = InstrumentList(SYMBOLS)
    instruments.read(listing(BTCUSDT=(True, 1.0)))
    instruments.read(listing(ETHUSDT=(True, 1.0), SOLUSDT=(True, 1.0)))
    assert instruments.flags() == {"BTCUSDT": {"not_listed"}}
    instruments.read(listing(BTCUSDT=(True, 1.0)))
    assert instruments.flags() == {"ETHUSDT": {"not_listed"}, "SOLUSDT": {"not_listed"}}


def test_a_new_contract_size_is_flagged_also_after_a_pause() -> None:
    """Amounts before and after are not comparable unless it is taken in."""
    instruments = InstrumentList(SYMBOLS)
    instruments.read(listing(BTCUSDT=(True, 0.01)))
    instruments.read(listing(XRPUSDT=(True, 1.0)))
    for _ in range(2):  # it is flagged for as long as the size is another
        assert instruments.read(listing(BTCUSDT=(True, 0.001))) == {}
        assert instruments.flags()["BTCUSDT"] == {"contract_changed"}
        assert "0.001 instead of 0.01" in instruments.problems("okx")["BTCUSDT"]
    instruments.read(listing(BTCUSDT=(True, 0.01)))
    assert "BTCUSDT" not in instruments.flags()


def test_a_size_whose_amounts_were_refused_was_listed_wrongly() -> None:
    """The next reading corrects it: no flag, but from when on amounts are to be fetched again."""
    instruments = InstrumentList(SYMBOLS)
    instruments.read(listing(BTCUSDT=(True, 1e6), ETHUSDT=(True, 0.1)))
    assert instruments.has_sizes
    for time_ms in (3000, 2000, 4000):
        instruments.doubt("BTCUSDT", time_ms)
    instruments.doubt("ETHUSDT", 5000)
    assert instruments.read(listing(BTCUSDT=(True, 0.01), ETHUSDT=(True, 0.1))) == {"BTCUSDT": 2000}
    assert {"BTCUSDT", "ETHUSDT"}.isdisjoint(instruments.flags())
    instruments.read(listing(BTCUSDT=(True, 1e6), ETHUSDT=(True, 0.1)))
    assert instruments.flags()["BTCUSDT"] == {"contract_changed"}
    assert not InstrumentList(SYMBOLS).has_sizes


def test_an_announced_delisting_is_named() -> None:
    """Of the symbols that are followed."""
    instruments = InstrumentList(SYMBOLS)
    assert instruments.announced("bybit") == ""
    ends = {"ETHUSDT": NOW_MS, "XRPUSDT": NOW_MS, "BTCUSDT": None}
    instruments.read({s: Instrument(s, True, "live", delists_at_ms=ends_ms) for s, ends_ms in ends.items()})
    assert instruments.announced("bybit") == "bybit delists ETHUSDT at 2026-11-23 03:00 UTC"


def test_a_list_without_contracts_is_none() -> None:
    """No exchange lists nothing: a damaged answer must not end what is followed."""
    instruments = InstrumentList(SYMBOLS)
    with pytest.raises(ValueError, match="without one that can be read"):
        instruments.read({})
    assert not instruments.is_known
    instruments.read(listing(BTCUSDT=(True, 1.0)))
    with pytest.raises(ValueError, match="without one that can be read"):
        instruments.read({})
    assert instruments.followed == ("BTCUSDT",)


def test_a_contract_that_stands_in_is_named() -> None:
    """Of what is followed only, and as long as it is listed."""
    known = InstrumentList(("BTCUSDT", "ETHUSDT"))
    other = Instrument("BTCUSDT", tradable=True, state="TRADING", stands_in="BTCUSDC")
    unasked = Instrument("XUSDT", tradable=True, state="TRADING", stands_in="XUSDC")
    own = Instrument("ETHUSDT", tradable=True, state="TRADING")
    known.read({"BTCUSDT": other, "XUSDT": unasked, "ETHUSDT": own})
    assert known.stand_ins("binance") == "binance lists no BTCUSDT: its BTCUSDC is taken"
    known.read({"ETHUSDT": own})
    assert known.stand_ins("binance") == ""


def test_an_unusual_list_is_read_again_soon() -> None:
    """One reading may have said so wrongly; a list in which all is as it should be is read hourly."""
    instruments = InstrumentList(SYMBOLS)
    whole = listing(BTCUSDT=(True, 1.0), ETHUSDT=(True, 1.0), SOLUSDT=(True, 1.0))
    instruments.read(whole)
    assert instruments.read_again_s(0.0) == 3600.0
    without = {symbol: each for symbol, each in whole.items() if symbol != "ETHUSDT"}
    halted = whole | listing(SOLUSDT=(False, 1.0))
    resized = whole | listing(BTCUSDT=(True, 0.1))
    ending = whole | {"BTCUSDT": Instrument("BTCUSDT", True, "live", delists_at_ms=NOW_MS)}
    for number, unusual in enumerate((without, halted, resized, ending), start=1):
        began_s = 10_000.0 * number
        instruments.read(unusual)
        waits = {at_s: instruments.read_again_s(began_s + at_s) for at_s in (0.0, 300.0, 599.0, 3600.0)}
        assert waits == {0.0: 30.0, 300.0: 30.0, 599.0: 30.0, 3600.0: 300.0}, number
        instruments.read(whole)
        assert instruments.read_again_s(began_s + 4000.0) == 3600.0


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("value", ["soon", 10**30, "9" * 25, [], {}, 1.0e300, -5, True, "1"])
def test_a_delisting_at_no_time_costs_no_contract(name: str, value: object) -> None:
    """It is counted as lost, whatever an exchange writes there; the words for "never" are not."""
    venue = VENUES[name]()
    assert venue.delisting_ms(value) is None
    assert venue.bad_items.take()[0] == 1
    never = (None, "", 0, "0", "-1", 4_133_404_800_000)
    assert [venue.delisting_ms(each) for each in never] == [None] * len(never)
    assert venue.delisting_ms(str(NOW_MS)) == venue.delisting_ms(NOW_MS) == NOW_MS
    assert venue.bad_items.take()[0] == 0


def test_what_trades_is_found_out_once_for_each_list() -> None:
    """It is asked for with each message; what is followed and what trades may change."""
    instruments = InstrumentList(SYMBOLS[:2])
    instruments.read(listing(BTCUSDT=(True, 1.0), ETHUSDT=(False, 1.0), SOLUSDT=(True, 1.0)))
    assert list(instruments.followed) == ["BTCUSDT"]
    assert instruments.followed is instruments.followed
    instruments.follow(SYMBOLS)
    assert list(instruments.followed) == ["BTCUSDT", "SOLUSDT"]
    instruments.read(listing(BTCUSDT=(False, 1.0), ETHUSDT=(True, 1.0)))
    assert list(instruments.followed) == ["ETHUSDT"]
