"""The keeper of a tracker: what the store does not take is written later."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.positions.coin_names import CoinNames
from liqstream.positions.store_keeper import StoreKeeper
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from liqstream.store.positions import PositionsBatch
from tests.support.account_bodies import Held
from tests.test_positions.test_tracker import ALICE, make_tracker, read


async def test_what_the_store_does_not_take_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it takes rows again nothing is missing, and what proved one-sided open interest is kept."""
    store = await MarketStore.open(tmp_path / "a.duckdb")
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 60.0, 60e3, 60e3, -1.8e6)], 2000)
    keeper = StoreKeeper(tracker, CoinNames(["BTCUSDT"]), store, days=30)

    async def refuse(_batch: PositionsBatch) -> int:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "append_positions", refuse)
        await keeper.store_now(5000)
    assert await store.known_positions() == ([], [])
    await keeper.store_now(6000)
    accounts, positions = await store.known_positions()
    assert [each.address for each in accounts] == [ALICE]
    assert [each.size_base for each in positions] == [60.0]
    assert keeper.one_sided == ("BTCUSDT", 5000)

    anew = make_tracker()
    again = StoreKeeper(anew, CoinNames(["BTCUSDT"]), store, days=30)
    await again.restore(7000)
    await again.restore(7000)
    assert len(anew.positions) == 1
    assert again.one_sided == ("BTCUSDT", 6000)
    await store.close()


async def test_a_simulated_market_is_not_taken_for_the_real_one(tmp_path: Path) -> None:
    """In one file: whoever measures the one finds none of the other's accounts, positions or proofs."""
    store = await MarketStore.open(tmp_path / "a.duckdb")
    tracker = make_tracker()
    read(tracker, ALICE, [Held("BTC", 60.0, 60e3, 60e3, -1.8e6)], 2000)
    await StoreKeeper(tracker, CoinNames(["BTCUSDT"]), store, days=30, simulated=True).store_now(5000)
    for simulated in (False, True):
        anew = make_tracker()
        keeper = StoreKeeper(anew, CoinNames(["BTCUSDT"]), store, days=30, simulated=simulated)
        await keeper.restore(7000)
        assert (len(anew.accounts), len(anew.positions)) == (simulated, simulated)
        assert (keeper.one_sided is not None) == simulated
    await store.close()
