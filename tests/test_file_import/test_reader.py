"""Files of every form: what is read, what is left out and why, what is refused as a whole."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liqstream.file_import.files import ArchiveError
from liqstream.file_import.formats import KLINE_COLUMNS, Kind
from liqstream.file_import.reader import ArchiveFile, Inputs, read_archive, read_bars_file
from liqstream.file_import.row_checks import BadRow
from liqstream.market import Candle, FundingRate, Liquidation, LiquidationTotal, OpenInterest
from tests.support.store_records import STEP_MS, T0

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
    return [event.open_time_ms for event in archive.records if isinstance(event, Candle)]


def test_bars_with_open_interest_in_usd(tmp_path: Path) -> None:
    """USD open interest becomes base coin by the close, at the bar's close; the reported figure is kept."""
    path = write(
        tmp_path,
        "open_time,open,high,low,close,sum_open_interest_value,funding_rate",
        f"{T0},100,110,90,105,1050,0.0001",
        f"{T0 + STEP_MS},105,110,90,100,,0.0001",
    )
    assert read(path).records == [
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
    assert archive.records[:3] == [
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
    assert archive.records == [
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
    assert archive.records == [OpenInterest("binance", "BTCUSDT", T0, 99488.1, 99488.1, "base")]
    assert archive.duplicates == 1


def test_single_liquidations(tmp_path: Path) -> None:
    """time, side, price, quantity; the same line twice is one event."""
    path = write(
        tmp_path, "time,side,price,quantity", f"{T0},long,100,2", f"{T0},short,101,1", f"{T0},long,100,2"
    )
    archive = read(path, "liquidations", interval_ms=None)
    assert archive.records == [
        Liquidation("binance", "BTCUSDT", T0, "long", 100.0, 2.0),
        Liquidation("binance", "BTCUSDT", T0, "short", 101.0, 1.0),
    ]
    assert archive.duplicates == 1


def test_captured_force_orders(shared_data: Path) -> None:
    """1,842 distinct lines are 1,837 events: five were written twice with the USD in another unit."""
    path = shared_data / "force_orders" / "binance_force_orders_20250126_20250206.csv"
    archive = read_archive(path, "liquidations", exchange="binance")
    events = [event for event in archive.records if isinstance(event, Liquidation)]
    assert (archive.rows, len(events), archive.duplicates, archive.bad_rows) == (3510, 1837, 1673, [])
    assert events[0] == Liquidation("binance", "LRCUSDT", 1737908829829, "long", 0.17057, 226.0)
    assert "BTCUSDC" in {event.symbol for event in events}
    of_btc = read(path, "liquidations", interval_ms=None)
    assert len(of_btc.records) == 31
    assert {event.symbol for event in of_btc.records} == {"BTCUSDT"}


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
    assert (len(archive.records), archive.duplicates, bad_lines(archive)) == (2, 1, [5])


def test_an_unclosed_quote_costs_one_row(tmp_path: Path) -> None:
    """Quotes are taken off; one that is never closed does not swallow the rows behind it."""
    path = write(
        tmp_path, '"open_time","open","high","low","close"', bar_line(0), '"' + bar_line(1), bar_line(2)
    )
    assert len(read(path).records) == 3


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "it is empty"),
        (["", ""], "it is empty"),
        ([HEADER], "it has a header and no rows"),
        (
            ["when;open;high;low;close", "1;2;3;4;5"],
            "wrong header 'when,open,high,low,close'; expected open_time",
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
    assert (len(archive.records), archive.checksum_verified) == (5, True)
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
    assert archive.rows == len(archive.records) + len(archive.bad_rows) + archive.duplicates


LINES = [HEADER, *(bar_line(i) for i in range(4))]
TEXT = "\n".join(LINES) + "\n"


def kept_times(path: Path, **options: object) -> list[int]:
    return [(time_ms - T0) // STEP_MS for time_ms in open_times(read(path))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", TEXT.replace(",", ";").encode()),
        ("a.csv", TEXT.replace(",", ";").replace(";100;", ";100,0;").encode()),
        ("a.csv", TEXT.replace(",", "\t").encode()),
        ("a.csv", TEXT.encode("utf-16")),
        ("a.csv", TEXT.encode("utf-8-sig")),
        ("a.csv.gz", gzip.compress(TEXT.encode())),
        ("a.csv.gz", gzip.compress(TEXT.encode("utf-16"))),
        ("a.csv", "\n".join([HEADER, *LINES[:0:-1]]).encode()),
        ("a.csv", TEXT.replace("open_time", "date").encode()),
        ("a.csv", "\n".join([HEADER, *(line.replace("000,", ".5,", 1) for line in LINES[1:]), ""]).encode()),
    ],
    ids=[
        "semicolons",
        "decimal comma",
        "tabs",
        "UTF-16",
        "mark",
        "gzip",
        "both",
        "newest first",
        "date",
        "floats",
    ],
)
def test_files_in_other_forms_hold_the_same_bars(tmp_path: Path, name: str, content: bytes) -> None:
    """Whatever separates their columns, packs or orders them."""
    path = tmp_path / name
    path.write_bytes(content.replace(b".5,", b".000,"))
    assert kept_times(path) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("BTCUSD_PERP-5m-2026-05.csv", "BTCUSD_PERP, which is no USDT or USDC perpetual"),
        ("BTCUSDT_260626-5m-2026-05.csv", "BTCUSDT_260626, which is no USDT or USDC perpetual"),
        ("BTCBUSD-5m-2026-05.csv", "BTCBUSD, which is no USDT or USDC perpetual"),
        ("futures/cm/klines/BTCUSDT-5m-2026-05.csv", "COIN-M"),
        ("spot/monthly/klines/BTCUSDT-5m-2026-05.csv", "the spot market"),
        ("futures/um/markPriceKlines/BTCUSDT-5m-2026-05.csv", "mark prices"),
        ("futures/um/indexPriceKlines/BTCUSDT-5m-2026-05.csv", "index prices"),
        ("futures/um/premiumIndexKlines/BTCUSDT-5m-2026-05.csv", "premiums"),
    ],
)
@pytest.mark.parametrize("symbol", [None, "BTCUSDT"])
def test_archives_of_other_markets_and_prices_are_refused(
    tmp_path: Path, name: str, reason: str, symbol: str | None
) -> None:
    """With --symbol and without; a name of the user's own may lie in any folder."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path.parent, *LINES, name=path.name)
    with pytest.raises(ArchiveError, match=reason):
        read_archive(path, "bars", exchange="binance", symbol=symbol)
    own = write(path.parent, *LINES, name="btc_5m.csv")
    assert kept_times(own) == [0, 1, 2, 3]


def test_archives_of_bars_without_any_volume_are_refused(tmp_path: Path) -> None:
    """They are of another price, under a name of one's own too if all columns are the archive's; without a
    volume column, or in a form of one's own, they are taken."""
    lines = [HEADER + ",volume", *(bar_line(i) + ",0" for i in range(3))]
    with pytest.raises(ArchiveError, match="all its volumes are 0"):
        read(write(tmp_path, *lines, name="BTCUSDT-5m-2026-05-25.csv"))
    lines[2] = bar_line(1) + ",7"
    for name, kept in (("BTCUSDT-5m-2026-05-26.csv", lines), ("BTCUSDT-5m-2026-05-27.csv", LINES)):
        assert kept_times(write(tmp_path, *kept, name=name))[:3] == [0, 1, 2]
    assert kept_times(write(tmp_path, lines[0], bar_line(0) + ",0", name="mine.csv")) == [0]
    of_marks = [f"{bar_line(i)},0,{T0 + (i + 1) * STEP_MS - 1},0,12,0,0,0" for i in range(3)]
    for rows in (of_marks, [",".join(KLINE_COLUMNS), *of_marks]):
        with pytest.raises(ArchiveError, match="all its volumes are 0"):
            read(write(tmp_path, *rows, name="mark.csv"))


