"""liqstream/ingest/bracket_loop.py: brackets read daily, the last good ones kept over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from liqstream.feeds.feed import Feed, FeedBase
from liqstream.feeds.refusals import Refusal, RefusalKind
from liqstream.feeds.rest_client import RestUnavailableError
from liqstream.ingest.bracket_loop import (
    AGAIN_AFTER_S,
    EVERY_S,
    FIRST_AFTER_S,
    LOOK_EVERY_S,
    BracketLoop,
    brackets_path,
    read_kept_brackets,
)
from liqstream.market import MarketEvent, MarketKey
from liqstream.store.market_store import MarketStore
from tests.support.fleet import make_maps

GOOD = {"BTCUSDT": [[0.0, 2e6, 0.005, 100.0, 0.0], [2e6, 4e6, 0.01, 50.0, 10_000.0]]}
BTC = MarketKey("binance", "BTCUSDT")


class Exchange(FeedBase):
    """A feed that gives the next of its answers."""

    def __init__(self, *answers: Any) -> None:
        super().__init__("binance", ("BTCUSDT",), "live")
        self.answers = list(answers)
        self.noted: list[str] = []

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        for _ in newest_ms:
            yield ()

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        for _ in self.symbols:
            yield ()

    async def brackets(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def note_brackets(self, text: str) -> None:
        self.noted.append(text)


class Waits:
    """A clock that notes how long it was asked to wait, and ends after so many."""

    def __init__(self, left: int = 100) -> None:
        self.left, self.waited_s = left, []  # type: ignore[var-annotated]

    def now_ms(self) -> int:
        return 1_795_000_000_000

    def time_s(self) -> float:
        return float(sum(self.waited_s))

    async def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)
        self.left -= 1
        if not self.left:
            raise asyncio.CancelledError


@dataclass
class Rig:
    loop: BracketLoop
    path: Path
    waits: Waits
    renewed: list[set[MarketKey]] = field(default_factory=list)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Maps of one market on an exchange without brackets yet."""
    store = await MarketStore.open(tmp_path / "m.duckdb")
    maps = await make_maps(store)
    path, waits = brackets_path(tmp_path / "m.duckdb"), Waits()
    renewed: list[set[MarketKey]] = []

    async def renew(keys: set[MarketKey]) -> None:
        renewed.append(keys)

    loop = BracketLoop((), maps, path, renew=renew, clock=waits)  # type: ignore[arg-type]
    yield Rig(loop, path, waits, renewed)
    maps.close()
    await store.close()


def unavailable() -> RestUnavailableError:
    return RestUnavailableError(Refusal(RefusalKind.PASSING, "busy"))


async def test_new_brackets_are_used_and_kept(rig: Rig) -> None:
    """The maps they change are made anew, once; a restart has them before anything is asked."""
    maps = rig.loop._maps
    assert maps.model.kernel_of("BTCUSDT", "binance").max_leverage != 100
    assert await rig.loop.read(Exchange(GOOD))
    assert maps.model.kernel_of("BTCUSDT", "binance").max_leverage == 100
    assert await rig.loop.read(Exchange(GOOD))
    assert rig.renewed == [{BTC}, set()]
    kept = await asyncio.to_thread(read_kept_brackets, rig.path)
    assert kept["binance"].symbols == maps.brackets_of("binance").symbols  # type: ignore[union-attr]
    assert kept["binance"].as_of == "2026-11-18"


@pytest.mark.parametrize(
    "answer",
    [
        unavailable(),
        KeyError("list"),
        {},
        {"BTCUSDT": [[0.0, -1.0, 0.005, 100.0, 0.0]]},
        {"BTCUSDT": [[5.0, 6.0, 0.005, 100.0, 0.0]]},
        {"BTCUSDT": [[0.0, 1e6, float("nan"), 100.0, 0.0]]},
        {"ETHUSDT": [[0.0, 1e6, 0.01, 50.0, 0.0]]},
    ],
)
async def test_what_is_not_read_leaves_the_last_good_ones(rig: Rig, answer: Any) -> None:
    """In the maps and in the file; other exchanges' stay as they are too."""
    await rig.loop.read(Exchange(GOOD))
    good = rig.loop._maps.brackets_of("binance")
    assert good is not None
    await rig.loop.read(Exchange(answer))
    now = rig.loop._maps.brackets_of("binance")
    assert now is not None
    assert now.symbols["BTCUSDT"] == good.symbols["BTCUSDT"]
    kept = await asyncio.to_thread(read_kept_brackets, rig.path)
    assert kept["binance"].symbols["BTCUSDT"] == good.symbols["BTCUSDT"]


