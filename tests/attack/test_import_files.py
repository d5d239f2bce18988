"""Files for `liqstream import`, damaged in every way files are: each ends in sound records or a reason."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from liqstream.file_import.formats import Kind
from liqstream.file_import.importer import FileReport, ImportReport, import_files
from liqstream.positions.fill_file import import_fill_files
from liqstream.store.market_store import MarketStore
from tests.support.import_lines import FILLS, STRANGE_FIELDS, lines_of
from tests.support.seeds import new_seed

KINDS: tuple[Kind, ...] = ("bars", "klines", "metrics", "funding", "liquidations")
FORMS = (*KINDS, FILLS)
Rows = list[list[str]]


def with_cell(rows: Rows, chance: random.Random) -> None:
    """A field is something else."""
    row = chance.choice(rows)
    row[chance.randrange(len(row))] = chance.choice(STRANGE_FIELDS)


def with_column(rows: Rows, chance: random.Random) -> None:
    """A whole column is something else."""
    at, text = chance.randrange(len(rows[0])), chance.choice(STRANGE_FIELDS)
    for row in rows[1:]:
        if at < len(row):
            row[at] = text


def with_unit(rows: Rows, chance: random.Random) -> None:
    """Numbers are in another unit: s, us or ns instead of ms, thousands, negative."""
    at, factor = chance.randrange(len(rows[0])), chance.choice(["e3", "e6", "e-3", "e-9", "e300", "e-320"])
    for row in rows[1:]:
        if at < len(row) and row[at].replace(".", "").isdigit():
            row[at] = repr(float(row[at] + factor)) if chance.random() < 0.5 else "-" + row[at]


def shuffled_columns(rows: Rows, chance: random.Random) -> None:
    """Columns stand in another order."""
    order = list(range(len(rows[0])))
    chance.shuffle(order)
    rows[:] = [[row[at] for at in order] if len(row) == len(order) else row for row in rows]


def shuffled_rows(rows: Rows, chance: random.Random) -> None:
    """Rows stand in another order, or the newest first."""
    body = rows[1:]
    body.reverse() if chance.random() < 0.5 else chance.shuffle(body)
    rows[1:] = body


def repeated_rows(rows: Rows, chance: random.Random) -> None:
    """Some rows are there twice, the second now and then with another figure."""
    for row in chance.sample(rows, min(len(rows), 5)):
        again = list(row)
        if chance.random() < 0.5:
            again[-1] = chance.choice(STRANGE_FIELDS)
        rows.insert(chance.randrange(len(rows) + 1), again)


def without_header(rows: Rows, chance: random.Random) -> None:
    """The first line is gone, or stands in the middle again."""
    header = rows.pop(0)
    if chance.random() < 0.5 or not rows:
        rows.insert(chance.randrange(len(rows) + 1), header)


def torn_rows(rows: Rows, chance: random.Random) -> None:
    """Rows have a field less or more."""
    for row in chance.sample(rows, min(len(rows), 3)):
        row.pop() if chance.random() < 0.5 and len(row) > 1 else row.append("1")


def mixed_symbols(rows: Rows, chance: random.Random) -> None:
    """A column of symbols that do not agree."""
    names = ["BTCUSDT", "ETHUSDT", "kPEPE", "1000PEPEUSDT", "", "BTC-USD", "\u5e01USDT", "BTC\u0661USDT"]
    rows[0].append("symbol")
    for row in rows[1:]:
        row.append(chance.choice(names))


ROW_CHANGES: tuple[Callable[[Rows, random.Random], None], ...] = (
    with_cell,
    with_column,
    with_unit,
    shuffled_columns,
    shuffled_rows,
    repeated_rows,
    without_header,
    torn_rows,
    mixed_symbols,
)


def encoded(rows: Rows, chance: random.Random) -> bytes:
    """Lines of text as some program writes them."""
    delimiter = chance.choice([",", ",", ",", ";", "\t", "|"])
    end = chance.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
    quote = chance.choice(["", "", '"'])
    text = end.join(delimiter.join(f"{quote}{each}{quote}" for each in row) for row in rows)
    text += chance.choice(["", end, "\x00", end * 3])
    encoding = chance.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-7", "cp037"])
    return text.encode(encoding, "replace")


def torn(raw: bytes, chance: random.Random) -> bytes:
    """A part of the bytes is missing, wrong or there twice; as often nothing is."""
    cut = bytearray(raw)
    at = chance.randrange(len(cut)) if cut else 0
    match chance.randrange(8):
        case 0:
            del cut[at:]
        case 1:
            cut[at : at + 1] = bytes([chance.randrange(256)])
        case 2:
            del cut[at : at + chance.randint(1, 50)]
        case 3:
            cut[at:at] = cut[max(0, at - 40) : at]
        case _:
            pass
    return bytes(cut)


def packed(raw: bytes, suffix: str, chance: random.Random, stem: str) -> bytes:
    """As the file's name says it is packed; now and then it is not."""
    if chance.random() < 0.1:
        return raw
    if suffix == ".csv.gz":
        whole = gzip.compress(raw, 1)
        return whole + whole if chance.random() < 0.1 else whole
    if suffix == ".zip":
        buffer = io.BytesIO()
        kind = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
        names = [f"{stem}.csv", "__MACOSX/._x.csv", "../up.csv", "b.csv", "a" * 300 + ".csv", "readme.txt"]
        with zipfile.ZipFile(buffer, "w", kind) as archive:
            for name in names[: chance.choice([1, 1, 1, 2, 4])] if chance.random() < 0.9 else ["x/"]:
                archive.writestr(name, raw)
        return buffer.getvalue()
    return raw


