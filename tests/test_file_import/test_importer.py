"""`liqstream import` as a user meets it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from liqstream.cli import main
from liqstream.cli.importing import command
from liqstream.store import MarketStore
from tests.support.store_records import STEP_MS, T0
from tests.test_file_import.test_reader import HEADER, bar_line, write, zipped


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


@pytest.mark.parametrize("name", ["1000PEPEUSDT", "kPEPE", "1000PEPE-USDT-SWAP", "1000PEPE/USDT:USDT"])
def test_a_symbol_is_named_in_any_usual_form(tmp_path: Path, db: Path, name: str) -> None:
    """As score and fit take it; the rows are of that contract, and stored in single coins."""
    path = write(tmp_path, HEADER, *(bar_line(i) for i in range(3)), name="bars.csv")
    market = run_json("bars", path, "--symbol", name, "--interval", "5m", "--db", db)["store"][0]
    assert (market["symbol"], market["rows"]) == ("PEPEUSDT", 3)


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
    reason = f"Error: no .csv, .csv.gz, .zip or .parquet file in {tmp_path}\n"
    assert (result.exit_code, result.stderr) == (1, reason)


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


def test_what_retention_will_delete_is_reported(shared_data: Path, db: Path) -> None:
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


def test_records_are_counted_by_kind(tmp_path: Path, db: Path) -> None:
    """A row of bars may hold several."""
    lines = [HEADER + ",open_interest,funding_rate", *(bar_line(i) + ",5,0.1" for i in range(3))]
    path = write(tmp_path, *lines)
    options = ("--symbol", "BTCUSDT", "--db", db)
    assert (
        "3 rows of bars: 7 new (3 candles, 3 open interest, 1 funding)" in run("bars", path, *options).stdout
    )
    again = run_json("bars", path, *options)["files"][0]
    assert (again["new"], sum(again["new_by_kind"].values())) == (0, 0)


def test_a_run_never_replaces_its_own_rows(tmp_path: Path, db: Path) -> None:
    """The second file that says otherwise of the same bar is refused; in another run it may correct it."""
    first, second = (
        write(tmp_path, HEADER, bar_line(0), bar_line(1, close=close), name=f"{close}.csv")
        for close in ("100", "101")
    )
    options = ("--symbol", "BTCUSDT", "--interval", "5m", "--db", db)
    both = run_json("bars", first, second, *options, exit_code=1)["files"]
    assert (both[0]["new"], both[1]["new"]) == (2, 0)
    assert str(first) in both[1]["refused"]
    assert run_json("bars", first, first, second.with_name("100.csv"), *options)["files"][0]["replaced"] == 0
    assert run_json("bars", second, *options)["files"][0]["replaced"] == 1


async def test_captures_cover_what_is_between_their_liquidations(tmp_path: Path, db: Path) -> None:
    """Over all files of the run and symbols of the exchange, at most six hours apart."""
    hour_ms = 3_600_000
    for name, rows in (("a", ((0, "BTC"), (5, "ETH"))), ("b", ((10, "BTC"), (17, "BTC")))):
        lines = [f"{T0 + hour * hour_ms},SELL,5,5,{symbol}" for hour, symbol in rows]
        write(tmp_path, "time,side,price,quantity,symbol", *lines, name=f"{name}.csv")
    result = await asyncio.to_thread(run, "liquidations", tmp_path, "--db", db)
    assert result.exit_code == 0, result.output
    store = await MarketStore.open(db)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        spans = await store.liquidation_spans("binance", symbol, start_ms=0, end_ms=2**62)
        assert spans == [(T0, T0 + 10 * hour_ms)]
    await store.close()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz"])
def test_own_exports_come_back_as_they_were(tmp_path: Path, db: Path, suffix: str) -> None:
    """Bars with open interest of one side, liquidations, totals and funding."""
    options = ("--exchange", "bybit", "--symbol", "BTCUSDT", "--db")
    bars = write(tmp_path, HEADER + ",volume,open_interest", *(bar_line(i) + ",1,8" for i in range(5)))
    events = write(tmp_path, "time,side,price,quantity", f"{T0 + 1},long,5,5", name="events.csv")
    totals = write(tmp_path, "open_time,long_usd,short_usd", f"{T0},5,5", f"{T0 + STEP_MS},1,0", name="t.csv")
    rates = write(tmp_path, "time,funding_rate", f"{T0},0.1", f"{T0 + 5},0.1", name="rates.csv")
    kinds = {"bars": bars, "totals": totals, "liquidations": events, "funding": rates}
    for kind, path in kinds.items():
        as_kind = "liquidations" if kind == "totals" else kind
        run_json(as_kind, path, *options, db, *(("--interval", "5m") if kind == "totals" else ()))
    for kind in kinds:
        copy = tmp_path / f"{kind}.{suffix}"
        done = CliRunner().invoke(main, ["export", kind, str(copy), "--interval", "5m", *options, str(db)])
        assert done.exit_code == 0, done.output
        as_kind = "liquidations" if kind == "totals" else kind
        found = run_json(as_kind, copy, *options, db, *(("--interval", "5m") if kind == "totals" else ()))
        assert (found["files"][0]["new"], found["files"][0]["replaced"]) == (0, 0), kind
        assert found["files"][0]["bad"] == 0


def test_an_interrupt_ends_an_import_at_once(tmp_path: Path, db: Path) -> None:
    """With 130 and a line, and the store can be opened again."""
    lines = (f"{T0 - i * 60_000},100,200,50,100" for i in range(1_500_000))
    path = write(tmp_path, HEADER, *lines)
    importing = [sys.executable, "-m", "liqstream", "import", "bars", str(path), "--symbol", "BTCUSDT"]
    with subprocess.Popen(
        [*importing, "--db", str(db)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        until_s = time.monotonic() + 60
        while f"{path}" not in open_files(process.pid):
            assert time.monotonic() < until_s
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        sent_s = time.monotonic()
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, time.monotonic() - sent_s < 1.0) == (130, True)
    assert "interrupted" in stderr


def open_files(pid: int) -> set[str]:
    """The files a process has open."""
    links = Path(f"/proc/{pid}/fd")
    try:
        return {str(link.readlink()) for link in links.iterdir()}
    except FileNotFoundError:
        return set()
