"""Attacks on what is finite: descriptors, memory, series, patience. The long ones: `make attack`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.attack.harness import HEALTHY_P99_S, Victim, attacked, healthy_beside
from tests.attack.raw import PING, TEXT, RawSocket, connected, frame, handshake, request

MEGABYTE = 1 << 20
SUBSCRIBE = frame(TEXT, b'{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":1}')


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server that takes thousands, behind a trusted proxy at 127.0.0.1."""
    with attacked(
        tmp_path_factory.mktemp("victim"),
        WS_MAX_CONNECTIONS="4000",
        TRUSTED_PROXIES="127.0.0.1",
        REST_RATE="100000",
        REST_BURST="100000",
    ) as victim:
        yield victim


async def _strange_requests(victim: Victim, numbers: range) -> None:
    """Ask with paths, symbols, queries, addresses and agents made of the numbers."""
    async with aiohttp.ClientSession(victim.url) as session:
        for n in numbers:
            paths = (f"/x{n}", f"/api/heatmap/S{n}", f"/static/{n}", f"/?q={n}")
            headers = {"X-Forwarded-For": f"10.{n % 250}.{n // 250 % 250}.1", "User-Agent": f"a{n}"}
            async with session.get(paths[n % len(paths)], headers=headers) as answer:
                await answer.read()
    sock = await connected(victim)
    for n in numbers[:45]:
        sock.writer.write(frame(TEXT, f'{{"action":"subscribe","symbols":["S{n}"]}}'.encode()))
        await sock.receive()
    await sock.drop()


async def _series_of_a_server_whose_feed_speaks(victim: Victim) -> set[str]:
    async with asyncio.timeout(10):
        while True:
            series = set(await asyncio.to_thread(victim.metrics))
            if 'liqstream_feed_silence_seconds{exchange="binance"}' in series:
                return set(await asyncio.to_thread(victim.metrics))
            await asyncio.sleep(0.05)


async def _label_explosion(victim: Victim, count: int) -> None:
    async with healthy_beside(victim):
        await _strange_requests(victim, range(8))
    before = await _series_of_a_server_whose_feed_speaks(victim)
    await _strange_requests(victim, range(1000, 1000 + count))
    after = set(await asyncio.to_thread(victim.metrics))
    assert after == before


async def test_random_names_add_no_series(victim: Victim) -> None:
    """Paths, symbols, addresses and agents that were never seen before are counted under what was."""
    await _label_explosion(victim, 400)


@pytest.mark.attack
@pytest.mark.timeout(180)
async def test_ten_thousand_random_names_add_no_series(victim: Victim) -> None:
    """The same, at length."""
    await _label_explosion(victim, 10_000)


async def _reset(sock: RawSocket) -> None:
    """End a connection with RST, in the middle of whatever it was doing."""
    plain = sock.writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.writer.transport.abort()


async def test_clients_that_reset_leave_nothing(victim: Victim) -> None:
    """Sockets, descriptors and gauges return to what they were."""
    before = victim.descriptors()
    async with healthy_beside(victim):
        for _ in range(3):
            socks = [await connected(victim) for _ in range(60)]
            for sock in socks:
                sock.writer.write(SUBSCRIBE)
            await asyncio.gather(*(sock.receive() for sock in socks))
            for sock in socks:
                sock.writer.write(frame(TEXT, b"x" * 50, declared=200))
                await _reset(sock)
        await victim.settles(before + 1)
        assert (await asyncio.to_thread(victim.metrics))["liqstream_ws_connections"] == 1


async def test_clients_that_ask_read_nothing_and_leave(victim: Victim) -> None:
    """What waits to be answered when a blocked client goes is answered to nobody, without a traceback."""
    before = victim.descriptors()
    again = frame(TEXT, b'{"action":"unsubscribe","symbols":["BTCUSDT"]}') + SUBSCRIBE
    asking = SUBSCRIBE + again * 40 + frame(TEXT, b'{"action":"ping"}') * 10 + frame(PING) * 5
    socks = []
    for _ in range(10):
        status, _, sock = await handshake(victim, receive_buffer=4096)
        assert status == 101
        sock.writer.write(asking)
        socks.append(sock)
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(victim.metrics))["liqstream_ws_slow_connections"] < len(socks):
            await asyncio.sleep(0.1)
    for sock in socks:
        await _reset(sock)
    await victim.settles(before)
    assert "Traceback" not in victim.log()


