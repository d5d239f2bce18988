"""What docs/operations.md tells an operator to do, done: backup and restore, reload, ports, TLS, systemd."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liqstream.heatmap.snapshot import iso_utc
from liqstream.store.market_store import MarketStore
from tests.attack.harness import Victim, attacked, healthy_beside, write_bars
from tests.support.certificates import write_certificate
from tests.support.markets import MINUTE_MS
from tests.support.server_process import spawn


async def _logged(server: Victim, event: str, *, within_s: float = 20) -> dict[str, str]:
    """The first log line of an event, once it is there."""
    async with asyncio.timeout(within_s):
        while f'"{event}"' not in server.log():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    line = next(line for line in server.log().splitlines() if f'"{event}"' in line)
    return dict(json.loads(line))


async def test_a_backup_is_written_while_serving_and_can_be_restored(tmp_path: Path) -> None:
    """SIGUSR1, where SIGUSR2 means nothing; from the copy, a store of its own, the same history is served."""
    with attacked(tmp_path) as server:
        async with healthy_beside(server), aiohttp.ClientSession(server.url) as session:
            server.process.send_signal(signal.SIGUSR2)
            server.process.send_signal(signal.SIGUSR1)
            backup = tmp_path / (await _logged(server, "backup_written"))["path"]
            async with session.get("/prices/klines", params={"symbol": "BTCUSDT", "limit": "50"}) as answer:
                served = (await answer.json())["data"][:10]
    restored = await MarketStore.open(backup)
    bars = await restored.bars("binance", "BTCUSDT", 5 * MINUTE_MS)
    await restored.close()
    stored = {iso_utc(time_ms): close for time_ms, close in zip(bars.open_time_ms, bars.close, strict=True)}
    assert len(served) == 10
    assert all(stored[bar["timestamp"]] == bar["close"] for bar in served)


def _answer(family: socket.AddressFamily, address: Any, request: bytes) -> bytes:
    with socket.socket(family) as peer:
        peer.settimeout(15)
        peer.connect(address)
        peer.sendall(request)
        return b"".join(iter(lambda: peer.recv(65536), b""))


@pytest.fixture
def own_ports() -> dict[str, str]:
    """Settings that give metrics and health addresses of their own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {"METRICS_HOST": "127.0.0.1", "METRICS_PORT": str(port), "HEALTH_SOCKET": "health.sock"}


def _addresses(ports: dict[str, str], folder: Path) -> tuple[tuple[socket.AddressFamily, Any], ...]:
    return (
        (socket.AF_INET, ("127.0.0.1", int(ports["METRICS_PORT"]))),
        (socket.AF_UNIX, str(folder / "health.sock")),
    )


def test_metrics_on_an_address_of_their_own(tmp_path: Path, own_ports: dict[str, str]) -> None:
    """Then the public port does not know them; what is no request is refused there in the same form."""
    with attacked(tmp_path, **own_ports) as server:
        for at in _addresses(own_ports, tmp_path):
            answer = _answer(*at, b"no request\r\n\r\n")
            assert b'{"error":"this is no HTTP request' in answer
            assert b"aiohttp" not in answer
        with urllib.request.urlopen(
            f"http://127.0.0.1:{own_ports['METRICS_PORT']}/metrics", timeout=5
        ) as answer:
            assert b"liqstream_ws_connections" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{server.url}/metrics", timeout=5)
        assert refused.value.code == 404
        refused.value.close()


@pytest.mark.attack
def test_who_sends_half_a_request_to_the_operator_s_ports_is_cut_off(
    tmp_path: Path, own_ports: dict[str, str]
) -> None:
    """As on the public port: within eleven seconds."""
    with attacked(tmp_path, **own_ports):
        for at in _addresses(own_ports, tmp_path):
            assert _answer(*at, b"GET /metrics HTTP/1.1\r\n") == b""


def _shown_certificate(server: Victim) -> bytes:
    return ssl.get_server_certificate((server.host, server.port)).encode()


async def test_tls_and_a_renewed_certificate(tmp_path: Path) -> None:
    """The server speaks TLS 1.2 or newer; SIGHUP takes in a new certificate without a lost connection."""
    write_certificate(tmp_path, "first")
    with attacked(tmp_path, TLS_CERT="cert.pem", TLS_KEY="key.pem") as server:
        first = await asyncio.to_thread(_shown_certificate, server)
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        context.check_hostname = False
        async with aiohttp.ClientSession() as session:
            url = f"wss://{server.host}:{server.port}/ws/heatmap"
            async with session.get(f"https://{server.host}:{server.port}/metrics", ssl=context) as answer:
                assert "\nliqstream_tls_certificate_expiry_timestamp_seconds 1." in await answer.text()
            async with session.ws_connect(url, ssl=context) as ws:
                await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"], "update_interval": 1})
                assert (await ws.receive_json())["type"] == "snapshot"
                write_certificate(tmp_path, "second")
                server.process.send_signal(signal.SIGHUP)
                async with asyncio.timeout(10):
                    while await asyncio.to_thread(_shown_certificate, server) == first:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                await ws.send_json({"action": "ping"})
                while (await ws.receive_json())["type"] != "pong":
                    pass
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection((server.host, server.port)) as plain, old.wrap_socket(plain) as secure:
            assert secure.version() == "TLSv1.2"


async def test_a_door_that_cannot_be_closed_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    """Without its token file the server does not start."""
    env = {"LIQSTREAM_TOKENS_FILE": "nowhere"}
    process = await spawn("serve", "--demo", "--port", "0", cwd=tmp_path, env=env)
    async with asyncio.timeout(30):
        assert await process.wait() == 1
    (line,) = (tmp_path / "stderr.log").read_text().splitlines()
    assert "cannot start" in line
    assert "nowhere" in line


async def test_systemd_hears_ready_alive_reloading_and_stopping(tmp_path: Path) -> None:
    """In this order, on its notify socket."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        write_bars(tmp_path / "bars.csv")
        arguments = ("serve", "--replay", "bars.csv", "--symbol", "BTCUSDT", "--port", "0")
        process = await spawn(*arguments, cwd=tmp_path, env=env)
        heard: list[str] = []

        async def until(word: str) -> None:
            async with asyncio.timeout(40):
                while not any(word in each for each in heard):
                    heard.append((await loop.sock_recv(manager, 1024)).decode())

        try:
            await until("READY=1")
            assert "STATUS=at http://127.0.0.1:" in heard[-1]
            await until("WATCHDOG=1")
            process.send_signal(signal.SIGHUP)
            await until("RELOADING=1")
            os.kill(process.pid, signal.SIGTERM)
            await until("STOPPING=1")
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
