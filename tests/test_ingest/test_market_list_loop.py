"""liqstream/ingest/market_list_loop.py: chosen once a day, followed by what the exchanges list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from liqstream.feeds.feed import FeedBase
from liqstream.feeds.instruments import GONE
from liqstream.feeds.size_readers import MarketSize
from liqstream.feeds.venue import Instrument
from liqstream.heatmap.followed_list import DELISTED, FollowedList, FollowedMarket
from liqstream.ingest.market_list_loop import (
    LONGEST_RANK_AGAIN_S,
    RANK_AGAIN_S,
    RANK_EVERY_MS,
    WAIT_FOR_LISTS_S,
    MarketListLoop,
    keep_list,
    list_path,
    read_kept_list,
)
from liqstream.market import MarketEvent, MarketKey
from liqstream.market.ranking import MarketChoice
from tests.support.step_clock import START_MS, StepClock

NAMES = ("AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT", "FUSDT")
TOP_4 = MarketChoice(4)
BEFORE = FollowedList("", 0, {"OLDUSDT": FollowedMarket(("one",))})
"""What a server begins with."""


class Exchange(FeedBase):
    """A feed that lists and sizes what it is told to; the list is read anew with each `lists`."""

    def __init__(self, name: str, symbols: Iterable[str] | None = NAMES) -> None:
        super().__init__(name, (), "live")
        self.usd = {symbol: float(100 - place) for place, symbol in enumerate(NAMES)}
        self.failure: Exception | None = None
        self._listed: dict[str, Instrument] | None = None
        if symbols is not None:
            self.lists(symbols)

    def lists(self, symbols: Iterable[str], **states: Instrument) -> None:
        self._listed = {symbol: Instrument(symbol, True, "live") for symbol in symbols} | states

    def listed(self) -> Mapping[str, Instrument] | None:
        return self._listed

    async def sizes(self) -> Mapping[str, MarketSize]:
        if self.failure is not None:
            raise self.failure
        return {symbol: MarketSize(open_interest_usd=usd) for symbol, usd in self.usd.items()}

    async def backfill(self, newest_ms: dict[MarketKey, int | None]) -> AsyncGenerator[Sequence[MarketEvent]]:
        for _ in newest_ms:
            yield ()

    async def events(self) -> AsyncGenerator[Sequence[MarketEvent]]:
        for _ in self.symbols:
            yield ()


@dataclass
class Rig:
    """A loop over some exchanges, and the lists it made."""

    exchanges: Sequence[Exchange]
    choice: MarketChoice = TOP_4
    newest: FollowedList = BEFORE
    leads: bool = True
    lists: list[FollowedList] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = StepClock()

        async def take(found: FollowedList) -> None:
            self.lists.append(found)

        self.loop = MarketListLoop(
            self.exchanges, self.choice, self.newest, on_list=take, leads=lambda: self.leads, clock=self.clock
        )

    async def symbols(self, after_s: float = 0.0) -> list[str]:
        self.clock.advance(after_s)
        await self.loop.step()
        return list(self.loop.newest.markets)


async def test_the_first_choice_takes_the_largest_of_all_exchanges() -> None:
    """With the places of each; what was followed before and no exchange lists has ended."""
    rig = Rig([Exchange("one"), Exchange("two", NAMES[1:])])
    rig.exchanges[1].usd = {"FUSDT": 1000.0}
    assert await rig.symbols() == ["FUSDT", "AUSDT", "BUSDT", "CUSDT"]
    (found,) = rig.lists
    assert found.markets["FUSDT"].exchanges == ("one", "two")
    assert found.markets["AUSDT"].exchanges == ("one",)
    assert (found.choice, found.ranked_ms, dict(found.ended)) == ("top:4", START_MS, {"OLDUSDT": DELISTED})
    assert await rig.symbols(60) == list(found.markets)
    assert len(rig.lists) == 1


async def test_a_day_later_it_is_chosen_anew() -> None:
    """Not sooner; the edge is slow (see test_ranking)."""
    rig = Rig([Exchange("one")])
    assert await rig.symbols() == list(NAMES[:4])
    rig.exchanges[0].usd |= {"FUSDT": 1000.0, "DUSDT": 0.0}
    assert await rig.symbols(RANK_EVERY_MS / 1000 - 1) == list(NAMES[:4])
    assert await rig.symbols(1) == ["FUSDT", "AUSDT", "BUSDT", "CUSDT"]
    assert dict(rig.lists[-1].ended) == {"DUSDT": "it is no longer among the largest"}


async def test_a_ranking_of_the_future_is_none() -> None:
    """It was made by a clock that was wrong, and would stand for ever."""
    rig = Rig([Exchange("one")])
    await rig.symbols()
    rig.loop.newest = replace(rig.loop.newest, ranked_ms=START_MS + 10**11)
    rig.exchanges[0].usd |= {"FUSDT": 1000.0}
    assert (await rig.symbols(60))[0] == "FUSDT"
    assert rig.loop.newest.ranked_ms == START_MS + 60_000


async def test_listings_and_delistings_are_followed_at_once() -> None:
    """Of `all` both, of the largest the end, and what takes its place; one that does not trade now is waited
    for, and one that a list lacks until the next one lacks it too."""
    everything, largest = (
        Rig([Exchange("one", NAMES[:4])], choice) for choice in (MarketChoice(), MarketChoice(4))
    )
    for rig in (everything, largest):
        assert await rig.symbols() == list(NAMES[:4])
        states = {
            "AUSDT": Instrument("AUSDT", False, "suspend"),
            "BUSDT": Instrument("BUSDT", False, GONE),
            "FUSDT": Instrument("FUSDT", False, "new"),
        }
        rig.exchanges[0].lists(NAMES[2:5], **states)
        for _ in range(3):  # the same reading, however often it is looked at
            assert set(NAMES[:4]) <= set(await rig.symbols(1))
        rig.exchanges[0].lists(NAMES[2:5], **states)
        await rig.symbols(1)
        assert dict(rig.lists[-1].ended) == {"BUSDT": DELISTED}
        assert "BUSDT" not in rig.loop.newest.markets
    assert list(everything.loop.newest.markets) == ["AUSDT", "CUSDT", "DUSDT", "EUSDT"]
    assert list(largest.loop.newest.markets) == ["AUSDT", "CUSDT", "DUSDT"]
    assert await largest.symbols(RANK_AGAIN_S) == ["AUSDT", "CUSDT", "DUSDT", "EUSDT"]


async def test_a_list_that_came_in_part_ends_nothing() -> None:
    """Also the first one after a restart; the next one that is whole is as if nothing had been."""
    rig = Rig([Exchange("one")])
    assert await rig.symbols() == list(NAMES[:4])
    gone = {symbol: Instrument(symbol, False, GONE) for symbol in NAMES[1:]}
    for _ in range(3):
        rig.exchanges[0].lists(NAMES[:1], **gone)
        assert await rig.symbols(1) == list(NAMES[:4])
        rig.exchanges[0].lists(NAMES)
        assert await rig.symbols(1) == list(NAMES[:4])
    again = Rig([Exchange("one", NAMES[:1])], newest=rig.loop.newest)
    assert await again.symbols() == list(NAMES[:4])
    assert not any(found.ended for found in (*rig.lists[1:], *again.lists))


async def test_the_place_of_a_market_delisted_while_the_server_was_off_is_taken() -> None:
    """At the ranking that its end brings about; one that an exchange does not answer is made again."""
    before = Rig([Exchange("one")])
    await before.symbols()
    rig = Rig([Exchange("one", NAMES[1:])], newest=before.loop.newest)
    del rig.exchanges[0].usd["AUSDT"]
    rig.exchanges[0].failure = ValueError("no answer")
    assert await rig.symbols() == list(NAMES[:4])
    rig.exchanges[0].lists(NAMES[1:])
    assert await rig.symbols(1) == list(NAMES[1:4])
    assert await rig.symbols(1) == list(NAMES[1:4])
    rig.exchanges[0].failure = None
    assert await rig.symbols(RANK_AGAIN_S) == list(NAMES[1:5])


async def test_one_whose_announced_end_has_come_is_delisted() -> None:
    """Exchanges list it on for weeks, as settled."""
    rig = Rig([Exchange("one", NAMES[:2])], MarketChoice())
    await rig.symbols()
    ends_ms = START_MS + 10_000
    for settles in (
        Instrument("AUSDT", True, "live", delists_at_ms=ends_ms),
        Instrument("AUSDT", False, "x", 1, ends_ms),
    ):
        rig.exchanges[0].lists(NAMES[1:2], AUSDT=settles)
        await rig.symbols(6)
    assert list(rig.loop.newest.markets) == ["BUSDT"]


async def test_an_exchange_that_does_not_answer_takes_nothing_away() -> None:
    """Its markets stay where its list is not read; where its sizes are not, it is asked again soon."""
    rig = Rig([Exchange("one", NAMES[:2]), Exchange("two", None)], MarketChoice(2))
    rig.exchanges[1].failure = ValueError("no answer")
    assert await rig.symbols() == ["OLDUSDT"]
    rig.loop.newest = FollowedList("top:2", START_MS, {"CUSDT": FollowedMarket(("two",))})
    assert await rig.symbols(WAIT_FOR_LISTS_S) == ["CUSDT"]
    rig.exchanges[1].lists(NAMES[2:3])
    rig.loop.newest = FollowedList("", 0, {"CUSDT": FollowedMarket(("two",))})
    assert await rig.symbols() == ["AUSDT", "BUSDT"]
    rig.exchanges[1].failure, rig.exchanges[1].usd = None, {"CUSDT": 1000.0}
    assert await rig.symbols(RANK_AGAIN_S - 1) == ["AUSDT", "BUSDT"]
    assert await rig.symbols(1) == ["CUSDT", "AUSDT"]


async def test_an_exchange_that_does_not_answer_makes_no_market_small() -> None:
    """A later choice goes by what it stated before; after a restart its markets stay until it answers."""
    rig = Rig([Exchange("one"), Exchange("two", ["ZUSDT"])])
    rig.exchanges[1].usd = {"ZUSDT": 1000.0}
    largest = ["ZUSDT", *NAMES[:3]]
    assert await rig.symbols() == largest
    rig.exchanges[1].failure = ValueError("no answer")
    assert await rig.symbols(RANK_EVERY_MS / 1000) == largest
    again = Rig(rig.exchanges, newest=rig.loop.newest)
    for days in (3, 1, 1):  # longer than one is kept below the last rank
        assert sorted(await again.symbols(days * RANK_EVERY_MS / 1000)) == sorted(largest)
    rig.exchanges[1].failure, rig.exchanges[1].usd = None, {"ZUSDT": 1.0}
    assert "ZUSDT" not in await again.symbols(RANK_EVERY_MS / 1000)


async def test_a_first_choice_without_an_exchange_is_made_again_with_it() -> None:
    """Of all N: what the edge would keep out or in was never among the largest."""
    rig = Rig([Exchange("one"), Exchange("two", ["ZUSDT"])])
    rig.exchanges[1].usd, rig.exchanges[1].failure = {"ZUSDT": 97.5}, ValueError("no answer")
    assert await rig.symbols() == list(NAMES[:4])
    rig.exchanges[1].failure = None
    assert await rig.symbols(RANK_AGAIN_S) == ["AUSDT", "BUSDT", "CUSDT", "ZUSDT"]


async def test_what_a_first_start_guesses_is_not_kept_of_an_exchange_that_was_never_read() -> None:
    """One that is barred in the server's country would hold markets in the list that nobody lists."""
    guess = FollowedList("", 0, {"ZUSDT": FollowedMarket(("one", "two"))})
    rig = Rig([Exchange("one", NAMES[:2]), Exchange("two", None)], MarketChoice(), guess)
    assert await rig.symbols(WAIT_FOR_LISTS_S) == list(NAMES[:2])
    assert rig.lists[0].markets["AUSDT"].exchanges == ("one",)


