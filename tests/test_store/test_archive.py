"""Files of every form: what is read, what is left out and why, what is refused as a whole."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liqstream.market import Candle, FundingRate, Liquidation, LiquidationTotal, OpenInterest
from liqstream.store.archive import ArchiveFile, read_archive, read_bars_file
from liqstream.store.archive_files import ArchiveError
from liqstream.store.archive_forms import Kind
from liqstream.store.archive_rows import BadRow
from tests.test_store.markets import STEP_MS, T0

HOUR_MS = 3_600_000
HEADER = "open_time,open,high,low,close"


def bar_line(index: int, *, close: str = "100") -> str:
    return f"{T0 + index * STEP_MS},100,200,50,{close}"


def write(folder: Path, *lines: str, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path, kind: Kind = "bars", *, interval_ms: int | None = STEP_MS) -> ArchiveFile:
    return read_archive(path, kind, exchange="binance", symbol="BTCUSDT", interval_ms=interval_ms)


def bad_lines(archive: ArchiveFile) -> list[int]:
    return [bad.line for bad in archive.bad_rows]


def open_times(archive: ArchiveFile) -> list[int]:
    return [event.open_time_ms for event in archive.events if isinstance(event, Candle)]


def test_bars_with_open_interest_in_usd(tmp_path: Path) -> None:
    """USD open interest becomes base coin by the close, at the bar's close; the reported figure is kept."""
    path = write(
        tmp_path,
        "open_time,open,high,low,close,sum_open_interest_value,funding_rate",
        f"{T0},100,110,90,105,1050,0.0001",
        f"{T0 + STEP_MS},105,110,90,100,,0.0001",
    )
    assert read(path).events == [
        OpenInterest("binance", "BTCUSDT", T0 + STEP_MS, 10.0, 1050.0, "usd"),
        FundingRate("binance", "BTCUSDT", T0, 0.0001),
        Candle("binance", "BTCUSDT", STEP_MS, T0, 100, 110, 90, 105),
        Candle("binance", "BTCUSDT", STEP_MS, T0 + STEP_MS, 105, 110, 90, 100),
    ]


def test_the_interval_is_found_out(tmp_path: Path) -> None:
    """Without an interval it is what most rows are apart, for totals and open interest of the rows too."""
    path = write(
        tmp_path,
        HEADER + ",open_interest,long_usd,short_usd",
        *(f"{T0 + i * HOUR_MS},100,110,90,105,7,1,2" for i in (0, 1, 2, 5)),
    )
    archive = read(path, interval_ms=None)
    assert archive.interval_ms == HOUR_MS
    assert archive.events[:3] == [
        OpenInterest("binance", "BTCUSDT", T0 + HOUR_MS, 7.0, 7.0, "base"),
        LiquidationTotal("binance", "BTCUSDT", HOUR_MS, T0, 1.0, 2.0),
        Candle("binance", "BTCUSDT", HOUR_MS, T0, 100, 110, 90, 105),
    ]


@pytest.mark.parametrize("divide_by", [1, 1 / 1000])
@pytest.mark.parametrize("header", [True, False])
def test_archive_klines(tmp_path: Path, header: bool, divide_by: float) -> None:
    """Binance's archive of bars: with and without header, in ms and in us."""
    time = int(T0 / divide_by)
    lines = [f"{time},1,2,0.5,1.5,10,{time + 299_999},15,7,4,6,0"]
    head = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore"
    )
    path = write(tmp_path, *([head] if header else []), *lines, name="BTCUSDT-5m-2026-05.csv")
    archive = read_archive(path, "klines", exchange="binance")
    assert archive.events == [
        Candle("binance", "BTCUSDT", STEP_MS, T0, 1, 2, 0.5, 1.5, 10.0, 15.0, 4.0),
    ]


def test_archive_metrics(tmp_path: Path) -> None:
    """Open interest in base coin at a naive UTC time; repeated rows and empty ratios do no harm."""
    line = "2026-05-25 16:00:00,BTCUSDT,99488.1,7719003148.8,1.2,,,"
    path = write(
        tmp_path,
        "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
        "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio",
        line,
        line,
        name="BTCUSDT-metrics-2026-05-25.csv",
    )
    archive = read_archive(path, "metrics", exchange="binance")
    assert archive.events == [OpenInterest("binance", "BTCUSDT", T0, 99488.1, 99488.1, "base")]
    assert archive.duplicates == 1


