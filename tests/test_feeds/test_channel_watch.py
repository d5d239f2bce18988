"""What a channel is late with is asked for by REST; where that does not help, it is flagged."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import pytest

from liqstream.feeds.channel_watch import ChannelWatch
from liqstream.feeds.error_reporter import ErrorReporter
from liqstream.feeds.exchanges.binance import Binance
from liqstream.feeds.feed import FeedStatus
from liqstream.feeds.liquidation_lack import ENOUGH, LEAST_S
from liqstream.feeds.liveness import OVERDUE_S, Liveness
from liqstream.feeds.refusals import Refusal, RefusalKind
from liqstream.feeds.rest_client import RestClient, RestUnavailableError
from liqstream.feeds.venue import RecordKind
from liqstream.market import MINUTE_MS, Candle, Liquidation, MarketEvent, MarkPrice, OpenInterest
from tests.support.answering import answering
from tests.support.step_clock import StepClock

STEP_MS = 5 * MINUTE_MS


class Asked:
    """A watch of one symbol with REST answers of choice, and what it did."""

    def __init__(self, bars: Sequence[Candle] = (), *, present: bool = True, fails: bool = False) -> None:
        self.clock = StepClock()
        self.status = FeedStatus()
        self.questions = 0
        self.delivered: list[MarketEvent] = []
        self.mute: list[RecordKind] = []
        self._bars, self._fails = bars, fails
        self.watch = ChannelWatch(
            _Present(self.clock, present),
            Liveness(STEP_MS),
            ErrorReporter("binance", self.status, self.clock.now_ms),
            self.clock,
            self._fetch_bars,
            self.delivered.extend,
            lambda symbol, kind: self.mute.append(kind),
        )
        self.watch.follow(("BTCUSDT",), STEP_MS, self.clock.now_ms())

    async def _fetch_bars(self, symbol: str) -> AsyncGenerator[Sequence[MarketEvent]]:
        self.questions += 1
        if self._fails:
            raise RestUnavailableError(Refusal(RefusalKind.PASSING, "HTTP 503"))
        yield self._bars

    async def pass_time(self, seconds: float, rest: RestClient, *, marks: bool = True) -> None:
        """Look every 5 s meanwhile; marks and open interest come in time, bars do not."""
        for _ in range(round(seconds / 5)):
            self.clock.advance(5)
            if marks:
                now_ms = self.clock.now_ms()
                held = OpenInterest("binance", "BTCUSDT", now_ms, 1.0, 1.0)
                self.watch.liveness.note(
                    [MarkPrice("binance", "BTCUSDT", now_ms, 1.0), held], self.clock.time_s()
                )
            await self.watch.look(rest, self.clock.now_ms())


class _Present(Binance):
    def __init__(self, clock: StepClock, answers: bool) -> None:
        super().__init__()
        self._clock, self._answers = clock, answers

    async def present(self, rest: RestClient, symbol: str) -> Sequence[MarketEvent]:
        """Both, or an answer of another shape."""
        if not self._answers:
            raise KeyError("markPrice")
        now_ms = self._clock.now_ms()
        return [
            MarkPrice("binance", symbol, now_ms, 1.0),
            OpenInterest("binance", symbol, now_ms, 1.0, 1.0),
        ]


def bar(open_ms: int, volume: float, *, closed: bool = True) -> Candle:
    return Candle(
        "binance", "BTCUSDT", STEP_MS, open_ms, 1.0, 1.0, 1.0, 1.0, volume_base=volume, closed=closed
    )


def seconds_to_close(asked: Asked) -> float:
    """Until the bar that forms at the start of the test is closed."""
    return (STEP_MS - asked.clock.now_ms() % STEP_MS) / 1000


@pytest.mark.parametrize("fails", [True, False])
async def test_mute_bars_are_asked_for_and_flagged_within_45_s(fails: bool) -> None:
    """Whether REST has them or not: the channel is mute. The connection is replaced."""
    asked = Asked([bar(StepClock().now_ms() // STEP_MS * STEP_MS, 7.0)], fails=fails)
    async with answering() as (rest, _):
        await asked.pass_time(seconds_to_close(asked) + 25, rest)
        assert (asked.questions, asked.watch.flags()) == (0, {})
        await asked.pass_time(20, rest)
        assert asked.questions == 1
        assert asked.watch.flags() == {"BTCUSDT": {"bars_late"}}
        assert "bars of BTCUSDT are late" in asked.status.last_error
        assert asked.mute == ["bars"]
        await asked.pass_time(60, rest)
        assert 2 <= asked.questions <= 4


async def test_the_flag_is_gone_as_soon_as_bars_flow_again() -> None:
    """Those that form: the next close may be minutes away."""
    asked = Asked([bar(StepClock().now_ms() // STEP_MS * STEP_MS, 7.0)])
    async with answering() as (rest, _):
        await asked.pass_time(seconds_to_close(asked) + 45, rest)
        assert asked.watch.flags()
        questions = asked.questions
        asked.watch.liveness.note([bar(asked.clock.now_ms(), 1.0, closed=False)], asked.clock.time_s())
        await asked.pass_time(5, rest)
        assert asked.watch.flags() == {}
        await asked.pass_time(20, rest)
        assert asked.questions == questions + 1
        assert asked.status.last_error == ""


async def test_a_market_without_trades_is_not_late() -> None:
    """REST says so: its bar has no volume."""
    asked = Asked([bar(StepClock().now_ms() // STEP_MS * STEP_MS, 0.0)])
    async with answering() as (rest, _):
        await asked.pass_time(seconds_to_close(asked) + 60, rest)
        assert asked.questions == 1
        assert asked.watch.flags() == {}


@pytest.mark.parametrize("present", [True, False])
async def test_marks_and_open_interest_are_asked_for(present: bool) -> None:
    """What REST has is delivered and not flagged; what it has not is."""
    asked = Asked(present=present)
    async with answering() as (rest, _):
        await asked.pass_time(OVERDUE_S + 10, rest, marks=False)
        late = {} if present else {"BTCUSDT": {"marks_late", "open_interest_late"}}
        assert asked.watch.flags() == late
        assert {type(event) for event in asked.delivered} == ({MarkPrice, OpenInterest} if present else set())
        assert set(asked.mute) == {"marks", "open_interest"}
        await asked.pass_time(OVERDUE_S + 5, rest)
        assert asked.watch.flags() == {}


async def test_what_comes_by_rest_in_place_of_a_mute_channel_is_noted() -> None:
    """Until the channel speaks again."""
    asked = Asked()
    async with answering() as (rest, _):
        await asked.pass_time(40, rest, marks=False)
        assert asked.status.note == "marks of BTCUSDT come by REST: the channel is mute"
        asked.watch.note([MarkPrice("binance", "BTCUSDT", asked.clock.now_ms(), 1.0)])
        await asked.pass_time(5, rest)
        assert asked.status.note == ""


async def test_an_unusual_lack_of_liquidations_is_noted() -> None:
    """No flag: it may be the market. Another connection is tried once; a break is no lack."""
    asked = Asked()
    asked.status.connected = True
    async with answering() as (rest, _):
        for _ in range(ENOUGH + 1):
            asked.clock.advance(5)
            now_ms = asked.clock.now_ms()
            asked.watch.note([Liquidation("binance", "BTCUSDT", now_ms, "long", 1.0, 1.0)])
        await asked.pass_time(LEAST_S, rest)
        assert (asked.status.note, asked.mute.count("liquidations")) == ("", 0)
        await asked.pass_time(10, rest)
        assert asked.status.note.startswith("no liquidation of BTCUSDT for 30 min, which is unusual")
        await asked.pass_time(60, rest)
        assert asked.mute.count("liquidations") == 1
        assert "liquidations" not in asked.status.last_error
        asked.status.connected = False
        await asked.pass_time(5, rest)
        assert asked.status.note == ""
