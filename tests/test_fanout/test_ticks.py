"""liqstream/fanout/ticks.py: prices between the snapshots, to synced clients that asked for them."""

from __future__ import annotations

from typing import Any

import pytest

from liqstream.fanout import ticks as ticks_module
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.price_track import Passed, PriceTrack
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Candle, Liquidation, MarkPrice
from liqstream.metrics import Metrics
from liqstream.wire.tick_message import tick_message
from tests.support.frame_reader import Message
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot, next_snapshot

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Market:
    """A manager on a clock that is moved by hand, and what is passed in its two symbols."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.metrics = Metrics()
        self.manager = ConnectionManager(timers=self.clock, now_ms=lambda: 0, metrics=self.metrics)
        self.manager.ticks.price_since = lambda symbol, position: self.tracks[symbol].since(position)
        self.tracks = {symbol: PriceTrack() for symbol in SYMBOLS}
        self.newest: dict[str, HeatmapSnapshot] = {}

    def client(
        self, *symbols: str, interval_s: int = 1, proto: int = 2, ticks: bool | None = True
    ) -> HandClient:
        client = HandClient(self.manager, 0)
        wanted = symbols or SYMBOLS[:1]
        done(self.manager.connect(client.ws, wanted, interval_s=interval_s, proto=proto, ticks=ticks))
        return client

    def snapshot(self, *symbols: str) -> None:
        batch = []
        for symbol in symbols or SYMBOLS[:1]:
            known = self.newest.get(symbol)
            made = first_snapshot(symbol) if known is None else next_snapshot(known)
            self.newest[symbol] = made
            self.tracks[symbol].note_passed(made.position, {})
            self.tracks[symbol].note_price(made.timestamp_ms, made.current_price, {"a": made.current_price})
            batch.append(made)
        done(self.manager.broadcast(*batch))

    def price(self, usd: float, *, low: float | None = None, symbol: str = "BTCUSDT") -> None:
        track, newest = self.tracks[symbol], self.newest[symbol]
        if low is not None:
            track.note_passed(newest.position, {"a": Passed(low, low)})
        track.note_price(newest.timestamp_ms, usd, {"a": usd})
        self.manager.ticks.note([symbol])

    def got(self, client: HandClient, *kinds: str) -> list[Message]:
        """What has arrived since the last call, ticks alone if no kinds are named."""
        messages = client.frames.messages(bytes(client.transport.arrived))
        client.transport.arrived.clear()
        for message in messages:
            client.reader.take(message)
        return [message for message in messages if message["type"] in (kinds or ("tick",))]

    def prices(self, client: HandClient) -> list[float]:
        return [message["current_price"] for message in self.got(client)]


@pytest.fixture
def market() -> Market:
    return Market()


def test_it_names_the_symbols_that_some_client_wants_ticks_of(market: Market) -> None:
    """In any interval, and no longer than that client is there."""
    assert market.manager.ticks.wanted() == set()
    market.client(*SYMBOLS, ticks=None)
    first, second = market.client("BTCUSDT"), market.client(*SYMBOLS, interval_s=5)
    assert market.manager.ticks.wanted() == set(SYMBOLS)
    market.manager.forget(second.ws)
    assert market.manager.ticks.wanted() == {"BTCUSDT"}
    market.manager.forget(first.ws)
    assert market.manager.ticks.wanted() == set()


def test_a_first_change_is_sent_at_once_with_all_that_was_passed(market: Market) -> None:
    """The whole message."""
    client = market.client()
    market.snapshot()
    market.clock.advance(1.0)
    market.price(95_000.0, low=94_900.0)
    market.clock.advance(0.0)
    assert market.got(client) == [
        {
            "type": "tick",
            "symbol": "BTCUSDT",
            "epoch": 1,
            "seq": 1,
            "n": 1,
            "timestamp": "2025-12-28T14:30:01Z",
            "current_price": 95000,
            "low": 94900,
            "high": 95000,
        }
    ]


def test_changes_are_sent_at_the_pace_and_the_newest_alone(market: Market) -> None:
    """Five a second; n counts those that were made."""
    client = market.client()
    market.snapshot()
    market.clock.advance(1.0)
    for number in range(101):
        market.price(95_000.0 + number)
        market.clock.advance(0.01)
    arrived = market.got(client)
    assert [tick["current_price"] for tick in arrived] == [95_000, 95_020, 95_040, 95_060, 95_080, 95_100]
    assert [tick["n"] for tick in arrived] == [1, 2, 3, 4, 5, 6]


def test_the_pace_is_a_setting(market: Market) -> None:
    """Here ten a second."""
    market.manager.ticks.per_s = 10
    client = market.client()
    market.snapshot()
    for number in range(100):
        market.price(95_000.0 + number)
        market.clock.advance(0.01)
    assert len(market.got(client)) == 10


def test_what_is_known_already_is_not_sent(market: Market) -> None:
    """Neither the snapshot's own price nor the last tick again."""
    client = market.client()
    market.snapshot()
    market.price(market.newest["BTCUSDT"].current_price)
    market.clock.advance(1.0)
    assert market.got(client) == []
    for _ in range(3):
        market.price(95_000.0)
        market.clock.advance(1.0)
    assert market.prices(client) == [95_000]


