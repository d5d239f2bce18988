"""A node's files of fills: every liquidation once, of both sides' lines, and the span that is known whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from liqstream.cli import main
from liqstream.file_import.files import ArchiveError
from liqstream.market import Liquidation, LiquidationSpan
from liqstream.positions.fill_file import import_fill_files, read_fill_file
from liqstream.positions.messages import LIQUIDATOR_VAULTS
from liqstream.store.market_store import MarketStore
from tests.support.recorded_data import TEST_DATA

LIQUIDATED, MAKER = f"0x{1:040x}", f"0x{2:040x}"
RECORDED = TEST_DATA / "exchange_messages" / "hyperliquid" / "ws_user_fill_liquidation.json"


def fill(trade_id: int, time_ms: int, **changes: Any) -> dict[str, Any]:
    """A fill of 2 BTC at 100; with `liquidation` a forced one."""
    plain = {"coin": "BTC", "px": "100", "sz": "2", "side": "B", "dir": "Open Long"}
    return {**plain, "time": time_ms, "tid": trade_id, **changes}


def forced(who: str = LIQUIDATED) -> dict[str, str]:
    """Who was liquidated by it."""
    return {"liquidatedUser": who, "markPx": "99", "method": "market"}


def block(*events: tuple[str, dict[str, Any]]) -> bytes:
    """A line of a node."""
    body = {"block_time": "2026-11-26T00:00:00", "block_number": 7, "events": events}
    return orjson.dumps(body) + b"\n"


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    (recorded,) = orjson.loads(RECORDED.read_bytes())["data"]["fills"]
    at_ms = recorded["time"]
    pepe = fill(5, at_ms + 5, coin="kPEPE", px="0.01", liquidation=forced())
    vault = fill(6, at_ms + 6, liquidation=forced(next(iter(LIQUIDATOR_VAULTS))))
    lines = [
        block((MAKER, fill(1, at_ms - 60_000)), (LIQUIDATED, fill(1, at_ms - 60_000, side="A"))),
        block((MAKER, recorded), (recorded["liquidation"]["liquidatedUser"], {**recorded, "side": "B"})),
        block((MAKER, pepe), (MAKER, vault)),
        b"not json\n",
        orjson.dumps([MAKER, fill(7, at_ms + 60_000, coin="@107", liquidation=forced())]) + b"\n",
    ]
    path = tmp_path / "5"
    path.write_bytes(b"".join(lines))
    return path


@pytest.mark.shared_data
def test_both_sides_lines_are_one_liquidation(path: Path) -> None:
    """Coins by the thousand singly; a vault, spot pairs and lines that are none are left out and counted."""
    found = read_fill_file(path)
    at_ms = 1781528065899
    recorded, pepe = found.liquidations.values()
    assert recorded == Liquidation("hyperliquid", "BTCUSDT", at_ms, "short", 66653.0, 0.001)
    assert (pepe.symbol, pepe.quantity_base) == ("PEPEUSDT", 2000.0)
    assert pepe.price_usd == pytest.approx(1e-5)
    assert len(found.liquidations) == 2
    assert (found.rows, found.duplicates, found.other_symbols) == (7, 1, 1)
    assert [bad.line for bad in found.bad_rows] == [4]
    spans = [each for each in found.records() if isinstance(each, LiquidationSpan)]
    assert spans == [
        LiquidationSpan("hyperliquid", symbol, at_ms - 60_000, at_ms + 60_000)
        for symbol in ("BTCUSDT", "PEPEUSDT")
    ]


@pytest.mark.shared_data
async def test_what_is_imported_is_complete(path: Path, tmp_path: Path) -> None:
    """In its span, so that a bar without a liquidation is a true zero; importing twice changes nothing."""
    db = tmp_path / "a.duckdb"
    missing = tmp_path / "missing"
    first = await import_fill_files([path, missing], "BTCUSDT", lambda: MarketStore.open(db))
    again = await import_fill_files([path], "BTCUSDT", lambda: MarketStore.open(db))
    assert (first.files[0].new_by_kind["liquidations"], first.refused) == (1, 1)
    assert first.files[0].other_symbols == 2
    assert again.files[0].new == 0
    store = await MarketStore.open(db)
    spans = await store.liquidation_spans("hyperliquid", "BTCUSDT", start_ms=0, end_ms=2**60)
    assert [end - start for start, end in spans] == [120_000]
    await store.close()


@pytest.mark.shared_data
def test_the_command(path: Path, tmp_path: Path) -> None:
    """It says what became of every row; other kinds are not in such a file."""
    given = ["--format", "hyperliquid-fills", "--db", str(tmp_path / "b.duckdb"), str(path)]
    done = CliRunner().invoke(main, ["import", "liquidations", *given])
    assert done.exit_code == 0, done.output
    assert "7 rows of hyperliquid fills" in done.output
    assert "2 liquidations" in done.output
    refused = CliRunner().invoke(main, ["import", "bars", *given])
    assert refused.exit_code == 2
    assert "holds liquidations, not bars" in refused.output


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\x04\x22\x4d\x18rest", "lz4 -d"), (b"a,b\n1,2\n", "no fills"), (b"", "no fills")],
)
def test_a_file_of_no_use(tmp_path: Path, content: bytes, reason: str) -> None:
    """One line that says why."""
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=reason):
        read_fill_file(path)