def test_single_liquidations(tmp_path: Path) -> None:
    """time, side, price, quantity; the same line twice is one event."""
    path = write(
        tmp_path, "time,side,price,quantity", f"{T0},long,100,2", f"{T0},short,101,1", f"{T0},long,100,2"
    )
    archive = read(path, "liquidations", interval_ms=None)
    assert archive.events == [
        Liquidation("binance", "BTCUSDT", T0, "long", 100.0, 2.0),
        Liquidation("binance", "BTCUSDT", T0, "short", 101.0, 1.0),
    ]
    assert archive.duplicates == 1


def test_captured_force_orders(shared_data: Path) -> None:
    """1,842 distinct lines are 1,837 events: five were written twice with the USD in another unit."""
    path = shared_data / "force_orders" / "binance_force_orders_20250126_20250206.csv"
    archive = read_archive(path, "liquidations", exchange="binance")
    events = [event for event in archive.events if isinstance(event, Liquidation)]
    assert (archive.rows, len(events), archive.duplicates, archive.bad_rows) == (3510, 1837, 1673, [])
    assert events[0] == Liquidation("binance", "LRCUSDT", 1737908829829, "long", 0.17057, 226.0)
    assert "BTCUSDC" in {event.symbol for event in events}
    of_btc = read(path, "liquidations", interval_ms=None)
    assert len(of_btc.events) == 31
    assert {event.symbol for event in of_btc.events} == {"BTCUSDT"}


def test_recorded_bars(shared_data: Path) -> None:
    """The shared 5m bars: every row a bar with its open interest, ascending, none bad."""
    events, bad = read_bars_file(
        shared_data / "binance_btcusdt_5m_20260525_20260603.csv",
        exchange="binance",
        symbol="BTCUSDT",
        interval_ms=STEP_MS,
    )
    bars = [event for event in events if isinstance(event, Candle)]
    assert (len(bars), bad) == (2401, [])
    assert [bar.open_time_ms for bar in bars] == sorted(bar.open_time_ms for bar in bars)
    assert sum(isinstance(event, OpenInterest) for event in events) == 2401


def test_bad_rows_are_named_and_good_ones_kept(tmp_path: Path) -> None:
    """Each bad row by its line and what is wrong with it."""
    path = write(
        tmp_path,
        HEADER,
        bar_line(0),
        bar_line(1, close="much"),
        f"{T0 + 2 * STEP_MS},100,200",
        f"{T0 + 3 * STEP_MS},-1,200,50,100",
        f"{T0 + 4 * STEP_MS},100,99,50,100",
        f"{T0 + 5 * STEP_MS + 1},100,200,50,100",
        bar_line(6, close="nan"),
        bar_line(7),
        bar_line(8),
    )
    archive = read(path)
    assert open_times(archive) == [T0, T0 + 7 * STEP_MS, T0 + 8 * STEP_MS]
    assert archive.bad_rows == [
        BadRow(3, "close is not a number: 'much'"),
        BadRow(4, "3 of 5 columns"),
        BadRow(5, "open is not above zero: '-1'"),
        BadRow(6, "high 99 and low 50 do not span open 100 and close 100"),
        BadRow(7, f"open_time {T0 + 5 * STEP_MS + 1} is no multiple of 5m"),
        BadRow(8, "close is not a number: 'nan'"),
    ]


def test_times_that_go_backwards_cost_only_themselves(tmp_path: Path) -> None:
    """A row before its predecessors is left out; so is one far in the future, and not all that follow it."""
    path = write(tmp_path, HEADER, *(bar_line(i) for i in (0, 1, 3, 1000, 4, 5, 2, 6)))
    archive = read(path)
    assert open_times(archive) == [T0 + i * STEP_MS for i in (0, 1, 3, 4, 5, 6)]
    assert bad_lines(archive) == [5, 8]


def test_one_time_with_two_stories_keeps_the_first(tmp_path: Path) -> None:
    """The same row again is a duplicate, another one for the same time is bad."""
    path = write(tmp_path, HEADER, bar_line(0), bar_line(1), bar_line(1), bar_line(1, close="101"))
    archive = read(path)
    assert (len(archive.events), archive.duplicates, bad_lines(archive)) == (2, 1, [5])


