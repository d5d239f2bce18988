"""A recording of raw frames played through the Venue that would have read them live."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from liqstream.feeds.coin_venue import by_coin
from liqstream.feeds.dedupe import Deduplicator
from liqstream.feeds.feed import FeedBase, FeedError
from liqstream.feeds.parsing import Parsed
from liqstream.feeds.raw_frames import Frame, FrameError, read_frames
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue import Venue
from liqstream.market import ComingFunding, Liquidation, MarketEvent, MarketKey, MarkPrice

log = structlog.get_logger(__name__)

ROUND_S = 0.1
"""Records received within this time are delivered together."""
_READ_AHEAD = 2000
"""Frames read from disk at once, in a worker thread."""
_OTHER_MARKETS = ("/public/spot", "/public/inverse", "/public/option", "//dstream.", "//stream.binance.com")
"""Sockets of other markets of the same exchange; a recording may hold several."""


def is_recording(path: Path) -> bool:
    """True for the name of a file of raw frames (not of bars)."""
    return path.name.endswith((".jsonl", ".jsonl.zst")) or (path.suffix == ".gz" and ".csv" not in path.name)


class FrameReplayFeed(FeedBase):
    """A Feed of what `path` recorded, `speed` recorded seconds per second.

    Bars of `interval_ms` are taken as recorded or built from recorded trades. Unreadable messages are
    counted, as they would be live. Raises FrameError for a file that is no recording of a known exchange.
    """

    def __init__(
        self, path: Path, symbols: Sequence[str], *, interval_ms: int, speed: float = 1.0, exchange: str = ""
    ) -> None:
        venue = recorded_venue(path, exchange)
        # Nothing that is stored belongs to a recording's past, so its history ends at 0.
        super().__init__(venue.exchange, symbols, "replay", 0)
        self._path = path
        self._speed = speed
        self._reader = FrameReader(venue, interval_ms)
        # Time of the newest record that is no bar, UTC ms; 0 before the first.
        self._newest_ms = 0

    def liquidations_until_ms(self) -> Mapping[str, int]:
        """Up to the newest record played, while the recording is played."""
        if not (self._reader.venue.publishes_liquidations and self._status.connected and self._newest_ms):
            return {}
        return dict.fromkeys(self._symbols, self._newest_ms)

    def coming_funding(self, symbol: str) -> ComingFunding | None:
        """As it was announced last of what is played."""
        return self._reader.venue.coming_funding(symbol)

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        """A recording has no past of its own."""
        for _ in ():
            yield ()

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        """What was received, at the recorded times; ends with it. Raises FeedError if it is damaged."""
        loop = asyncio.get_running_loop()
        started_s, first_s = loop.time(), None
        self._status.connected = True
        pending: list[MarketEvent] = []
        due_s = 0.0
        async for frame in self._frames():
            first_s = frame.received_s if first_s is None and frame.kind == "recv" else first_s
            at_s = (frame.received_s - (first_s or frame.received_s)) / self._speed
            if at_s >= due_s:
                if pending:
                    self._status.last_message_s = loop.time()
                    yield pending
                    pending = []
                due_s = at_s + ROUND_S
                await asyncio.sleep(max(0.0, started_s + at_s - loop.time()))
            records = self._reader.new_records(frame, self._symbols)
            times = (record.time_ms for record in records if isinstance(record, MarkPrice | Liquidation))
            self._newest_ms = max(self._newest_ms, *times, 0)
            pending += records
            self._status.bad_messages = self._reader.kinds["bad"]
            self._status.unknown_messages = self._reader.kinds["unknown"]
            self._status.duplicates = self._reader.deduplicator.duplicates
        if pending:
            self._status.last_message_s = loop.time()
            yield pending
        self._status.connected = False
        self._status.ended = True
        log.info("recording ended", exchange=self.exchange, messages=dict(self._reader.kinds))

    async def _frames(self) -> AsyncGenerator[Frame]:
        frames = read_frames(self._path)
        while True:
            try:
                block = await asyncio.to_thread(_take, frames, _READ_AHEAD)
            except FrameError as error:
                raise FeedError(f"{self._path}: {error}") from error
            for frame in block:
                yield frame
            if len(block) < _READ_AHEAD:
                return


class FrameReader:
    """Runs recorded frames through a Venue; `kinds` counts what they were."""

    def __init__(self, venue: Venue, interval_ms: int) -> None:
        self.venue = venue
        self.deduplicator = Deduplicator(interval_ms)
        self.kinds: Counter[str] = Counter()
        self._skipped: set[str] = set()
        self._received_ms = 0  # the frame that is being read, UTC
        venue.now_ms = lambda: self._received_ms

    def new_records(self, frame: Frame, symbols: Sequence[str]) -> list[MarketEvent]:
        """The records a frame holds for `symbols` that are new."""
        parsed = self.read(frame)
        return self.deduplicator.new_records(parsed, symbols) if parsed is not None else []

    def read(self, frame: Frame) -> Parsed | None:
        """The records of a frame; None for one that is no message or could not be read."""
        self._received_ms = round(frame.received_s * 1000)
        if frame.kind == "connect" and any(other in frame.url for other in _OTHER_MARKETS):
            self._skipped.add(frame.connection)
        if frame.kind == "http":
            self.venue.learn(frame.url, frame.text)
        if frame.kind != "recv" or frame.connection in self._skipped:
            return None
        try:
            parsed = self.venue.read(frame.text)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            self.kinds["bad"] += 1
            return None
        self.kinds[parsed.kind] += 1
        return parsed


def recorded_venue(path: Path, exchange: str = "") -> Venue:
    """The venue a recording is of, by its header, by `exchange`, or Binance for a file without a header.

    Raises FrameError if that is none we know.
    """
    header = next(read_frames(path), None)
    recorded = exchange or (header.text if header is not None else "") or "binance"
    name = recorded.lower().partition("_")[0]
    if name not in VENUES:
        raise FrameError(f"{path} is a recording of {recorded!r}; known are {', '.join(VENUES)}")
    return by_coin(VENUES[name])()


def recorded_symbols(path: Path, *, interval_ms: int, exchange: str = "", frames: int = 20_000) -> list[str]:
    """The symbols in the first `frames` frames of a recording, most frequent first; blocks."""
    reader = FrameReader(recorded_venue(path, exchange), interval_ms)
    seen: Counter[str] = Counter()
    for frame in _take(read_frames(path), frames):
        parsed = reader.read(frame)
        if parsed is not None:
            seen.update(event.symbol for event in parsed.events)
            seen.update(trade.symbol for trade in parsed.trades)
    return [symbol for symbol, _ in seen.most_common()]


def _take(frames: Iterator[Frame], count: int) -> list[Frame]:
    block = []
    for frame in frames:
        block.append(frame)
        if len(block) == count:
            break
    return block