def parquet(rows: Rows, path: Path, chance: random.Random) -> bytes:
    """A Parquet file of the rows: texts, or what DuckDB takes the columns for."""
    csv = path.with_suffix(".plain.csv")
    csv.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    typed = "" if chance.random() < 0.5 else ", all_varchar = true"
    with duckdb.connect() as connection:
        try:
            connection.execute(
                f"COPY (SELECT * FROM read_csv('{csv}'{typed}, ignore_errors = true)) "
                f"TO '{path}' (FORMAT parquet)"
            )
        except duckdb.Error:
            path.write_bytes(csv.read_bytes())
    return path.read_bytes()


def damaged_file(folder: Path, form: str, chance: random.Random) -> Path:
    """A file of a form, after some changes of its rows and of its bytes."""
    rows = lines_of(form, chance)
    for change in chance.choices(ROW_CHANGES, k=chance.choice([0, 1, 1, 2, 3])):
        if len(rows) > 1:
            change(rows, chance)
    suffix = chance.choice([".csv", ".csv", ".csv.gz", ".zip", ".parquet"])
    stem = chance.choice(["rows", "BTCUSDT-1m-2026-10", "BTCUSDT-metrics-2026-10-01", "ETHUSDT-1m-2026-13"])
    path = folder / f"{stem}{suffix}"
    if form == FILLS:
        raw = "\n".join(row[0] for row in rows).encode("utf-8", "surrogatepass")
    elif suffix == ".parquet":
        raw = parquet(rows, path, chance)
    else:
        raw = packed(encoded(rows, chance), suffix, chance, stem)
    path.write_bytes(torn(raw, chance))
    return path


async def imported(paths: Sequence[Path], form: str, db: Path, symbol: str | None) -> ImportReport:
    """What the command does."""
    if form == FILLS:
        return await import_fill_files(paths, symbol, lambda: MarketStore.open(db))
    (kind,) = (each for each in KINDS if each == form)
    return await import_files(
        paths,
        kind,
        exchange="binance",
        symbol=symbol,
        interval_ms=None,
        open_store=lambda: MarketStore.open(db),
    )


def flaws(report: FileReport) -> str:
    """What no account of a file may be."""
    if report.refused:
        return "" if "\n" not in report.refused and len(report.refused) < 600 else report.refused
    if not report.form:
        return "neither refused nor read"
    lines = [bad.reason for bad in report.bad_rows]
    return "" if all(line and "\n" not in line and len(line) < 400 for line in lines) else str(lines)