@pytest.mark.attack
@pytest.mark.timeout(120)
async def test_half_sent_handshakes_are_cut_off(victim: Victim) -> None:
    """500 of them, for ten seconds and no longer; whoever comes beside them is served as ever."""
    before = victim.descriptors()
    half = []
    for _ in range(500):
        reader, writer = await asyncio.open_connection(victim.host, victim.port)
        writer.write(request(victim)[:-2])
        half.append((reader, writer))
    started_s = time.monotonic()
    async with healthy_beside(victim, p99_s=HEALTHY_P99_S):
        async with asyncio.timeout(12.5):
            await asyncio.gather(*(reader.read() for reader, _ in half))
        assert time.monotonic() - started_s > 8
    for _, writer in half:
        writer.close()
    await victim.settles(before)
    assert (await asyncio.to_thread(victim.metrics))['liqstream_refusals_total{reason="headers_late"}'] >= 500


async def test_running_out_of_descriptors_is_survived(tmp_path: Path) -> None:
    """More connections than the process may have files: the server lives, and serves again afterwards."""
    limit = 220
    with attacked(tmp_path, "prlimit", f"--nofile={limit}:{limit}") as victim:
        async with healthy_beside(victim):
            crowd = []
            for _ in range(limit + 80):
                sock = socket.socket()
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, (victim.host, victim.port))
                crowd.append(sock)
            async with asyncio.timeout(10):
                while victim.descriptors() < limit - 5:
                    await asyncio.sleep(0.05)
            for sock in crowd:
                sock.close()
            await victim.settles(limit // 2)
            async with asyncio.timeout(10):
                status, _, sock_after = await handshake(victim)
            assert status == 101
            await sock_after.drop()
        assert len(victim.log().splitlines()) < 100


async def _storm(victim: Victim, count: int) -> float:
    """`count` clients connect and subscribe at once; the seconds until each has a snapshot."""
    started_s = time.monotonic()

    async def one() -> RawSocket:
        status, _, sock = await handshake(victim)
        assert status == 101
        sock.writer.write(SUBSCRIBE)
        opcode, payload = await sock.receive()
        assert opcode == TEXT
        assert b'"type":"snapshot"' in payload
        return sock

    socks = await asyncio.gather(*(one() for _ in range(count)))
    took_s = time.monotonic() - started_s
    for sock in socks:
        await sock.drop()
    return took_s


async def test_a_reconnect_storm(victim: Victim) -> None:
    """300 clients at once are all served within seconds, and leave nothing behind."""
    before = victim.descriptors()
    assert await _storm(victim, 300) < 10
    await victim.settles(before)


@pytest.mark.attack
@pytest.mark.timeout(120)
async def test_a_reconnect_storm_of_two_thousand(victim: Victim) -> None:
    """Within ten seconds all are fresh; and storm after storm takes no more memory than the first."""
    before = victim.descriptors()
    assert await _storm(victim, 2000) < 10
    await victim.settles(before)
    after_first = victim.rss_bytes()
    for _ in range(3):
        await _storm(victim, 2000)
        await victim.settles(before)
    assert victim.rss_bytes() - after_first < 20 * MEGABYTE
    assert (await asyncio.to_thread(victim.metrics))["liqstream_ws_connections"] == 0


READER = """
import asyncio, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.attack.raw import TEXT, frame, handshake
from tests.attack.harness import Victim

async def main():
    victim = Victim(None, {host!r}, {port}, Path("/dev/null"))
    text = b'{{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":1}}'
    socks = []
    for _ in range(200):
        status, _, sock = await handshake(victim, receive_buffer=4096)
        assert status == 101
        sock.writer.write(frame(TEXT, text))
        socks.append(sock)
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.attack
@pytest.mark.timeout(240)
async def test_stopped_clients_are_let_go(tmp_path: Path) -> None:
    """200 clients in a SIGSTOPped process take little memory and are gone within a minute and a half."""
    with attacked(tmp_path, REPLAY_SPEED="6000") as victim:
        before, memory = victim.descriptors(), victim.rss_bytes()
        script = READER.format(root=str(Path.cwd()), host=victim.host, port=victim.port)
        reader = subprocess.Popen(  # noqa: ASYNC220 - it must be a process to be stopped
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout is not None
        try:
            assert reader.stdout.readline() == "ready\n"
            os.kill(reader.pid, signal.SIGSTOP)
            async with healthy_beside(victim, p99_s=HEALTHY_P99_S):
                await victim.settles(before + 1, within_s=150)
                assert victim.rss_bytes() - memory < 200 * 0.6 * MEGABYTE
        finally:
            reader.kill()
            reader.stdout.close()
            reader.wait()
