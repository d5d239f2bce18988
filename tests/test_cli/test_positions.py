"""`liqstream positions`: a server's measured positions, and accounts from a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from liqstream.cli import main
from liqstream.store.market_store import MarketStore
from tests.support.account_bodies import address
from tests.support.exchange_rig import serving
from tests.support.loop_thread import LoopThread

BODY = {
    "symbol": "BTCUSDT",
    "measured": True,
    "source": "simulated",
    "state": "reading",
    "deadline_factor": 1.5,
    "sentence": "38 % of longs, 31 % of shorts, if open interest counts one side; median age 4 min",
    "data": [
        {
            "address": "0x1234..abcd",
            "side": "long",
            "usd": 1_234_567,
            "size": 12.5,
            "entry": None,
            "level": 95_000.5,
            "margin": "cross",
            "age_ms": 61_000,
            "moves_with_others": True,
        }
    ],
}


@pytest.fixture(name="url")
def _url() -> Iterator[str]:
    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/api/positions/BTCUSDT"
        return web.json_response(BODY)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    thread, serve = LoopThread(), serving(app)
    port = thread.run(serve.__aenter__())
    yield f"http://127.0.0.1:{port}"
    thread.run(serve.__aexit__(None, None, None))
    thread.stop()


def test_positions_are_printed(url: str) -> None:
    """With coverage, age, factor, and the label; as JSON as they came."""
    done = CliRunner().invoke(main, ["positions", "--url", url, "--symbol", "btc-usdt-swap"])
    assert done.exit_code == 0, done.output
    for words in ("(simulated)", "38 % of longs", "stretched by 1.5", "0x1234..abcd", "1,234,567", "61 s"):
        assert words in done.stdout
    assert "moves with its other positions" in done.stdout
    done = CliRunner().invoke(main, ["positions", "--json"], env={"LIQSTREAM_URL": url})
    assert json.loads(done.stdout) == BODY


def test_nobody_there() -> None:
    """One line."""
    done = CliRunner().invoke(main, ["positions", "--url", "http://127.0.0.1:9"])
    assert done.exit_code == 1
    assert "cannot reach" in done.stderr


def test_accounts_of_a_file_are_added_once(tmp_path: Path) -> None:
    """Wherever they stand in it; a file without any is refused."""
    file, db = tmp_path / "accounts.txt", tmp_path / "a.duckdb"
    file.write_text(f"# mine\n{address(1).upper().replace('0X', '0x')}, {address(2)}\n{address(1)}\n0x12\n")
    done = CliRunner().invoke(main, ["positions", "add", str(file), "--db", str(db)])
    assert done.exit_code == 0, done.output
    assert "2 accounts" in done.stdout
    done = CliRunner().invoke(main, ["positions", "add", str(file), "--db", str(db)])
    assert "0 of them new" in done.stdout

    async def known() -> list[tuple[str, str]]:
        store = await MarketStore.open(db)
        accounts, _ = await store.known_positions()
        await store.close()
        return [(each.address, each.source) for each in accounts]

    assert sorted(asyncio.run(known())) == [(address(1), "file"), (address(2), "file")]
    file.write_text("nothing")
    done = CliRunner().invoke(main, ["positions", "add", str(file), "--db", str(db)])
    assert done.exit_code == 1
    assert "names no account" in done.stderr
