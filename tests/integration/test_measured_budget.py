"""What reads of positions and the feed's backfill ask of the exchange together, by the exchange's own log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from liqstream.simulator.contracts import CONTRACTS
from tests.support.measured_feed import Both, virtually
from tests.support.position_rig import fullest

pytestmark = pytest.mark.simulated

TEN = tuple(CONTRACTS)[:10]


@pytest.mark.long
@pytest.mark.parametrize(
    ("symbols", "accounts"),
    [(("XRPUSDT", "SOLUSDT"), 1000), pytest.param(TEN, 3000, marks=pytest.mark.attack)],
    ids=["two markets", "ten markets"],
)
@pytest.mark.parametrize("marked", [False, True], ids=["limits", "simulated"])
def test_no_minute_holds_more_than_is_allowed(
    tmp_path: Path, symbols: tuple[str, ...], accounts: int, marked: bool
) -> None:
    """At most 800 weight of positions and 1,100 of all in any 60 s, from the first request of a backfill to
    some minutes after it; nothing is refused by an exchange that holds to its limits, and one that says
    that it is simulated is asked for no more. The backfill goes first, and both use what there is."""

    async def job(at: Both) -> None:
        rig = at.rig
        async with asyncio.timeout(1800):
            await at.filled.wait()
        await asyncio.sleep(180)
        of_positions, asked = fullest(rig.asked_of_positions), fullest(rig.asked)
        assert 700 < of_positions <= 800
        assert of_positions < asked <= 1100
        assert at.records["Candle"] >= 1400 * len(symbols)
        assert len(rig.collector.tracker.accounts) >= accounts
        assert rig.exchange.usage["hyperliquid"].refusals == 0
        assert not rig.collector.refused.total()

    virtually(tmp_path, symbols, job, history_days=1, marked=marked)
