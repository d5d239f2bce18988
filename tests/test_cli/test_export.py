"""`liqstream export`: what is in the store is in the Parquet file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from liqstream.cli import main
from liqstream.market import FundingRate, Liquidation, LiquidationTotal
from liqstream.store import MarketStore
from tests.support.markets import MINUTE_MS, START_MS, walk

MARKET = ("binance", "BTCUSDT")


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    """A store with a hundred bars and one of everything else."""

    async def fill() -> None:
        store = await MarketStore.open(tmp_path / "store.duckdb")
        await store.append(walk(100))
        await store.append([Liquidation(*MARKET, START_MS + 5, "long", 99_000.0, 0.5)])
        await store.append([LiquidationTotal(*MARKET, 5 * MINUTE_MS, START_MS, 10.0, 20.0)])
        await store.append([FundingRate(*MARKET, START_MS, 0.0001)])
        await store.close()

    asyncio.run(fill())
    return tmp_path / "store.duckdb"


def rows_of(query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


def export(db_path: Path, kind: str, *args: str) -> tuple[Result, Path]:
    target = db_path.with_name(f"{kind}'s.parquet")
    return CliRunner().invoke(main, ["export", kind, str(target), "--db", str(db_path), *args]), target


@pytest.mark.parametrize(
    ("kind", "rows", "first"),
    [
        ("liquidations", 1, ("long", 99_000.0, 0.5)),
        ("totals", 1, (10.0, 20.0)),
        ("funding", 1, (0.0001,)),
    ],
)
def test_events_arrive_whole(db_path: Path, kind: str, rows: int, first: tuple[object, ...]) -> None:
    """Times as UTC timestamps, values as they are."""
    done, target = export(db_path, kind)
    assert done.exit_code == 0, done.output
    written = rows_of(f"SELECT epoch_ms(time), * EXCLUDE time FROM read_parquet($${target}$$)")
    assert len(written) == rows
    assert written[0][1:] == first
    assert written[0][0] in (START_MS, START_MS + 5)


def test_a_span_of_bars(db_path: Path) -> None:
    """--from and --to cut it; what a source did not give is NULL, not NaN."""
    span = ("--from", str(START_MS + 10 * 5 * MINUTE_MS), "--to", str(START_MS + 20 * 5 * MINUTE_MS))
    done, target = export(db_path, "bars", *span)
    assert done.exit_code == 0, done.output
    count, known = rows_of(
        f"SELECT count(*), count(open_interest_base) FROM read_parquet($${target}$$) WHERE close > 0"
    )[0]
    assert (count, known) == (10, 10)
    empty = rows_of(f"SELECT count(taker_buy_base) FROM read_parquet($${target}$$)")
    assert empty == [(0,)]


def test_nothing_to_export_is_one_line(db_path: Path, tmp_path: Path) -> None:
    """An empty span, a folder that is not there, no store: exit code 1, no file."""
    done, target = export(db_path, "bars", "--symbol", "ETHUSDT")
    assert (done.exit_code, target.exists()) == (1, False)
    assert "no bars of binance ETHUSDT" in done.output
    missing = str(tmp_path / "no" / "x.parquet")
    done = CliRunner().invoke(main, ["export", "bars", missing, "--db", str(db_path)])
    assert done.exit_code == 1
    assert "cannot write" in done.output
    done = CliRunner().invoke(main, ["export", "bars", missing, "--db", str(tmp_path / "no.duckdb")])
    assert done.exit_code == 1
    assert "there is no store" in done.output