async def check_store(db: Path) -> None:
    """Nothing is in it that no market can have had, and everything can be read."""
    store = await MarketStore.open(db)
    try:
        summary = await store.summary()
        for market in summary:
            assert market.symbol.endswith(("USDT", "USDC", "USD")), market
            if market.interval_ms:
                bars = await store.bars(market.exchange, market.symbol, market.interval_ms)
                assert (bars.low > 0).all()
                assert (bars.high < 1e10).all()
            found = await store.liquidations(market.symbol, start_ms=0, end_ms=2**62)
            assert (found.price_usd * found.quantity_base <= 1e12).all()
    finally:
        await store.close()


async def attack(folder: Path, form: str, seed: int) -> int:
    """Import a damaged file twice; how many records were new."""
    chance = random.Random(seed)
    path, db = damaged_file(folder, form, chance), folder / "market.duckdb"
    symbol = chance.choice(["BTCUSDT", "BTCUSDT", None])
    first = await imported([path], form, db, symbol)
    (report,) = first.files
    assert not (flaw := flaws(report)), flaw
    again = await imported([path], form, db, symbol)
    assert (again.files[0].new, again.files[0].replaced) == (0, 0), (report, again.files[0])
    if report.new:
        await check_store(db)
    return report.new


def zip_bomb(path: Path) -> None:
    """A few kilobytes that unpack to 5 GiB, by a central directory that says so."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bars.csv", b"0" * 10_000_000)
    raw = path.read_bytes()
    at = raw.index(b"PK\x01\x02") + 24
    path.write_bytes(raw[:at] + (0xFFFFFFF0).to_bytes(4, "little") + raw[at + 4 :])


@pytest.mark.parametrize("form", FORMS)
def test_names_that_are_no_files(form: str, tmp_path: Path) -> None:
    """Folders, loops, pipes and bombs: each is refused with a reason, or not looked at; nothing hangs."""
    data = tmp_path / "data"
    (data / "folder.csv").mkdir(parents=True)
    (data / "loop.csv").symlink_to(data / "loop.csv")
    (data / "up").symlink_to(data)
    (data / "gone.csv.gz").symlink_to(data / "nowhere")
    os.mkfifo(data / "pipe.csv")
    zip_bomb(data / "bomb.zip")
    (data / "bomb.csv.gz").write_bytes(gzip.compress(b"0" * 50_000_000))
    for name in ("empty.csv", "empty.csv.gz", "empty.zip", "empty.parquet"):
        (data / name).touch()
    if os.geteuid():
        (data / "closed.csv").touch(mode=0)
    paths = [data / "folder.csv", data / "missing.csv", Path("/proc/self/mem"), Path("/dev/null")]
    paths += [] if form == FILLS else [data]
    report = asyncio.run(imported(paths, form, tmp_path / "market.duckdb", "BTCUSDT"))
    assert [(file.path.name, flaws(file)) for file in report.files if not file.refused or flaws(file)] == []
    assert len(report.files) == (4 if form == FILLS else 3 + 8)
    assert "pipe.csv" not in {file.path.name for file in report.files}


@pytest.mark.parametrize("form", FORMS)
def test_damaged_files(form: str, tmp_path: Path) -> None:
    """The same in each run; `make attack` looks for new ones."""
    attack_many(form, tmp_path, range(8))


@pytest.mark.attack
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", FORMS)
def test_thousands_of_damaged_files(form: str, tmp_path: Path) -> None:
    """Others each time, from a seed that is printed where one fails."""
    first = new_seed()
    attack_many(form, tmp_path, range(first, first + 2000))


def attack_many(form: str, tmp_path: Path, seeds: range) -> None:
    taken = 0
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            taken += asyncio.run(attack(folder, form, seed)) > 0
        except Exception as error:
            raise AssertionError(f"{form}, seed {seed}: {error!r}") from error
    assert taken > len(seeds) / 20, "hardly any file was taken: nothing was tested"