async def test_the_feed_shows_what_could_not_be_read(rig: Rig) -> None:
    """Why, and which are used meanwhile; nothing once they are read again."""
    bad = {"BTCUSDT": GOOD["BTCUSDT"], "ETHUSDT": [[0.0, 1e18, 0.01, 50.0, 0.0]]}
    exchange = Exchange(unavailable(), GOOD, {}, bad, GOOD)
    read = [await rig.loop.read(exchange) for _ in range(5)]
    assert read == [False, True, False, True, True]
    assert exchange.noted == [
        "margin brackets not read (busy): the bundled ones are used",
        "",
        "margin brackets not read (none that can be used): those of 2026-11-18 are used",
        "margin brackets not read (of ETHUSDT: none that can be used): those of 2026-11-18 are used",
        "",
    ]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"okx": {}}', '{"okx": {"as_of": "x", "symbols": [1]}}', "[" * 10**5]
)
def test_a_file_that_is_not_ours_counts_as_none(tmp_path: Path, content: str) -> None:
    """The server starts without it."""
    path = tmp_path / "m.brackets.json"
    assert read_kept_brackets(path) == {}
    path.write_text(content)
    assert read_kept_brackets(path) == {}


@pytest.mark.parametrize("damage", ["", "{", "[]", None])
async def test_a_file_that_is_damaged_meanwhile_is_made_whole(rig: Rig, damage: str | None) -> None:
    """The next table that comes brings the other exchanges' back, which were lost until they came anew."""
    other = Exchange(GOOD)
    other._exchange = "bybit"
    assert await rig.loop.read(other)
    if damage is None:
        await asyncio.to_thread(rig.path.unlink)
    else:
        await asyncio.to_thread(rig.path.write_text, damage)
    assert await rig.loop.read(Exchange(GOOD))
    assert (await asyncio.to_thread(read_kept_brackets, rig.path)).keys() == {"binance", "bybit"}


@pytest.mark.parametrize("bad", ["null", "7", "{}", '{"as_of": "x", "symbols": {"BTCUSDT": [[1]]}}', "[]"])
def test_a_table_that_is_none_costs_no_other_one(tmp_path: Path, bad: str) -> None:
    """Nor do rows of one symbol those of another."""
    rows = "[[0, 1000, 0.01, 50, 0]]"
    path = tmp_path / "m.brackets.json"
    path.write_text(
        f'{{"okx": {bad}, "bybit": {{"as_of": "x", "symbols": {{"XUSDT": 5, "BTCUSDT": {rows}}}}}}}'
    )
    found = read_kept_brackets(path)
    assert set(found["bybit"].symbols) == {"BTCUSDT"}
    assert not any(table.symbols for name, table in found.items() if name == "okx")


async def test_they_are_read_once_a_day_or_soon_again(rig: Rig) -> None:
    """After history; in an hour where one did not answer; one without a public table is never late."""
    late, listing = Exchange(unavailable(), GOOD, GOOD), Exchange(None, None, None)
    listing._exchange = "bybit"
    rig.loop._feeds = (late, listing)
    asked_s: list[tuple[str, float]] = []
    read = rig.loop.read

    async def noted(feed: Feed) -> bool:
        asked_s.append((feed.exchange, rig.waits.time_s() - FIRST_AFTER_S))
        if len(asked_s) == 4:
            listing._symbols = ("BTCUSDT", "NEWUSDT")
        return await read(feed)

    rig.loop.read = noted  # type: ignore[method-assign]
    rig.waits.left = 2 + int((AGAIN_AFTER_S + EVERY_S) / LOOK_EVERY_S)
    with pytest.raises(asyncio.CancelledError):
        await rig.loop.run()
    assert asked_s == [
        ("binance", 0.0),
        ("bybit", 0.0),
        ("binance", AGAIN_AFTER_S),
        ("bybit", EVERY_S),
        ("bybit", EVERY_S + LOOK_EVERY_S),
        ("binance", AGAIN_AFTER_S + EVERY_S),
    ]