@pytest.mark.parametrize("kind", ["bars", "metrics", "liquidations"])
def test_a_symbol_column_is_obeyed(tmp_path: Path, kind: Kind) -> None:
    """In every form: each row is of its own market, also in the exchanges' own words."""
    names = ("BTCUSDT", "DOGE-USDT-SWAP", "ETH/USDT:USDT", "", "BTCUSD_PERP")
    rows = {
        "bars": ("open_time,open,high,low,close,symbol", "{time},1,1,1,1,{symbol}"),
        "metrics": ("time,sum_open_interest,symbol", "{time},5,{symbol}"),
        "liquidations": ("time,side,price,quantity,symbol", "{time},SELL,5,5,{symbol}"),
    }[kind]
    lines = [rows[1].format(time=T0 + i * STEP_MS, symbol=symbol) for symbol in names for i in range(3)]
    path = write(tmp_path, rows[0], *lines)
    found = read_archive(path, kind, exchange="okx", interval_ms=STEP_MS)
    assert {record.symbol for record in found.records} == {"BTCUSDT", "DOGEUSDT", "ETHUSDT"}
    assert len(found.records) == 9
    assert bad_lines(found) == list(range(11, 17))
    only = read_archive(path, kind, exchange="okx", symbol="ETHUSDT", interval_ms=STEP_MS)
    assert {record.symbol for record in only.records} == {"ETHUSDT"}


