"""Every exchange reads the messages that were recorded of it; whole recordings go through without loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.feeds.parsing import Trade
from liqstream.feeds.raw_frame_replay import FrameReader, recorded_symbols, recorded_venue
from liqstream.feeds.raw_frames import read_frames
from liqstream.feeds.registry import VENUES
from liqstream.market import Candle

pytestmark = pytest.mark.shared_data


def messages_of(name: str, shared_data: Path) -> list[Path]:
    """Recorded ones, and beside this file those of documents that may be passed on."""
    folders = (shared_data / "exchange_messages" / name, Path(__file__).parent / "messages" / name)
    return sorted(path for folder in folders for path in folder.glob("*.json"))


@pytest.mark.parametrize("name", VENUES)
def test_every_exchange_has_recorded_messages_that_it_reads(shared_data: Path, name: str) -> None:
    """An exchange without a recorded message that becomes a record has not been shown to work."""
    venue, found = VENUES[name](), 0
    for path in messages_of(name, shared_data):
        text = path.read_bytes()
        try:
            parsed = venue.read(text)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            continue  # a REST response, or an example that is broken in the documentation itself
        found += parsed.kind == "data"
    assert found, f"no recorded message of {name} carries data"


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("BYBIT.jsonl.zst", {"data": 931, "control": 17, "ignored": 1598}),
        ("BINANCE_FUTURES.jsonl.zst", {"data": 158, "ignored": 1377}),
        ("OKX.jsonl.zst", {"ignored": 392, "control": 18}),
        ("binance_usdm_btcusdt_20240808.gz", {"data": 21_313, "ignored": 72_641}),
    ],
)
def test_every_recorded_frame_is_read(shared_data: Path, name: str, counts: dict[str, int]) -> None:
    """Each frame is data, an acknowledgement, or known and not needed; none is bad or unknown."""
    path = shared_data / "raw_frames" / name
    reader = FrameReader(recorded_venue(path), 60_000)
    for frame in read_frames(path):
        reader.read(frame)
    assert dict(reader.kinds) == counts


def test_recorded_trades_build_bars(shared_data: Path) -> None:
    """A capture without klines still gives bars, and they hold exactly the trades of their minute."""
    path = shared_data / "raw_frames" / "binance_usdm_btcusdt_20240808.gz"
    assert recorded_symbols(path, interval_ms=60_000, frames=5000) == ["BTCUSDT"]
    reader = FrameReader(recorded_venue(path), 60_000)
    trades: list[Trade] = []
    bars: list[Candle] = []
    for frame in read_frames(path):
        parsed = reader.read(frame)
        if parsed is None:
            continue
        trades += parsed.trades
        bars += [
            event
            for event in reader.deduplicator.new_records(parsed, ("BTCUSDT",))
            if isinstance(event, Candle) and event.closed
        ]
    assert len(bars) == 5
    for bar in bars:
        inside = [trade for trade in trades if 0 <= trade.time_ms - bar.open_time_ms < 60_000]
        prices = [trade.price_usd for trade in inside]
        assert (bar.open, bar.high, bar.low, bar.close) == (
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
        )
        assert bar.volume_base == pytest.approx(sum(trade.quantity_base for trade in inside))