async def test_an_exchange_that_goes_on_not_answering_is_asked_ever_more_seldom() -> None:
    """After 5 s, 10 s, 20 s and so on, five minutes at most; an answer begins anew."""
    rig, asked_s = Rig([Exchange("one")]), list[float]()
    answer = rig.exchanges[0].sizes

    async def sizes() -> Mapping[str, MarketSize]:
        asked_s.append(rig.clock.time_s())
        return await answer()

    rig.exchanges[0].__dict__["sizes"], rig.exchanges[0].failure = sizes, ValueError("no answer")
    for _ in range(1000):
        await rig.symbols(1)
    waits_s = [after - before for before, after in pairwise(asked_s)]
    assert waits_s == [RANK_AGAIN_S * 2**n for n in range(6)] + 2 * [LONGEST_RANK_AGAIN_S]
    rig.exchanges[0].failure = None
    await rig.symbols(LONGEST_RANK_AGAIN_S)
    rig.loop.newest, rig.exchanges[0].failure = BEFORE, ValueError("no answer")
    del asked_s[:]
    for _ in range(400):
        await rig.symbols(1)
    assert asked_s[1] - asked_s[0] == RANK_AGAIN_S


async def test_an_exchange_that_lists_nothing_ends_nothing() -> None:
    """A list of none is no list."""
    rig = Rig([Exchange("one", NAMES[:2])], MarketChoice())
    await rig.symbols()
    rig.exchanges[0].lists((), AUSDT=Instrument("AUSDT", False, GONE))
    assert await rig.symbols(1) == list(NAMES[:2])


