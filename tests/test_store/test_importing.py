"""`liqstream import` as a user meets it."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from liqstream.cli.importing import command
from liqstream.store import MarketStore
from tests.test_store.markets import STEP_MS, T0
from tests.test_store.test_archive import HEADER, bar_line, write, zipped


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "market.duckdb"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def run_json(*arguments: str | Path, exit_code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    return dict(json.loads(result.stdout))


async def bars_in(db: Path, interval_ms: int = STEP_MS) -> list[int]:
    store = await MarketStore.open(db)
    try:
        return list(map(int, (await store.bars("binance", "BTCUSDT", interval_ms)).open_time_ms))
    finally:
        await store.close()


def test_importing_twice_changes_nothing(shared_data: Path, db: Path) -> None:
    """All bars are new once, and all known the second time."""
    path = shared_data / "binance_btcusdt_5m_20260525_20260603.csv"
    options = ("--exchange", "binance", "--symbol", "BTCUSDT", "--interval", "5m", "--db", db)
    first = run_json("bars", path, *options)
    second = run_json("bars", path, *options)
    assert (first["files"][0]["rows"], first["files"][0]["duplicates"]) == (2401, 0)
    assert (second["files"][0]["new"], second["files"][0]["replaced"]) == (0, 0)
    assert first["store"] == second["store"]
    assert second["store"][0] == {
        "exchange": "binance",
        "symbol": "BTCUSDT",
        "interval": "5m",
        "from": "2026-05-25T15:55:00Z",
        "to": "2026-06-02T23:55:00Z",
        "rows": 2401,
        "missing_bars": 0,
        "gaps": [],
        "open_interest_rows": 2401,
        "liquidation_rows": 0,
        "liquidation_total_rows": 0,
    }


def test_bars_bring_their_liquidation_totals(shared_data: Path, db: Path) -> None:
    """The 1h file: bars, open interest and totals in one go; its five missing hours are named."""
    path = shared_data / "btc_1h_price_oi_liquidations_20251204_20260401.csv"
    market = run_json("bars", path, "--symbol", "BTCUSDT", "--interval", "1h", "--db", db)["store"][0]
    assert (market["rows"], market["liquidation_total_rows"], market["missing_bars"]) == (2821, 2821, 5)
    assert market["gaps"][0] == {"from": "2025-12-27T18:00:00Z", "to": "2025-12-27T19:00:00Z"}


def test_what_is_refused_is_named_and_the_rest_taken(tmp_path: Path, db: Path) -> None:
    """A missing file and a wrong header: named, exit code 1, the good file is in the store."""
    good = write(tmp_path, HEADER, *(bar_line(i) for i in range(3)), "nonsense", name="good.csv")
    wrong = write(tmp_path, "a,b,c", "1,2,3", name="wrong.csv")
    result = run("bars", tmp_path / "missing.csv", wrong, good, "--symbol", "BTCUSDT", "--db", db)
    assert result.exit_code == 1
    assert f"{tmp_path / 'missing.csv'}: refused: there is no such file" in result.stdout
    assert f"{wrong}: refused: wrong header 'a,b,c'; expected open_time,open,high" in result.stdout
    assert f"{good}: 4 rows of bars: 3 new, 1 bad\n  line 5: 1 of 5 columns" in result.stdout
    assert asyncio.run(bars_in(db)) == [T0 + i * STEP_MS for i in range(3)]


def test_a_refused_file_leaves_no_store_behind(tmp_path: Path, db: Path) -> None:
    """Nothing usable, nothing made."""
    assert run("bars", tmp_path / "missing.csv", "--symbol", "BTCUSDT", "--db", db).exit_code == 1
    assert not db.exists()


def test_a_folder_is_searched(tmp_path: Path, db: Path) -> None:
    """All .csv and .zip files to the bottom, nothing else."""
    deep = tmp_path / "archive" / "2026"
    deep.mkdir(parents=True)
    zipped(deep, "BTCUSDT-5m-2026-05.zip")
    write(deep.parent, HEADER, bar_line(5), bar_line(6), name="BTCUSDT-5m-2026-06.csv")
    write(deep, "not for us", name="readme.txt")
    report = run_json("klines", tmp_path / "archive", "--db", db)
    assert [Path(file["file"]).name for file in report["files"]] == [
        "BTCUSDT-5m-2026-05.zip",
        "BTCUSDT-5m-2026-06.csv",
    ]
    assert report["store"][0]["rows"] == 7


def test_an_empty_folder_is_an_error(tmp_path: Path, db: Path) -> None:
    """Nothing to import is not success."""
    result = run("klines", tmp_path, "--db", db)
    assert (result.exit_code, result.stderr) == (1, f"Error: no .csv or .zip file in {tmp_path}\n")


def test_klines_and_metrics_belong_together(tmp_path: Path, db: Path) -> None:
    """Open interest of the metrics archive is the bars' of the klines archive."""
    klines = write(tmp_path, HEADER, bar_line(0), bar_line(1), name="BTCUSDT-5m-2026-05.csv")
    metrics = write(
        tmp_path,
        "create_time,symbol,sum_open_interest,sum_open_interest_value",
        "2026-05-25 16:05:00,BTCUSDT,50,5000",
        name="BTCUSDT-metrics-2026-05-25.csv",
    )
    run_json("klines", klines, "--db", db)
    run_json("metrics", metrics, "--db", db)

    async def open_interest() -> list[float]:
        store = await MarketStore.open(db)
        bars = await store.bars("binance", "BTCUSDT", STEP_MS)
        await store.close()
        return list(map(float, bars.open_interest_base))

    assert asyncio.run(open_interest()) == [50.0, 50.0]


def test_what_retention_will_delete_is_said(shared_data: Path, db: Path) -> None:
    """Data older than the retention is imported, and the user warned on stderr."""
    path = shared_data / "force_orders" / "binance_force_orders_20250126_20250206.csv"
    result = run("liquidations", path, "--symbol", "BTCUSDT", "--db", db)
    assert result.exit_code == 0
    assert "LIQSTREAM_RETENTION_DAYS=400" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fairy-tales", "x.csv"], "'fairy-tales' is not one of"),
        (["bars"], "Missing argument 'FILE...'"),
        (["bars", "x.csv", "--symbol", "B T C"], "'B T C' is no symbol"),
        (["bars", "x.csv", "--exchange", "Binance!"], "'Binance!' is no exchange's name"),
        (["bars", "x.csv", "--interval", "7m"], "'7m' is not one of"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], message: str) -> None:
    """What is wrong and what is allowed, exit code 2, before anything is read."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    """A file that is not a store: exit code 1, one line, the file untouched."""
    path = write(tmp_path, HEADER, bar_line(0), bar_line(1))
    other = tmp_path / "other.duckdb"
    shutil.copy(path, other)
    result = run("bars", path, "--symbol", "BTCUSDT", "--db", other)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {other} is not a DuckDB file")
    assert other.read_bytes() == path.read_bytes()