@pytest.mark.parametrize(
    ("zip_name", "members", "reason"),
    [
        ("BTCUSDT-5m-2026-05.zip", ["BTCUSDT-5m-2026-05.csv"], ""),
        ("BTCUSDT-5m-2026-05.zip", ["__MACOSX/._BTCUSDT-5m-2026-05.csv", "BTCUSDT-5m-2026-05.csv"], ""),
        ("BTCUSDT-5m-2026-05.zip", ["._x.csv", "BTCUSDT-5m-2026-05.csv"], ""),
        ("BTCUSDT-5m-2026-05.zip", ["BTCUSDT-5m-2026-04.csv"], "it holds BTCUSDT-5m-2026-04.csv"),
        ("BTCUSDT-5m-2026-05.zip", ["ETHUSDT-5m-2026-05.csv"], "it holds ETHUSDT-5m-2026-05.csv"),
        ("BTCUSDT-5m-2026-05.zip", ["BTCUSDT-1m-2026-05.csv"], "it holds BTCUSDT-1m-2026-05.csv"),
        ("BTCUSDT-5m-2026-05 (1).zip", ["BTCUSDT-5m-2026-05.csv"], ""),
        ("BTCUSDT-5m-2026-05.csv.zip", ["data/um/BTCUSDT-5m-2026-05.csv"], ""),
        ("BTCUSDT-5m-2026-05.zip", ["spot/BTCUSDT-5m-2026-05.csv"], "the spot market"),
        ("BTCUSDT-5m-2026-05.zip", ["um/markPriceKlines/BTCUSDT-5m-2026-05.csv"], "mark prices"),
        ("mine.zip", ["indexPriceKlines/BTCUSDT-5m-2026-05.csv"], "index prices"),
        ("spot/mine.zip", ["BTCUSDT-5m-2026-05.csv"], "the spot market"),
        ("mine.zip", ["BTCUSD_perp-5m-2026-05.csv"], "no USDT or USDC perpetual"),
        ("mine.zip", ["BTCUSD_PERP-5m-2026-05.csv"], "no USDT or USDC perpetual"),
        ("mine.zip", ["ETHUSDT-5m-2026-05.csv"], "by its name it is of ETHUSDT"),
        ("mine.zip", ["data.csv"], ""),
    ],
)
def test_a_zip_holds_what_its_name_says(
    tmp_path: Path, zip_name: str, members: list[str], reason: str
) -> None:
    """Symbol, interval and date of the member are those of the zip; what macOS adds is passed over."""
    path = tmp_path / zip_name
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, TEXT)
    if not reason:
        assert kept_times(path) == [0, 1, 2, 3]
        return
    with pytest.raises(ArchiveError, match=reason):
        read(path)


def test_words_for_an_unknown_value_leave_it_out(tmp_path: Path) -> None:
    """The bar stays."""
    header = HEADER + ",volume,open_interest,funding_rate,long_usd,short_usd"
    words = ("", "NaN", "null", "N/A", "None")
    path = write(tmp_path, header, *(bar_line(i) + f",{w}" * 5 for i, w in enumerate(words)))
    found = read(path)
    assert (found.bad_rows, len(found.records)) == ([], 5)


