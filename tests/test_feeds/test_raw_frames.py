"""What is recorded can be played again, even when the recorder was killed in the middle of a line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
import zstandard

from liqstream.feeds.exchange_access import Endpoints, Observers
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.exchanges.hyperliquid import Hyperliquid
from liqstream.feeds.feed import FeedError
from liqstream.feeds.raw_frame_replay import FrameReader, FrameReplayFeed, is_recording, recorded_symbols
from liqstream.feeds.raw_frames import Frame, FrameError, FrameWriter, read_frames
from liqstream.market import MINUTE_MS, Candle, MarketEvent, MarkPrice
from tests.support.exchange_rig import SYMBOLS, simulated_exchange


def written(folder: Path, texts: list[str], rotate_bytes: int = 1 << 20) -> list[Path]:
    clock = iter(range(1_790_000_000, 1_800_000_000))
    writer = FrameWriter(folder, "binance", now_s=lambda: float(next(clock)), rotate_bytes=rotate_bytes)
    for text in texts:
        writer.frame("recv", "binance.ws0", text)
        writer.write(writer.take())
    writer.close()
    return sorted(folder.iterdir())


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    """Text for text, with the time of receipt, after a header that names the exchange."""
    (path,) = written(tmp_path, ['{"e":"x"}', "not json\n", ""])
    header, *frames = read_frames(path)
    assert (header.kind, header.text) == ("header", "binance")
    assert [frame.text for frame in frames] == ['{"e":"x"}', "not json\n", ""]
    assert frames[0].received_s < frames[1].received_s


def test_files_are_rotated(tmp_path: Path) -> None:
    """A full file is ended and a new one, with its own header, begun."""
    paths = written(tmp_path, ["x" * 100] * 5, rotate_bytes=250)
    assert len(paths) == 3
    assert sum(frame.kind == "recv" for path in paths for frame in read_frames(path)) == 5


def test_a_file_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    """Killed while writing, the recorder leaves half a line; the rest is good."""
    path = tmp_path / "cut.jsonl"
    whole = orjson.dumps({"t": "recv", "conn": "a", "ts": 1.0, "data": "one"})
    path.write_bytes(b'{"t":"header","exchange":"binance"}\n' + whole + b"\n" + whole[:20])
    assert [frame.kind for frame in read_frames(path)] == ["header", "recv"]


@pytest.mark.parametrize("content", [b"\x00\x01", b"time,open\n1,2\n", b"{}\n"])
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes) -> None:
    """Whatever file is given, an error of one line."""
    for name, raw in (("a.jsonl", content), ("a.jsonl.zst", content), ("b.jsonl.zst", pack(content))):
        path = tmp_path / name
        path.write_bytes(raw)
        with pytest.raises(FrameError):
            list(read_frames(path))


def pack(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(raw)


def test_recordings_are_known_by_their_names() -> None:
    """Bars are CSV; frames are not."""
    assert is_recording(Path("x/BYBIT.jsonl.zst"))
    assert is_recording(Path("binance_usdm_btcusdt_20240808.gz"))
    assert not is_recording(Path("bars.csv"))
    assert not is_recording(Path("bars.csv.gz"))


@pytest.mark.simulated
async def test_a_recording_delivers_what_was_received_live(tmp_path: Path) -> None:
    """Recorded from a real socket and played: the same events in the same order."""
    writer = FrameWriter(tmp_path, "binance")
    async with simulated_exchange(speed=60.0) as (_, port):
        feed = ExchangeFeed(
            Binance(),
            SYMBOLS,
            interval_ms=MINUTE_MS,
            history_days=1,
            endpoints=Endpoints(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"),
            observers=Observers(sink=writer),
        )
        live: list[MarketEvent] = []
        events = feed.events()
        async with asyncio.timeout(20):
            async for batch in events:
                live += batch
                if sum(isinstance(event, MarkPrice) for event in live) >= 60:
                    break
        await events.aclose()
    await asyncio.to_thread(writer.close)
    (path,) = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    symbols = await asyncio.to_thread(recorded_symbols, path, interval_ms=MINUTE_MS)
    assert sorted(symbols) == sorted(SYMBOLS)
    replay = await asyncio.to_thread(
        lambda: FrameReplayFeed(path, SYMBOLS, interval_ms=MINUTE_MS, speed=1000.0)
    )
    played = [event async for batch in replay.events() for event in batch]
    assert replay.status.ended
    marks = [event for event in live if isinstance(event, MarkPrice)]
    assert [event for event in played if isinstance(event, MarkPrice)][: len(marks)] == marks
    forming = [event for event in live if isinstance(event, Candle) and not event.closed]
    assert [event for event in played if isinstance(event, Candle) and not event.closed][
        : len(forming)
    ] == forming


def test_a_message_without_a_time_is_of_when_it_was_received() -> None:
    """Not of when it is played, which may be months later."""
    text = '{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"openInterest":"2","markPx":"3"}}}'
    reader = FrameReader(Hyperliquid(), MINUTE_MS)
    for at_s in (1_795_000_000.25, 1_795_000_003.5):
        found = reader.new_records(Frame("recv", "ws", at_s, text), ("BTCUSDT",))
        assert MarkPrice("hyperliquid", "BTCUSDT", round(at_s * 1000), 3.0) in found


async def test_a_damaged_recording_ends_the_feed_with_a_line(tmp_path: Path) -> None:
    """What was read before the damage has been played."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"t":"header","exchange":"bybit"}\n{"no":"frame"}\n')
    replay = await asyncio.to_thread(lambda: FrameReplayFeed(path, ("BTCUSDT",), interval_ms=MINUTE_MS))
    with pytest.raises(FeedError, match="line 2 is no frame"):
        [batch async for batch in replay.events()]
