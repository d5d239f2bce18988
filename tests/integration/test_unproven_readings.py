"""What no document settles of an exchange, in every reading it may have, from the socket to the store."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import orjson
import pytest

from tests.faults.exchange_stack import END_OF_TIME_MS, ExchangeStack, exchange_stack
from tests.support.exchange_rig import SYMBOLS
from tests.support.virtual_clock import run_virtually

pytestmark = pytest.mark.simulated

ATTACK = (pytest.mark.attack, pytest.mark.timeout(900))
"""Half an hour of the simulated market takes minutes where the machine is busy."""
MOST_LATE_MS = 90_000
"""Of a liquidation that listeners are told of: alerts, the tape."""
DECIDED_WITHIN_S = 700.0
"""Five minutes that begin after the connection, and their sums; three times as long where nothing agrees."""


async def wrong_liquidations(stack: ExchangeStack, name: str) -> tuple[int, int]:
    """How many are stored, and how many of them the exchange did not have with that side and quantity."""
    await stack.store.flush()
    count = wrong = 0
    for symbol in SYMBOLS:
        stored = await stack.store.liquidations(symbol, start_ms=0, end_ms=END_OF_TIME_MS, exchanges=(name,))
        known: dict[tuple[int, bool], list[float]] = {}
        for fill in stack.exchange.publisher.fills(symbol, 0, END_OF_TIME_MS):
            known.setdefault((fill.time_ms // 1000, fill.side == "long"), []).append(fill.quantity)
        rows = zip(
            (stored.time_ms // 1000).tolist(), stored.is_long.tolist(), stored.quantity_base, strict=True
        )
        # Bitget's amounts in quote coin are at another price than the one they are told with.
        found = [
            any(abs(quantity / each - 1) < 0.1 for each in known.get((second, is_long), ()))
            for second, is_long, quantity in rows
        ]
        count, wrong = count + len(found), wrong + found.count(False)
    return count, wrong


@pytest.mark.parametrize(
    ("name", "readings", "verdict"),
    [
        ("gate", {"gate": "order", "gate past": "position"}, "the sign is the order's"),
        ("bitget", {"bitget": "quote"}, "amounts are in quote coin"),
        pytest.param(*("bitget", {}, "amounts are in base coin"), marks=ATTACK),
        pytest.param(*("bitget", {"bitget": "neither"}, "off"), marks=ATTACK),
        pytest.param(
            *("gate", {"gate": "position", "gate past": "order"}, "the sign is the position's"),
            marks=ATTACK,
        ),
        pytest.param(*("gate", {"gate": "neither", "gate past": "neither"}, "off"), marks=ATTACK),
    ],
)
def test_a_liquidation_is_stored_as_it_was_or_not_at_all(
    tmp_path: Path, name: str, readings: dict[str, str], verdict: str
) -> None:
    """Held back at first; then right, those that were held among them, or off; the same after a restart."""
    run_virtually(_prove(tmp_path, name, readings, verdict))


async def _prove(folder: Path, name: str, readings: dict[str, str], verdict: str) -> None:
    async with exchange_stack((name,), folder) as stack:
        stack.exchange.publisher.readings |= readings
        async with stack.collect() as collecting:
            status = collecting.feeds[name].status
            await asyncio.sleep(10.0)
            assert "held back" in status.unproven["liquidations"]
            assert collecting.feeds[name].liquidations_until_ms() == {}
            async with asyncio.timeout(DECIDED_WITHIN_S * (3 if verdict == "off" else 1)):
                # Of the past there may be too few of both sides to tell: it is held back then, a day at most.
                while "held back" in " ".join(  # noqa: ASYNC110  # nothing says when
                    [status.unproven["liquidations"]] if verdict == "off" else status.unproven.values()
                ):
                    await asyncio.sleep(5.0)
            await asyncio.sleep(10.0)
            assert verdict in status.unproven["liquidations"]
            count, wrong = await wrong_liquidations(stack, name)
            assert wrong == 0
            if verdict == "off":
                assert count == 0
                assert "agrees with no reading" in status.note
                assert collecting.feeds[name].liquidations_until_ms() == {}
            else:
                assert count > 50
                assert collecting.late_ms < MOST_LATE_MS, "what was held is no news"
                assert set(collecting.feeds[name].liquidations_until_ms()) == set(SYMBOLS)
        kept = orjson.loads(stack.state_path.read_bytes())["verdicts"][name]["liquidations"]
        assert kept["verdict"] == ("" if verdict == "off" else verdict)
        async with stack.collect() as anew:
            await asyncio.sleep(10.0)
            assert verdict in anew.feeds[name].status.unproven["liquidations"]
            assert "held back" not in anew.feeds[name].status.unproven["liquidations"]


@pytest.mark.parametrize(
    ("reading", "verdict"),
    [
        ("usd", "it is in USD"),
        pytest.param("base", "it is in base coin", marks=ATTACK),
        pytest.param("neither", "off", marks=ATTACK),
    ],
)
def test_open_interest_is_stored_as_it_was(tmp_path: Path, reading: str, verdict: str) -> None:
    """By REST while the channel is held back or off, then by the channel in the reading that agreed."""
    run_virtually(_prove_open_interest(tmp_path, reading, verdict))


async def _prove_open_interest(folder: Path, reading: str, verdict: str) -> None:
    async with exchange_stack(("lighter",), folder) as stack:
        stack.exchange.publisher.readings["lighter"] = reading
        async with stack.collect() as collecting:
            status = collecting.feeds["lighter"].status
            async with asyncio.timeout(DECIDED_WITHIN_S * 3 if verdict == "off" else 120.0):
                while "held back" in status.unproven.get("open interest", "held back"):  # noqa: ASYNC110
                    await asyncio.sleep(5.0)
            assert verdict in status.unproven["open interest"]
            await asyncio.sleep(150.0)
            for symbol in SYMBOLS:
                bars = await stack.bars("lighter", symbol)
                assert np.isfinite(bars.open_interest_base[-2:]).all()
            assert await stack.gaps("lighter") == []
            assert status.last_error == ""
            shown = await stack.flags(collecting, "lighter")
            assert not shown & {"open_interest_late", "no_open_interest"}
