"""Amounts in base coin are multiples of the quantity step; those in quote coin are worth a step at least."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.step_amounts import BASE, GIVEN_UP_MS, QUOTE, WAIT_MS, Readings, StepAmounts
from liqstream.feeds.trial import Question, Trial
from liqstream.market import Liquidation

QUESTION = Question("unit", "liquidations", (BASE, QUOTE), "REST")
AT_MS = 1_795_000_000_000
REST = cast("RestClient", None)


def readings(amount: float, price: float = 90_000.0, symbol: str = "BTCUSDT") -> Readings:
    in_base = Liquidation("bitget", symbol, AT_MS, "long", price, amount)
    return {BASE: in_base, QUOTE: replace(in_base, quantity_base=amount / price)}


async def compared(held: Readings, by_rest: Readings | None, after_ms: int = WAIT_MS) -> Trial[Liquidation]:
    """A trial in which one liquidation was held, and REST has another, or none."""

    async def newest(_rest: RestClient, symbol: str) -> list[Readings]:
        asked.append(symbol)
        return [] if by_rest is None else [by_rest]

    asked: list[str] = []
    trial = Trial[Liquidation](QUESTION)
    trial.take(held)
    amounts = StepAmounts({"BTCUSDT": 0.0001, "DOGEUSDT": 1.0}, newest)
    await amounts.compare(trial, REST, ("DOGEUSDT",), AT_MS + after_ms)
    assert len(asked) <= 1
    return trial


@pytest.mark.parametrize(
    ("amount", "agreeing"),
    [(0.0003, {BASE}), (2.5, {BASE}), (37.722858, {QUOTE}), (0.00005, set()), (0.00037, set())],
)
async def test_amounts_tell_their_unit(amount: float, agreeing: set[str]) -> None:
    """Of a coin whose price is high; also if nobody follows it."""
    trial = await compared(readings(amount), readings(amount))
    assert (trial.compared, set(trial.agreed)) == (1, agreeing)


async def test_amounts_of_a_cheap_coin_tell_nothing() -> None:
    """A whole number of coins and of dollars look alike: they are compared, and do not count."""
    held = readings(250.0, 0.3, "DOGEUSDT")
    trial = await compared(held, held)
    assert (trial.compared, trial.pending(("DOGEUSDT",))) == (0, [])


async def test_rest_must_have_the_same() -> None:
    """With another side or amount it fits nothing; one that REST does not have yet waits, and is given up."""
    held = readings(2.5)
    other = {name: replace(each, side="short") for name, each in held.items()}
    assert set((await compared(held, other)).agreed) == set()
    assert (await compared(held, other)).compared == 1
    assert (await compared(held, readings(2.6))).compared == 1
    for after_ms, waiting in ((WAIT_MS - 1, 1), (WAIT_MS, 1), (GIVEN_UP_MS + 1, 0)):
        trial = await compared(held, None, after_ms)
        assert (trial.compared, len(trial.pending(("BTCUSDT",)))) == (0, waiting)
        is_told = after_ms == WAIT_MS
        assert ("0 of 20 compared, 1 not found there" in trial.sentence) == is_told
