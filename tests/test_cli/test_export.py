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
from liqstream.store.positions import PositionsBatch, StoredCoverage, StoredPosition
from tests.support.account_bodies import address
from tests.support.markets import MINUTE_MS, START_MS, walk

MARKET = ("binance", "BTCUSDT")

WHO = address(0x1234_5678)
POSITIONS = [
    StoredPosition("BTCUSDT", WHO, START_MS, -2.5, 60_000.0, 66_000.0, 10.0, isolated=True),
    StoredPosition("BTCUSDT", WHO, START_MS + 60_000, 0.0, None, None, None, isolated=False),
    StoredPosition("kPEPEUSDT", WHO, START_MS, 4e6, 0.0101, 0.009, 5.0, isolated=False),
]
COVERAGE = [
    StoredCoverage("BTCUSDT", START_MS, 0.3, 0.1, 0.25, 0.05, None, 21_000.0, 40),
    StoredCoverage("BTCUSDT", START_MS + 300_000, 0.6, 0.3, 0.5, 0.2, 1500.0, 21_000.0, 60, 0.5),
]


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    """A store with a hundred bars and one of everything else."""

    async def fill() -> None:
        store = await MarketStore.open(tmp_path / "store.duckdb")
        await store.append(walk(100))
        await store.append([Liquidation(*MARKET, START_MS + 5, "long", 99_000.0, 0.5)])
        await store.append([LiquidationTotal(*MARKET, 5 * MINUTE_MS, START_MS, 10.0, 20.0)])
        await store.append([FundingRate(*MARKET, START_MS, 0.0001)])
        await store.append_positions(PositionsBatch(positions=POSITIONS, coverage=COVERAGE))
        simulated = StoredPosition("BTCUSDT", address(9), START_MS, 5.0, 1.0, None, 1.0, isolated=False)
        await store.append_positions(PositionsBatch(positions=[simulated], simulated=True))
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
        ("liquidations", 1, ("long", 99_000.0, 0.5, 0)),
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


def test_equal_liquidations_are_as_many_after_an_import(db_path: Path, tmp_path: Path) -> None:
    """Three of one message are three liquidations; a file that is read twice brings none anew."""

    async def changed(path: Path, twins: int) -> int:
        store = await MarketStore.open(path)
        await store.append(twins * [Liquidation(*MARKET, START_MS + 9, "short", 99_000.0, 0.25)])
        found = await store.liquidations(MARKET[1], start_ms=0, end_ms=2**60)
        await store.close()
        return len(found)

    assert asyncio.run(changed(db_path, 3)) == 4
    done, target = export(db_path, "liquidations")
    assert done.exit_code == 0, done.output
    into = ["--symbol", MARKET[1], "--db", str(tmp_path / "again.duckdb")]
    for _ in range(2):
        imported = CliRunner().invoke(main, ["import", "liquidations", str(target), *into])
        assert imported.exit_code == 0, imported.output
        assert asyncio.run(changed(tmp_path / "again.duckdb", 0)) == 4


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


def test_positions_have_short_addresses(db_path: Path) -> None:
    """Each change, in single coins, none of a simulated market; whole addresses only where they are asked
    for."""
    done, target = export(db_path, "positions")
    assert done.exit_code == 0, done.output
    query = f"SELECT epoch_ms(time), * EXCLUDE time FROM read_parquet($${target}$$)"
    short = f"{WHO[:6]}..{WHO[-4:]}"
    first = (START_MS, short, "short", 2.5, 60_000.0, 66_000.0, "isolated", 10.0)
    assert rows_of(query) == [first, (START_MS + 60_000, short, None, 0.0, None, None, None, None)]
    assert WHO.encode() not in target.read_bytes()
    done, target = export(db_path, "positions", "--addresses", "--to", str(START_MS + 1))
    assert done.exit_code == 0, done.output
    assert rows_of(query) == [(START_MS, WHO, *first[2:])]
    done, target = export(db_path, "positions", "--symbol", "kPEPE", "--exchange", "hyperliquid")
    assert done.exit_code == 0, done.output
    (row,) = rows_of(query)
    assert row[2:4] == ("long", 4e9)
    assert row[4:6] == (pytest.approx(1.01e-5), pytest.approx(9e-6))


def test_coverage_says_what_it_rests_on(db_path: Path) -> None:
    """Per side, with the condition it holds under, until a side of some coin was above half."""
    done, target = export(db_path, "coverage")
    assert done.exit_code == 0, done.output
    names = "epoch_ms(time), long_share, short_share, median_age_ms, accounts, if_one_sided, partial, unsound"
    assert rows_of(f"SELECT {names} FROM read_parquet($${target}$$)") == [
        (START_MS, 0.3, 0.1, None, 40, True, True, False),
        (START_MS + 300_000, 0.6, 0.3, 1500.0, 60, False, False, False),
    ]


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("positions", ("--exchange", "binance"), "only hyperliquid's positions are public"),
        ("bars", ("--addresses",), "--addresses is of positions"),
        ("positions", ("--symbol", "ETHUSDT"), "no positions of hyperliquid ETHUSDT"),
    ],
)
def test_what_nobody_has_is_one_line(db_path: Path, kind: str, options: tuple[str, ...], words: str) -> None:
    """And no file."""
    done, target = export(db_path, kind, *options)
    assert done.exit_code != 0
    assert words in done.output
    assert not target.exists()


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
