"""`liqstream doctor`: every lack with its cure."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import duckdb
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from click.testing import CliRunner

from liqstream.cli import main
from liqstream.cli.doctor_checks import Check, _redis, examine
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue_state import change_document, read_document
from liqstream.settings.load import load_settings
from liqstream.settings.table import Settings
from tests.support.redis_server import running_redis


async def checks(tmp_path: Path, **settings: object) -> dict[str, Check]:
    chosen = await asyncio.to_thread(
        lambda: load_settings(**({"db_path": tmp_path / "x.duckdb", "port": unused_port()} | settings))
    )
    return {check.thing: check async for check in examine(chosen)}


async def test_a_sound_machine(tmp_path: Path) -> None:
    """Nothing is at fault for a simulated market on this machine."""
    found = await checks(tmp_path)
    assert {check.verdict for check in found.values()} <= {"ok", "advice"}
    assert "will be made" in found["database"].finding


async def test_every_lack_has_a_cure(tmp_path: Path) -> None:
    """Too few open files, a taken port, a file that is no database, no Redis: faults with cures."""
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"x" * 4096)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = await checks(
            tmp_path,
            ws_max_connections=1_000_000,
            port=taken.getsockname()[1],
            db_path=broken,
            redis_enabled=True,
            redis_url=f"redis://127.0.0.1:{unused_port()}",
        )
    assert found["open files"].verdict == "fault"
    assert "LimitNOFILE" in found["open files"].cure
    assert found["port"].verdict == "advice"
    assert found["database"].verdict == "fault"
    assert found["redis"].verdict == "fault"
    assert all(check.cure for check in found.values() if check.verdict != "ok")


@pytest.mark.redis
def test_redis_is_asked_for_all_that_a_server_needs(tmp_path: Path) -> None:
    """By every address a server takes; a user that may not subscribe or run scripts answers a ping, too."""
    with running_redis(tmp_path) as redis:
        url = f"redis://liq:secret@127.0.0.1:{redis.port}"
        for rights, verdict in (
            ("-@dangerous", "ok"),
            ("-subscribe", "fault"),
            ("-eval", "fault"),
            ("resetkeys", "fault"),
            ("resetchannels", "fault"),
        ):
            documented = ("~heatmap:*", "&heatmap:*", "+@all", "-@dangerous")
            redis.tell("ACL", "SETUSER", "liq", "reset", "on", ">secret", *documented, rights)
            found = _redis(Settings(redis_enabled=True, redis_url=url))
            assert (found.verdict, "secret" in found.finding) == (verdict, False), rights
    found = _redis(Settings(redis_enabled=True, redis_url=f"sentinel://127.0.0.1:{unused_port()}/liq"))
    assert "No master found" in found.finding


async def test_a_store_that_is_in_order(tmp_path: Path) -> None:
    """It is opened without a change and its bars are counted."""
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE candles (x INT)")
    found = await checks(tmp_path, db_path=path)
    assert found["database"].finding.endswith("opens, 0 bars")


async def _answering(status: int, date: str) -> TestServer:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Date": date})

    app = web.Application()
    app.router.add_get("/fapi/v1/ping", handle)
    server = TestServer(app)
    await server.start_server()
    return server


@pytest.mark.parametrize(("status", "verdict"), [(200, "ok"), (451, "fault"), (403, "fault")])
async def test_an_exchange_that_answers(tmp_path: Path, status: int, verdict: str) -> None:
    """A geo-block is a fault; a clock far from the exchange's is one too."""
    server = await _answering(status, "Thu, 01 Jan 2015 00:00:00 GMT")
    async with server:
        url = str(server.make_url("/")).rstrip("/")
        found = await checks(tmp_path, exchanges="binance,nosuch", binance_rest_url=url)
    assert found["binance"].verdict == verdict
    assert found["nosuch"].verdict == "fault"
    if status == 200:
        assert "its facts were checked" in found["binance"].finding
        assert found["clock"].verdict == "fault"
        assert "NTP" in found["clock"].cure


def test_the_command_says_it_in_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each; exit code 0 without a fault; a bad setting is one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQSTREAM_PORT", str(unused_port()))
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "python: Python 3" in done.output
    monkeypatch.setenv("LIQSTREAM_PORT", "many")
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 1
    assert "LIQSTREAM_PORT" in done.output


@pytest.mark.parametrize("verb", ["doctor", "show-config", "serve"])
def test_an_address_of_no_exchange_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """A misspelt name would leave the exchange at its own address, and nobody would see why."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQSTREAM_PORT", str(unused_port()))
    monkeypatch.setenv("LIQSTREAM_BINANCES_REST_URL", "http://127.0.0.1:1")
    done = CliRunner().invoke(main, [verb])
    assert done.exit_code == 1
    assert f"LIQSTREAM_BINANCES_REST_URL: no exchange 'binances'; one of {', '.join(VENUES)}" in done.output


def test_a_ban_is_forgotten_beside_a_running_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the exchanges named, through whatever proxy; a file that is not there holds none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQSTREAM_DB", str(tmp_path / "x.duckdb"))
    ask = ["doctor", "--retry-banned", "--exchange", "binance"]
    assert "no ban of binance" in CliRunner().invoke(main, ask).output
    path = tmp_path / "x.venues.json"
    ban = {"until_ms": 4_000_000_000_000, "since_ms": 1_790_000_000_000, "reason": "HTTP 418"}
    keys = ("fapi.binance.com via proxy:3128", "wss://fstream.binance.com", "api.bybit.com")
    change_document(path, lambda document: document.update({"bans": dict.fromkeys(keys, ban)}))
    done = CliRunner().invoke(main, ask)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [f"ban forgotten: {key}" for key in keys[:2]]
    assert list(read_document(path)["bans"]) == ["api.bybit.com"]


async def test_port_8443_is_a_fault(tmp_path: Path) -> None:
    """The address without it is named."""
    found = await checks(
        tmp_path, exchanges="okx", okx_ws_url="wss://ws.okx.com:8443", okx_rest_url="http://127.0.0.1:1"
    )
    assert found["exchange addresses"].verdict == "fault"
    assert "use wss://ws.okx.com" in found["exchange addresses"].finding