def test_an_unclosed_quote_costs_one_row(tmp_path: Path) -> None:
    """Quotes are taken off; one that is never closed does not swallow the rows behind it."""
    path = write(
        tmp_path, '"open_time","open","high","low","close"', bar_line(0), '"' + bar_line(1), bar_line(2)
    )
    assert len(read(path).events) == 3


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "it is empty"),
        (["", ""], "it is empty"),
        ([HEADER], "it has a header and no rows"),
        (
            ["time;open;high;low;close", "1;2;3;4;5"],
            "wrong header 'time;open;high;low;close'; expected open_time",
        ),
        ([bar_line(0), bar_line(1)], "wrong header"),
        ([HEADER, "x,1,1,1,1", "y,1,1,1,1"], "no usable row; line 2: open_time is not a time: 'x'"),
        ([HEADER, *(f"{T0 + i * HOUR_MS},1,1,1,1" for i in range(4))], "its rows are 1h apart, not 5m"),
    ],
)
def test_hopeless_files_are_refused(tmp_path: Path, lines: list[str], reason: str) -> None:
    """Empty, of another form, of another interval, without one good row."""
    with pytest.raises(ArchiveError) as refused:
        read(write(tmp_path, *lines))
    assert str(refused.value).startswith(reason)


def test_files_that_are_no_csv_are_refused(tmp_path: Path) -> None:
    """Missing, a folder, bytes, a zip that is none, a zip cut short, a zip of something else."""
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00" * 99)
    (tmp_path / "none.zip").write_bytes(b"PK nothing")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    whole = zipped(tmp_path, "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    reasons = {
        "missing.csv": "there is no such file",
        "": "it is a folder",
        "bytes.csv": "not a text file",
        "none.zip": "not a usable zip file",
        "other.zip": "the zip holds 0 .csv files",
        "cut.zip": "not a usable zip file",
    }
    for name, reason in reasons.items():
        with pytest.raises(ArchiveError, match=reason):
            read(tmp_path / name)


def zipped(folder: Path, name: str) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bars.csv", "\n".join([HEADER, *(bar_line(i) for i in range(5))]))
    return path


def test_a_zip_is_read_after_its_checksum(tmp_path: Path) -> None:
    """The right checksum beside it is told, a wrong one refuses the file."""
    path = zipped(tmp_path, "bars.zip")
    assert not read(path).checksum_verified
    beside = tmp_path / "bars.zip.CHECKSUM"
    beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  bars.zip\n")
    archive = read(path)
    assert (len(archive.events), archive.checksum_verified) == (5, True)
    beside.write_text(f"{'0' * 64}  bars.zip\n")
    with pytest.raises(ArchiveError, match=r"checksum in bars\.zip\.CHECKSUM does not match"):
        read(path)


def test_an_archives_name_is_believed_and_checked(tmp_path: Path) -> None:
    """A file named for another symbol or interval is refused."""
    path = write(tmp_path, HEADER, bar_line(0), name="ETHUSDT-1m-2026-05.csv")
    with pytest.raises(ArchiveError, match="by its name it is of ETHUSDT, not BTCUSDT"):
        read(path)
    with pytest.raises(ArchiveError, match="by its name it has 1m bars, not 5m"):
        read_archive(path, "klines", exchange="binance", interval_ms=STEP_MS)


def test_a_file_that_tells_no_symbol_needs_one(tmp_path: Path) -> None:
    """Bars without --symbol are refused, whatever they hold."""
    with pytest.raises(ArchiveError, match="name it with --symbol"):
        read_archive(write(tmp_path, HEADER, bar_line(0)), "bars", exchange="binance")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(alphabet="0123456789,.-eE\"'x \t", max_size=50), max_size=8))
def test_any_rows_are_read_named_or_refused(tmp_path: Path, lines: list[str]) -> None:
    """Nothing but ArchiveError comes out of a strange file, and every row is accounted for."""
    path = write(tmp_path, HEADER, bar_line(0), bar_line(1), *lines)
    archive = read(path)
    assert archive.rows == len(archive.events) + len(archive.bad_rows) + archive.duplicates