def test_all_symbols_of_a_group_go_in_one_write(market: Market) -> None:
    """However many of them changed."""
    client = market.client(*SYMBOLS)
    market.snapshot(*SYMBOLS)
    market.clock.advance(1.0)
    writes = client.transport.writes
    for symbol in SYMBOLS:
        market.price(95_000.0, symbol=symbol)
    market.clock.advance(1.0)
    assert {tick["symbol"] for tick in market.got(client)} == set(SYMBOLS)
    assert client.transport.writes == writes + 1


def test_each_is_encoded_once_for_all_clients_of_an_interval(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several groups too."""
    made: list[Any] = []

    def make(*arguments: Any, **named: Any) -> bytes:
        made.append(arguments)
        return tick_message(*arguments, **named)

    monkeypatch.setattr(ticks_module, "tick_message", make)
    clients = [market.client(), market.client(), market.client(*SYMBOLS)]
    market.snapshot(*SYMBOLS)
    market.price(95_000.0)
    market.clock.advance(1.0)
    assert [market.prices(client) for client in clients] == [[95_000]] * 3
    assert len(made) == 1


@pytest.mark.parametrize(("proto", "ticks"), [(1, True), (2, None), (2, False)])
def test_who_did_not_ask_gets_none(market: Market, proto: int, ticks: bool | None) -> None:
    """Protocol 1 cannot ask."""
    client = market.client(proto=proto, ticks=ticks)
    market.snapshot()
    market.price(95_000.0)
    market.clock.advance(1.0)
    assert market.got(client) == []


def test_ticks_end_when_a_subscription_says_so(market: Market) -> None:
    """Without a word on them it stays as it was."""
    client = market.client()
    market.snapshot()
    for ticks, expected in ((None, [95_001]), (False, [])):
        done(market.manager.connect(client.ws, ["BTCUSDT"], interval_s=1, proto=2, ticks=ticks))
        market.price(95_001.0)
        market.clock.advance(1.0)
        assert market.prices(client) == expected


def test_each_interval_has_its_own_snapshot_and_extremes(market: Market) -> None:
    """A slow client's mask reaches back to what it holds."""
    fast, slow = market.client(), market.client(interval_s=5)
    market.snapshot()
    market.price(94_500.0, low=94_000.0)
    market.clock.advance(1.0)
    market.snapshot()
    market.clock.advance(1.0)
    for client in (fast, slow):
        market.got(client)
    market.price(94_600.0, low=94_400.0)
    market.clock.advance(1.0)
    said = [[(tick["seq"], tick["low"]) for tick in market.got(client)] for client in (fast, slow)]
    assert said == [[(2, 94_400)], [(1, 94_000)]]


def test_a_client_with_a_newer_snapshot_waits_for_its_interval(market: Market) -> None:
    """Its seq would be above that of each tick."""
    early = market.client(interval_s=5)
    market.snapshot()
    market.clock.advance(1.0)
    market.snapshot()
    late = market.client(interval_s=5)
    assert [state["seq"] for state in market.got(late, "snapshot")] == [2]
    market.price(95_000.0)
    market.clock.advance(1.0)
    assert (len(market.got(early)), len(market.got(late))) == (1, 0)
    market.clock.advance(5.0)
    market.price(95_001.0)
    market.clock.advance(1.0)
    assert [[tick["seq"] for tick in market.got(client)][-1:] for client in (early, late)] == [[2], [2]]


def test_a_blocked_client_gets_none_and_holds_no_more(market: Market) -> None:
    """They would pile up before its newest state; afterwards it gets them again."""
    client = market.client()
    market.snapshot()
    market.clock.advance(1.0)
    client.transport.stalled = True
    market.price(95_000.0)
    market.clock.advance(1.0)
    waiting = len(client.transport.buffer)
    for number in range(50):
        market.price(95_001.0 + number)
        market.clock.advance(0.3)
    assert len(client.transport.buffer) == waiting
    client.transport.read_all()
    market.got(client)
    market.price(96_000.0)
    market.clock.advance(1.0)
    assert market.prices(client) == [96_000]


def test_a_snapshot_older_than_the_price_is_followed_by_a_tick(market: Market) -> None:
    """It was made before a record that a tick has told of already: without another it would stand."""
    client = market.client()
    market.snapshot()
    market.clock.advance(2.0)
    made = market.newest["BTCUSDT"] = next_snapshot(market.newest["BTCUSDT"])
    market.tracks["BTCUSDT"].note_price(0, 94_000.0, {"a": 94_000.0})
    market.manager.ticks.note(["BTCUSDT"])
    market.clock.advance(0.1)
    assert market.prices(client) == [94_000]
    market.tracks["BTCUSDT"].note_passed(made.position, {"a": Passed(94_000.0, 94_000.0)})
    done(market.manager.broadcast(made))
    market.clock.advance(0.5)
    assert [(tick["seq"], tick["low"]) for tick in market.got(client)] == [(2, 94_000)]


def test_ticks_of_all_symbols_are_heartbeats_of_the_group(market: Market) -> None:
    """Of some of them they are not: the others would look dead."""
    whole, part = market.client(), market.client(*SYMBOLS)
    market.snapshot(*SYMBOLS)
    for number in range(60):
        market.price(95_000.0 + number)
        market.clock.advance(0.2)
    assert market.got(whole, "heartbeat") == []
    assert len(market.got(part, "heartbeat")) == 2


def test_they_are_in_no_account_of_snapshots(market: Market) -> None:
    """But in one of their own."""
    client = market.client()
    market.snapshot()
    before = market.manager.get_stats()
    for number in range(5):
        market.price(95_000.0 + number)
        market.clock.advance(0.2)
    after = market.manager.get_stats()
    assert (after.messages_sent_total, after.bytes_sent_total) == (
        before.messages_sent_total,
        before.bytes_sent_total,
    )
    assert len(market.got(client)) == 5
    assert market.metrics.ws_ticks_sent.labels("BTCUSDT")._value.get() == 5


def test_records_of_prices_alone_are_changes(market: Market) -> None:
    """A liquidation is none; nor is anything of a symbol that nobody follows."""
    client = market.client()
    market.snapshot()
    market.clock.advance(1.0)
    market.tracks["BTCUSDT"].note_price(0, 95_000.0, {"a": 95_000.0})
    market.manager.ticks.take([Liquidation("a", "BTCUSDT", 1, "long", 95_000.0, 1.0)])
    market.manager.ticks.take([MarkPrice("a", "ETHUSDT", 1, 95_000.0)])
    market.clock.advance(1.0)
    assert market.got(client) == []
    market.manager.ticks.take([Candle("a", "BTCUSDT", 60_000, 0, 95e3, 95e3, 95e3, 95e3, closed=False)])
    market.clock.advance(1.0)
    assert len(market.got(client)) == 1


def test_one_that_fails_stops_no_other(market: Market) -> None:
    """Another interval's, and the next, are sent."""
    market.clock.is_strict = False
    first, other = market.client(), market.client(interval_s=2)
    market.snapshot()
    market.clock.advance(1.0)
    asked = market.manager.ticks.price_since
    failures = [ValueError("broken")]

    def price_since(symbol: str, position: Any) -> Any:
        if failures:
            raise failures.pop()
        return asked(symbol, position)

    market.manager.ticks.price_since = price_since
    market.price(95_000.0)
    market.clock.advance(0.5)
    assert [name for name, _ in market.clock.reported] == ["ticks"]
    assert (len(market.got(first)), len(market.got(other))) == (0, 1)
    market.price(95_001.0)
    market.clock.advance(0.5)
    assert len(market.got(first)) == 1


def test_closed_it_sends_none(market: Market) -> None:
    """Its timer is gone."""
    client = market.client()
    market.snapshot()
    market.clock.advance(1.0)
    market.price(95_000.0)
    market.manager.ticks.close()
    market.clock.advance(1.0)
    assert market.got(client) == []