def test_rows_of_the_future_and_impossible_ones_are_bad(tmp_path: Path) -> None:
    """So is what is not over: what a bar or a total has so far would stand as its last word."""
    lines = [bar_line(i) for i in range(6)]
    lines[1] = f"{T0 + STEP_MS},100,1e12,50,100"
    path = write(tmp_path, HEADER, *lines)
    inputs = Inputs(now_ms=lambda: T0 + 3 * STEP_MS)
    asked = partial(read_archive, exchange="okx", symbol="BTCUSDT", interval_ms=STEP_MS, inputs=inputs)
    found = asked(path, "bars")
    assert [bad.reason for bad in found.bad_rows] == [
        "a price beyond 1e-12 to 1e9 USD, which no market can have had",
        "it has not ended yet",
        "it has not ended yet",
        f"time {T0 + 5 * STEP_MS} is in the future",
    ]
    assert ((np.array(open_times(found)) - T0) // STEP_MS).tolist() == [0, 2]
    totals = [f"{T0 + i * STEP_MS},5,6" for i in range(4)]
    path = write(tmp_path, "open_time,long_usd,short_usd", *totals, name="totals.csv")
    assert bad_lines(asked(path, "liquidations")) == [5]
    path = write(tmp_path, "time,funding_rate", *(f"{T0 + i * STEP_MS},0.0001" for i in (3, 5)), name="f.csv")
    assert bad_lines(asked(path, "funding")) == [3]


def test_a_bar_far_from_its_neighbours_is_bad(tmp_path: Path) -> None:
    """A wick and a split are confirmed by the next bar."""
    rows = ["100,100,100,100", "9e6,9e6,9e6,9e6", "100,100,0.03,100", "100,100,100,100", "0.1,0.1,0.1,0.1"]
    rows.append(rows[-1])
    path = write(tmp_path, HEADER, *(f"{T0 + i * STEP_MS},{row}" for i, row in enumerate(rows)))
    found = read(path)
    assert kept_times(path) == [0, 2, 3, 4, 5]
    assert "no next bar confirms it" in found.bad_rows[0].reason


def test_the_first_bad_row_is_the_reason(tmp_path: Path) -> None:
    """Not what follows from it."""
    no_close = [f"{T0 + i * STEP_MS},100,200,50," for i in range(3)]
    with pytest.raises(ArchiveError, match="line 2: close is not a number"):
        read(write(tmp_path, HEADER, *no_close), interval_ms=None)
    with pytest.raises(ArchiveError, match=r"line 2: close is not a number.*; of the other rows: the int"):
        read(write(tmp_path, HEADER, no_close[0], bar_line(5)), interval_ms=None)


METRICS_DAY_MS = 1_782_345_600_000


@pytest.mark.parametrize(
    ("name", "exchange", "moved"),
    [
        ("BTCUSDT-metrics-2026-06-25.csv", "binance", [5, 10]),
        ("mine.csv", "binance", [5, 10]),
        ("BTCUSDT-metrics-2026-06-24.csv", "binance", [0, 10]),
        ("mine.csv", "okx", [0, 5]),
    ],
)
def test_binance_s_metrics_are_of_the_end_of_their_five_minutes(
    tmp_path: Path, name: str, exchange: str, moved: list[int]
) -> None:
    """From 2026-06-25 on the archive names their beginning; the file of the day before ends at midnight."""
    lines = [f"{METRICS_DAY_MS + minutes * 60_000},BTCUSDT,{50 + minutes}" for minutes in (-5, 0, 5)]
    path = write(tmp_path, "create_time,symbol,sum_open_interest", *lines, name=name)
    found = read_archive(path, "metrics", exchange=exchange)
    times = [record.time_ms for record in found.records if isinstance(record, OpenInterest)]
    assert [(time_ms - METRICS_DAY_MS) // 60_000 for time_ms in times] == [-5, *moved]


def test_the_archive_of_funding(tmp_path: Path) -> None:
    """As Binance publishes it."""
    lines = ("calc_time,funding_interval_hours,last_funding_rate", f"{T0},8,0.0001", f"{T0 + 1},8,0.0002")
    archive = read(write(tmp_path, *lines, name="BTCUSDT-fundingRate-2026-05.csv"), "funding")
    assert archive.records[0] == FundingRate("binance", "BTCUSDT", T0, 0.0001)
    assert not archive.bad_rows


@pytest.mark.parametrize("price", ["77.000,5", "1.234.567", "77,000.5"])
def test_marks_of_thousands_are_refused(tmp_path: Path, price: str) -> None:
    """Other fields of the file have them alone, and 77.000 would be 77 there."""
    row = f"{T0};77.000;78.000;76.000;{price}"
    with pytest.raises(ArchiveError, match="marks of thousands"):
        read(write(tmp_path, "open_time;open;high;low;close", row))


def test_bars_margined_in_coins_are_refused_by_their_symbol(tmp_path: Path) -> None:
    """Also where no column names it."""
    path = write(tmp_path, "open_time,open,high,low,close", *map(bar_line, range(3)))
    with pytest.raises(ArchiveError, match="margined in coins"):
        read_archive(path, "bars", exchange="bybit", symbol="BTCUSD", interval_ms=STEP_MS)


def test_funding_files(tmp_path: Path) -> None:
    """Every row stays, also where the rate is the same."""
    path = write(tmp_path, "time,funding_rate", f"{T0},0.0001", f"{T0 + 8 * HOUR_MS},0.0001")
    assert len(read(path, "funding").records) == 2


@pytest.mark.parametrize("symbol", ["1000PEPEUSDT", None])
def test_files_of_contracts_by_the_thousand_are_taken_by_coin(tmp_path: Path, symbol: str | None) -> None:
    """By --symbol or by a column; prices per coin."""
    header, end = (HEADER, "") if symbol else (HEADER + ",symbol", ",1000PEPEUSDT")
    path = write(tmp_path, header, *(f"{bar_line(i)}{end}" for i in range(3)))
    found = read_archive(path, "bars", exchange="okx", symbol=symbol, interval_ms=STEP_MS)
    candle = found.records[0]
    assert isinstance(candle, Candle)
    assert (candle.symbol, candle.close) == ("PEPEUSDT", 0.1)


def test_files_joined_in_another_order_are_sorted(tmp_path: Path) -> None:
    """Months by name, newest first, or no order at all: every row is there. A wild time costs itself."""
    for order in ([*range(20, 40), *range(20)], [(i * 17) % 40 for i in range(40)]):
        found = read(write(tmp_path, HEADER, *map(bar_line, order)))
        assert (found.bad_rows, open_times(found)) == ([], [T0 + i * STEP_MS for i in range(40)])
    found = read(write(tmp_path, HEADER, *map(bar_line, [*range(10), 2000, *range(10, 30), -2000])))
    assert bad_lines(found) == [12, 33]


def test_a_column_of_intervals_is_obeyed(tmp_path: Path) -> None:
    """Hours among bars of five minutes are none of them."""
    lines = [f"{bar_line(i)},5m" for i in range(30)] + [f"{bar_line(12 * i)},1H" for i in range(3, 9)]
    path = write(tmp_path, f"{HEADER},timeframe", *lines)
    for asked in (None, STEP_MS):
        found = read(path, interval_ms=asked)
        assert open_times(found) == [T0 + i * STEP_MS for i in range(30)]
        assert found.bad_rows[0].reason == "its interval is 1h, not 5m"
    assert len(read(path, interval_ms=HOUR_MS).records) == 6


def test_a_bar_that_is_not_confirmed_is_left_out(tmp_path: Path) -> None:
    """OKX's archive has the one that still forms; a column of another meaning says nothing."""
    lines = [f"{bar_line(i)},{int(i < 3)},100.5" for i in range(4)]
    found = read(write(tmp_path, f"{HEADER},confirm,final", *lines))
    assert (len(found.records), found.bad_rows) == (3, [BadRow(5, "it has not ended yet")])


@pytest.mark.parametrize("turnover", ["5", "50000"])
def test_a_turnover_that_is_not_of_the_volume_is_refused(tmp_path: Path, turnover: str) -> None:
    """The volume is in USD, or in contracts; one odd row among sound ones is none of that."""
    header = f"{HEADER},volume,quote_volume"
    path = write(tmp_path, header, *(f"{bar_line(i)},5,{turnover}" for i in range(4)))
    with pytest.raises(ArchiveError, match="its volume is not in base coin"):
        read(path)
    path = write(tmp_path, header, *(f"{bar_line(i)},5,{turnover if i == 2 else 500}" for i in range(4)))
    assert len(read(path).records) == 4


@pytest.mark.parametrize("name", ["BTCEUR", "BTC/TRY", "ETHBTC", "BTCFDUSD"])
def test_pairs_that_are_not_quoted_in_usd_are_refused(tmp_path: Path, name: str) -> None:
    """Their prices were stored as those of a market BTCEURUSDT."""
    path = write(tmp_path, f"{HEADER},symbol", *(f"{bar_line(i)},{name}" for i in range(3)))
    with pytest.raises(ArchiveError, match=r"not quoted in USD|symbol is none"):
        read_archive(path, "bars", exchange="lighter", interval_ms=STEP_MS)
    if name.isalpha():
        with pytest.raises(ArchiveError, match="not quoted in USD"):
            read_archive(path, "bars", exchange="lighter", symbol=name, interval_ms=STEP_MS)


def test_thousands_in_quotes_are_refused(tmp_path: Path) -> None:
    """Small numbers have no mark: some rows were taken and the others left out."""
    path = write(tmp_path, f"{HEADER},volume", f"{bar_line(0)},999.5", f'{bar_line(1)},"1,999.5"')
    with pytest.raises(ArchiveError, match="marks of thousands"):
        read(path)


def test_open_interest_in_coins_that_is_none_is_refused(tmp_path: Path) -> None:
    """USD in both columns, contracts in the first, USD in the only one; where they are of one market, coins
    are taken."""
    header = f"{HEADER},sum_open_interest,sum_open_interest_value"
    for base, usd in ((5000, 5000), (500_000, 5000)):
        path = write(tmp_path, header, *(f"{bar_line(i)},{base},{usd}" for i in range(3)))
        with pytest.raises(ArchiveError, match=r"open interest is .* coins and 5000 USD at a price of 100"):
            read(path)
    with pytest.raises(ArchiveError, match=r"open interest is beyond 1e\+12 USD"):
        read(write(tmp_path, f"{HEADER},open_interest", *(f"{bar_line(i)},5e10" for i in range(3))))
    found = read(write(tmp_path, header, f"{bar_line(0)},50,5100"))
    assert found.records[0] == OpenInterest("binance", "BTCUSDT", T0 + STEP_MS, 50.0, 50.0, "base")


@pytest.mark.parametrize("average", ["0", "", "0.0"])
def test_an_order_without_an_average_price_has_its_limit(tmp_path: Path, average: str) -> None:
    """It is reported before its fill; one with neither is bad."""
    header = "time,side,price,average_price,quantity"
    rows = [f"{T0},sell,99,{average},2", f"{T0 + 1},sell,99,98,2", f"{T0 + 2},sell,0,{average},2"]
    found = read(write(tmp_path, header, *rows), "liquidations")
    assert [each.price_usd for each in found.records if isinstance(each, Liquidation)] == [99.0, 98.0]
    assert bad_lines(found) == [4]


def test_files_of_the_exchanges_own_names(tmp_path: Path) -> None:
    """As their REST interfaces call what they answer."""
    path = write(tmp_path, "symbol,fundingRate,fundingRateTimestamp", f"BTCUSDT,0.0001,{T0}")
    rates = read_archive(path, "funding", exchange="bybit").records
    assert rates == [FundingRate("bybit", "BTCUSDT", T0, 0.0001)]
    path = write(tmp_path, "instId,ts,oi,oiCcy,oiUsd", f"BTC-USDT-SWAP,{T0},5000,50,5000000")
    assert read_archive(path, "metrics", exchange="okx").records == [
        OpenInterest("okx", "BTCUSDT", T0, 50.0, 50.0, "base")
    ]