async def test_who_follows_another_s_list_goes_on_with_it() -> None:
    """As leader it does not choose anew before a day has passed."""
    rig = Rig([Exchange("one")])
    theirs = FollowedList(
        "top:4", START_MS, {"EUSDT": FollowedMarket(("one",)), "AUSDT": FollowedMarket(("one",))}
    )
    await rig.loop.adopt(theirs)
    assert rig.lists == [theirs]
    assert await rig.symbols(1) == ["EUSDT", "AUSDT"]


async def test_what_could_not_be_followed_is_tried_again() -> None:
    """The store failed: the list is not taken for followed."""
    rig, failures = Rig([Exchange("one")]), [OSError("full")]

    async def take(found: FollowedList) -> None:
        if failures:
            raise failures.pop()
        rig.lists.append(found)

    rig.loop._on_list = take
    try:
        await rig.loop.step()
    except OSError:
        rig.clock.advance(RANK_AGAIN_S)
    assert list(rig.loop.newest.markets) == ["OLDUSDT"]
    assert await rig.symbols() == list(NAMES[:4])


async def test_the_list_outlives_a_restart(tmp_path: Path) -> None:
    """In a file beside the store; one that is damaged or missing is none."""
    path = list_path(tmp_path / "m.duckdb")
    found = FollowedList("all", 5, {"AUSDT": FollowedMarket(("one",))})

    def keep() -> list[Any]:
        before = read_kept_list(path)
        keep_list(path, found)
        after = read_kept_list(path)
        path.write_text("{")
        return [before, after, read_kept_list(path)]

    assert await asyncio.to_thread(keep) == [None, found, None]
    await asyncio.to_thread(keep_list, tmp_path / "no" / "folder", found)
