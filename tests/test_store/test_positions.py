"""liqstream/store/positions.py: the newest state of each position, and what must outlive the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from liqstream.store.market_store import MarketStore
from liqstream.store.positions import (
    PositionsBatch,
    StoredAccount,
    StoredCell,
    StoredCoverage,
    StoredPosition,
    delete_positions_before,
    read_cells,
    read_changes,
    read_coverage,
    read_known,
    read_proof,
    read_states,
    write_positions,
)
from liqstream.store.schema import bring_up_to_date
from tests.support.store_connection import store_of

WHO = "0x" + "a" * 40
ACCOUNT = StoredAccount(WHO, "trades", 5, 10, 0, opaque=False)
POSITION = StoredPosition("BTCUSDT", WHO, 100, -2.5, 60_000.0, None, 10.0, isolated=True)
COVERAGE = StoredCoverage("BTCUSDT", 300, 0.3, 0.2, 0.25, 0.1, None, 21_000.0, 40)


def test_the_newest_state_of_each_position_is_known() -> None:
    """A row per change; what was closed is not; an account replaces itself."""
    closed = StoredPosition("ETHUSDT", WHO, 50, 3.0, 3000.0, 2500.0, 5.0, isolated=False)
    with store_of([]) as connection:
        write_positions(connection, PositionsBatch([ACCOUNT], [POSITION, closed]))
        later = replace(POSITION, read_ms=200, size_base=-1.0, liquidation_price=66_000.0)
        batch = PositionsBatch(
            [replace(ACCOUNT, read_ms=200)], [later, replace(closed, read_ms=60, size_base=0.0)]
        )
        assert write_positions(connection, batch) == 3
        assert read_known(connection) == ([replace(ACCOUNT, read_ms=200)], [later])
        assert write_positions(connection, batch) == 3
        assert connection.execute("SELECT count(*) FROM positions").fetchall() == [(4,)]


def test_cells_and_coverage_of_a_span() -> None:
    """By time; a look without any level is a look."""
    cells = [StoredCell("BTCUSDT", 300, 11_000, 5.0, 0.0), StoredCell("BTCUSDT", 600, 11_001, 0.0, 7.0)]
    looks = [COVERAGE, replace(COVERAGE, time_ms=600), replace(COVERAGE, time_ms=900, median_age_ms=4.5)]
    with store_of([]) as connection:
        write_positions(connection, PositionsBatch(cells=cells, coverage=looks))
        found = read_cells(connection, "BTCUSDT", start_ms=301, end_ms=1000)
        assert found.cell.tolist() == [11_001]
        assert found.looks_ms.tolist() == [600, 900]
        assert (found.long_usd.tolist(), found.short_usd.tolist()) == ([0.0], [7.0])
        assert read_coverage(connection, "BTCUSDT", start_ms=300, end_ms=901) == looks
        assert read_cells(connection, "ETHUSDT", start_ms=0, end_ms=1000).looks_ms.tolist() == []


def test_the_proof_that_open_interest_counts_one_side() -> None:
    """The first side above half; one above all of it proves nothing."""
    with store_of([]) as connection:
        unsound = replace(COVERAGE, time_ms=100, long_share=1.2)
        proof = replace(COVERAGE, time_ms=500, short_share=0.56, median_age_ms=4000.0)
        again = replace(proof, time_ms=700)
        old = replace(proof, time_ms=300, median_age_ms=3_600_001.0)
        unread = replace(proof, time_ms=400, median_age_ms=None)
        write_positions(connection, PositionsBatch(coverage=[COVERAGE, unsound, old, unread]))
        assert read_proof(connection) is None
        write_positions(connection, PositionsBatch(coverage=[again, proof]))
        assert read_proof(connection) == ("BTCUSDT", 500)
        delete_positions_before(connection, 10_000)
        assert read_proof(connection) == ("BTCUSDT", 500)
        assert connection.execute("SELECT count(*) FROM measured_coverage").fetchall() == [(1,)]


def test_old_rows_go_but_an_open_position_stays() -> None:
    """Its newest row, however old."""
    with store_of([]) as connection:
        older = replace(POSITION, read_ms=50)
        gone = replace(POSITION, symbol="ETHUSDT", size_base=0.0)
        write_positions(connection, PositionsBatch([ACCOUNT], [older, POSITION, gone]))
        assert delete_positions_before(connection, 150) == 3
        assert read_known(connection) == ([], [POSITION])


def test_a_batch_is_stored_whole_or_not() -> None:
    """A value the store does not take leaves nothing behind."""
    with store_of([]) as connection:
        with pytest.raises((duckdb.Error, OverflowError)):
            write_positions(connection, PositionsBatch([ACCOUNT], [replace(POSITION, read_ms=2**70)]))
        assert read_known(connection) == ([], [])


def test_rows_of_a_simulated_market_stand_apart() -> None:
    """What is read of real accounts holds none of it, neither coverage nor what it proves; nor the other way,
    nor does one replace or outlast the other."""
    proof = replace(COVERAGE, time_ms=100, long_share=0.9, median_age_ms=0.0)
    cell = StoredCell("BTCUSDT", 100, 11_000, 5.0, 0.0)
    with store_of([]) as connection:
        write_positions(connection, PositionsBatch([ACCOUNT], [POSITION], [cell], [proof], simulated=True))
        span: dict[str, Any] = {"start_ms": 0, "end_ms": 1000}
        assert read_known(connection) == ([], [])
        assert read_proof(connection) is None
        assert read_coverage(connection, "BTCUSDT", **span) == []
        assert read_cells(connection, "BTCUSDT", **span).looks_ms.tolist() == []
        assert read_states(connection, "BTCUSDT", end_ms=1000, every_ms=10).account.tolist() == []
        assert read_changes(connection, "BTCUSDT", **span).address.tolist() == []
        real = replace(POSITION, size_base=1.0), replace(proof, long_share=0.3)
        write_positions(connection, PositionsBatch([ACCOUNT], real[:1], [], real[1:]))
        for simulated, position, look in ((True, POSITION, proof), (False, *real)):
            assert read_known(connection, simulated=simulated) == ([ACCOUNT], [position])
            assert read_coverage(connection, "BTCUSDT", **span, simulated=simulated) == [look]
        assert read_proof(connection, simulated=True) == ("BTCUSDT", 100)
        delete_positions_before(connection, 10_000)
        assert read_known(connection) == ([], [real[0]])
        assert read_known(connection, simulated=True) == ([], [POSITION])


def test_coins_by_the_thousand_are_read_in_single_coins() -> None:
    """They are stored as the exchange names and counts them; one that is listed singly too is that one."""
    held = StoredPosition("kPEPEUSDT", WHO, 100, -4e6, 0.0101, 0.012, 10.0, isolated=True)
    closed = replace(held, read_ms=200, size_base=0.0, entry_price=None, liquidation_price=None)
    with store_of([]) as connection:
        write_positions(connection, PositionsBatch(positions=[held, closed]))
        states = read_states(connection, "PEPEUSDT", end_ms=150, every_ms=10)
        assert (states.size_base.tolist(), states.level.tolist()) == ([-4e9], [0.012 / 1000])
        found = read_changes(connection, "PEPEUSDT", start_ms=0, end_ms=1000)
        assert found.size_base.tolist() == [-4e9, 0.0]
        assert found.entry[0] == pytest.approx(1.01e-5)
        assert np.isnan(found.level[1])
        single = replace(held, symbol="PEPEUSDT", size_base=7.0)
        write_positions(connection, PositionsBatch(positions=[single]))
        assert read_states(connection, "PEPEUSDT", end_ms=150, every_ms=10).size_base.tolist() == [7.0]


def test_what_changed_in_a_span() -> None:
    """Ascending by time, whole addresses, what is not known NaN."""
    later = replace(POSITION, read_ms=300, address=WHO[:-1] + "b", leverage=None, entry_price=None)
    with store_of([]) as connection:
        write_positions(
            connection, PositionsBatch(positions=[later, POSITION, replace(POSITION, read_ms=400)])
        )
        found = read_changes(connection, "BTCUSDT", start_ms=100, end_ms=400)
        assert found.time_ms.tolist() == [100, 300]
        assert found.address.tolist() == [WHO, later.address]
        assert found.is_isolated.tolist() == [True, True]
        assert np.isnan(found.leverage).tolist() == [False, True]
        assert read_changes(connection, "ETHUSDT", start_ms=0, end_ms=400).address.tolist() == []


async def test_through_the_store(tmp_path: Path) -> None:
    """Written by its thread, read by another, there after a restart."""
    store = await MarketStore.open(tmp_path / "a.duckdb")
    await store.append_positions(PositionsBatch([ACCOUNT], [POSITION], coverage=[COVERAGE]))
    await store.close()
    store = await MarketStore.open(tmp_path / "a.duckdb")
    assert await store.known_positions() == ([ACCOUNT], [POSITION])
    assert await store.measured_coverage("BTCUSDT", start_ms=0, end_ms=1000) == [COVERAGE]
    assert (await store.measured_cells("BTCUSDT", start_ms=0, end_ms=1000)).looks_ms.tolist() == [300]
    assert await store.one_sided_proof() is None
    assert await store.expire_positions(150) == 1
    await store.close()


def test_a_store_of_the_version_before_has_the_tables_afterwards() -> None:
    """Empty."""
    with duckdb.connect(":memory:") as connection:
        bring_up_to_date(connection, Path("x"))
        for table in ("accounts", "positions", "measured_cells", "measured_coverage"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE schema_version SET version = 6")
        bring_up_to_date(connection, Path("x"))
        assert read_known(connection) == ([], [])
        assert read_proof(connection) is None
