"""Telling from the amounts of liquidations whether they are in base or in quote coin.

In base coin they are multiples of the contract's quantity step. In quote coin they are that by chance, and
divided by the price they are no smaller than the step. What REST has otherwise fits neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from liqstream.feeds.rest_client import RestClient
from liqstream.feeds.trial import Held, Trial
from liqstream.market import MINUTE_MS, Liquidation

BASE, QUOTE = "amounts are in base coin", "amounts are in quote coin"

WAIT_MS, GIVEN_UP_MS = 30_000, 15 * MINUTE_MS
"""REST may lag: it is asked after so long, and not compared with after so long."""
ASK_EVERY_MS = 15_000
TELLING = ("BTCUSDT", "ETHUSDT")
"""Compared whether they are followed or not: where a coin is cheap, amounts of both units look alike."""
_NEAR = 1e-6
"""How far from a whole number of steps, in steps."""
_LEAST_STEPS = 0.5
"""A quantity made of a quote amount at a price that is not quite its own is no smaller, in steps."""

Readings: TypeAlias = Mapping[str, Liquidation]
AskNewest: TypeAlias = Callable[[RestClient, str], Awaitable[Sequence[Readings]]]


@dataclass(slots=True)
class StepAmounts:
    """`step` is the quantity step of each symbol in base coin, `newest` asks for a symbol's newest
    liquidations by REST."""

    step: Mapping[str, float]
    newest: AskNewest
    _asked_ms: int = 0

    async def compare(
        self, trial: Trial[Liquidation], rest: RestClient, symbols: Sequence[str], now_ms: int
    ) -> None:
        """Compare what is held. `now_ms` is the exchange's time, UTC. Raises what asking raises."""
        if now_ms - self._asked_ms < ASK_EVERY_MS:
            return
        self._asked_ms = now_ms
        not_found = 0
        for symbol in dict.fromkeys((*symbols, *TELLING)):
            pending = trial.pending((symbol,))
            trial.drop([item for item in pending if item.record.time_ms < now_ms - GIVEN_UP_MS])
            due = [item for item in pending if item.open and item.record.time_ms <= now_ms - WAIT_MS]
            if not due or symbol not in self.step:
                continue
            by_rest = {
                (row.time_ms, row.price_usd): row for row in map(_plain, await self.newest(rest, symbol))
            }
            for item in due:
                row = by_rest.get((item.record.time_ms, item.record.price_usd))
                if row is None:
                    not_found += 1
                else:
                    trial.judge([item], self._agreeing(item, row))
        trial.not_found = not_found

    def _agreeing(self, item: Held[Liquidation], by_rest: Liquidation) -> set[str]:
        record, step = item.record, self.step[item.record.symbol]
        if (record.side, record.quantity_base) != (by_rest.side, by_rest.quantity_base):
            return set()
        steps = record.quantity_base / step
        is_whole = round(steps) >= 1 and abs(steps - round(steps)) <= _NEAR * max(1.0, steps)
        found = {BASE} if is_whole else set()
        if steps / record.price_usd >= _LEAST_STEPS:
            found.add(QUOTE)
        return found


def _plain(readings: Readings) -> Liquidation:
    return readings[BASE]
