"""Attacks at the door: strangers' pages, floods of connections, forged addresses, guessed tokens."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from liqstream.admission.tokens import new_token, token_line
from tests.attack.harness import Victim, healthy_beside
from tests.attack.raw import TEXT, RawSocket, connected, frame, handshake
from tests.faults.tcp_proxy import TcpProxy

XFF = "X-Forwarded-For"
LATENCY_S = 0.4
"""Of each way of a slow line."""


@pytest.mark.parametrize(
    "origin",
    ["null", "https://evil-{host}", "http://{host}.evil.net", "ftp://{host}:{port}", "http://{host}:1",
     "http://{host}:{port}@evil.net", "https://app.example.evil.net", "http://app.example"],
)  # fmt: skip
async def test_a_strangers_page_is_refused_before_the_upgrade(victim: Victim, origin: str) -> None:
    """403, whatever the spelling; a program without Origin and our own page come in."""
    status, _, sock = await handshake(victim, {"Origin": origin.format(host=victim.host, port=victim.port)})
    assert status == 403
    await sock.drop()
    for allowed in (f"http://{victim.host}:{victim.port}", "https://app.example"):
        await (await connected(victim, {"Origin": allowed})).drop()


async def _crowd(
    victim: Victim, count: int, headers: Mapping[str, str]
) -> tuple[list[RawSocket], dict[int, int]]:
    """Ask for `count` sockets at once: those that got in, and how often each status was answered."""
    answers = await asyncio.gather(*(handshake(victim, headers) for _ in range(count)))
    statuses: dict[int, int] = {}
    inside = []
    for status, answered, sock in answers:
        statuses[status] = statuses.get(status, 0) + 1
        if status == 101:
            inside.append(sock)
        else:
            assert int(answered["retry-after"]) > 0
            await sock.drop()
    return inside, statuses


async def test_a_flood_from_one_address_and_then_from_many(victim: Victim) -> None:
    """One address gets its cap (429), all together the server's (503); then everything is given back."""
    before = victim.descriptors()
    async with healthy_beside(victim, {XFF: "198.51.100.1"}):
        one, statuses = await _crowd(victim, 50, {XFF: "203.0.113.1"})
        assert statuses == {101: 20, 429: 30}
        v6, statuses = await _crowd(victim, 30, {XFF: "2001:db8:0:7::1"})
        assert statuses == {101: 20, 429: 10}
        _, answered, sock = await handshake(victim, {XFF: "2001:db8:0:7:ffff::9"})
        assert "retry-after" in answered, "the same /64 is the same customer"
        await sock.drop()
        rest, statuses = await _crowd(victim, 40, {XFF: "203.0.113.2"})
        assert statuses == {101: 19, 503: 21} or statuses == {101: 19, 429: 20, 503: 1}
        for sock in (*one, *v6, *rest):
            await sock.drop()
        await victim.settles(before + 1)
    (await asyncio.gather(connected(victim, {XFF: "203.0.113.1"})))[0].writer.close()


async def test_a_forged_address_is_worth_nothing(victim: Victim) -> None:
    """Straight to us the header is ignored; through the proxy only its own entry counts."""
    direct = [await handshake(victim, {XFF: f"1.2.3.{n}"}, source="127.0.0.2") for n in range(22)]
    assert [status for status, _, _ in direct] == [101] * 20 + [429] * 2
    behind = [await handshake(victim, {XFF: f"9.9.9.{n}, garbage, 203.0.113.77"}) for n in range(22)]
    assert [status for status, _, _ in behind] == [101] * 20 + [429] * 2
    for _, _, sock in (*direct, *behind):
        await sock.drop()


async def test_guessing_tokens(private: Victim, token: str) -> None:
    """401 before the upgrade, and for the data; the page and its probes stay open; no token is logged."""
    guesses = [None, "", "Bearer", "Bearer x", f"Bearer {token}x", f"Bearer {token[:-1]}",
               "Bearer " + "a" * 4000, f"Basic {token}", f"Bearer {new_token()}"]  # fmt: skip
    for guess in guesses:
        headers = {} if guess is None else {"Authorization": guess}
        status, answered, sock = await handshake(private, headers)
        assert (status, answered["www-authenticate"]) == (401, "Bearer")
        await sock.drop()
    async with aiohttp.ClientSession(private.url) as session:
        for path in ("/api/heatmap/BTCUSDT", "/ws/stats", "/metrics", "/prices/klines?symbol=BTCUSDT"):
            async with session.get(path) as answer:
                assert answer.status == 401
            async with session.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200
        for path in ("/health", "/ready"):
            async with session.get(path) as answer:
                assert answer.status == 200
    async with healthy_beside(private, {"Authorization": f"Bearer {token}"}):
        pass
    assert token not in private.log()


async def test_a_page_shows_its_token_in_its_first_message(private: Victim, token: str) -> None:
    """A browser cannot send the header: one first message is right, any other closes (4500)."""
    own = f"http://{private.host}:{private.port}"
    sock = await connected(private, {"Origin": own})
    sock.writer.write(frame(TEXT, json.dumps({"action": "auth", "token": token}).encode()))
    assert json.loads((await sock.receive())[1]) == {"type": "authenticated"}
    await sock.drop()
    wrong: list[Any] = [
        {"action": "auth", "token": "no"},
        {"action": "subscribe", "symbols": ["BTCUSDT"]},
        [],
    ]
    for first in wrong:
        sock = await connected(private, {"Origin": own})
        sock.writer.write(frame(TEXT, json.dumps(first).encode()))
        assert await sock.close_code() == 4500
        await sock.drop()
    assert token not in private.log()


async def test_tokens_are_reloaded_while_serving(private: Victim, token: str) -> None:
    """SIGHUP: the new one is good at once, the old one stays good, a broken file changes nothing."""
    fresh, path = new_token(), private.log_path.parent / "tokens"
    path.write_text(f"{token_line('bot', token)}\n{token_line('second', fresh)}\n")

    async def until_logged(event: str, times: int) -> None:
        async with asyncio.timeout(10):
            while private.log().count(event) < times:
                await asyncio.sleep(0.02)

    done = private.log().count('"reloaded"')
    private.process.send_signal(signal.SIGHUP)
    await until_logged('"reloaded"', done + 1)
    for good in (token, fresh):
        await (await connected(private, {"Authorization": f"Bearer {good}"})).drop()
    path.write_text("broken")
    private.process.send_signal(signal.SIGHUP)
    await until_logged('"reload_failed"', 1)
    await (await connected(private, {"Authorization": f"Bearer {fresh}"})).drop()
    assert fresh not in private.log()


@pytest.mark.parametrize(
    "path",
    ["/static/../setup.cfg", "/static/..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd",
     "/static//etc/passwd",
     "/static/js/..%5c..%5csetup.cfg", "/static/js/%00", "/static/js/", "/static/.env"],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(victim: Victim, path: str) -> None:
    """404 for whatever is not one of the page's files."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(victim.url + path, timeout=5)
    assert refused.value.code == 404
    refused.value.close()


async def test_every_answer_carries_the_headers(victim: Victim) -> None:
    """Pages, data, errors: no script but ours, no guessing of types, no frames; CORS by the origin list."""
    async with aiohttp.ClientSession(victim.url) as session:
        for path in ("/", "/health", "/ready", "/metrics", "/ws/stats", "/nothing", "/api/heatmap/BTCUSDT"):
            async with session.get(path, headers={"Origin": "https://app.example"}) as answer:
                headers = answer.headers
                assert "script-src 'self'" in headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert headers["Referrer-Policy"] == "no-referrer"
                assert headers["Access-Control-Allow-Origin"] == "https://app.example"
                assert "Origin" in headers["Vary"]
                assert "aiohttp" not in headers["Server"]
            async with session.get(path, headers={"Origin": "https://evil.example"}) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers
        ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        async with session.options("/ready", headers=ask | {"Origin": "https://app.example"}) as answer:
            assert answer.status == 204
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        async with session.options("/ready", headers=ask | {"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403


async def test_who_asks_too_often_must_wait(victim: Victim) -> None:
    """429 with Retry-After for one address; another one, and the supervisor's probes, are served."""
    flooding, other = {XFF: "203.0.113.50"}, {XFF: "203.0.113.51"}
    async with aiohttp.ClientSession(victim.url) as session:

        async def status(path: str, headers: Mapping[str, str]) -> int:
            async with session.get(path, headers=headers) as answer:
                assert answer.status != 429 or int(answer.headers["Retry-After"]) > 0
                return answer.status

        statuses = await asyncio.gather(*(status("/ws/stats", flooding) for _ in range(1500)))
        assert 400 <= statuses.count(200) < 1400
        assert statuses.count(200) + statuses.count(429) == 1500
        assert await status("/ws/stats", other) == 200
        assert {await status(path, flooding) for path in ("/health", "/ready")} == {200}


async def test_a_stranger_s_name_for_this_server_is_refused(victim: Victim) -> None:
    """DNS rebinding: 421 for the socket, REST and the page, which name the setting; /health does not care."""
    direct = {XFF: "203.0.113.60"}
    rebound = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"} | direct
    before = victim.log().count("host_refused")
    source = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))  # not the trusted proxy
    async with aiohttp.ClientSession(victim.url, connector=source) as session:
        for path in ("/ws/heatmap", "/api/heatmap/BTCUSDT", "/ready", "/metrics", "/", "/static/js/app.js"):
            async with session.get(path, headers=rebound) as answer:
                assert answer.status == 421, path
                assert "LIQSTREAM_HOSTS=evil.example" in await answer.text()
                assert answer.content_type == ("text/html" if path == "/" else "application/json")
        async with session.get("/health", headers=rebound) as answer:
            assert answer.status == 200
        async with session.get("/ready", headers={"Host": "[::1]:1"}) as answer:
            assert answer.status == 200
    assert victim.log().count("host_refused") == before + 1


async def test_the_name_in_the_first_line_counts(victim: Victim) -> None:
    """RFC 9112 3.2.2: a server must go by it, whatever the Host header says; the header must be right too."""
    stranger = ("127.0.0.9", 0)  # not the trusted proxy
    own = f"{victim.host}:{victim.port}"
    for target, version, host, status in (
        (own, "1.1", f"Host: {own}", 200),
        ("[::1]", "1.1", f"Host: {own}", 200),
        ("evil.example", "1.1", f"Host: {own}", 421),
        (own, "1.1", "Host: evil.example", 421),
        (own, "1.0", "X: y", 200),
        ("evil.example", "1.0", "X: y", 421),
        (own, "1.1", "Host: a b", 400),
    ):
        reader, writer = await asyncio.open_connection(victim.host, victim.port, local_addr=stranger)
        writer.write(f"GET http://{target}/ready HTTP/{version}\r\n{host}\r\n\r\n".encode())
        assert int((await reader.readline()).split()[1]) == status
        writer.close()


@pytest.mark.parametrize("name", ["Host", "Origin"])
async def test_two_names_are_one_too_many(victim: Victim, name: str) -> None:
    """Whichever of them is read, the other could be the stranger's: 400."""
    own = f"{victim.host}:{victim.port}"
    second = "evil.example" if name == "Host" else "http://evil.example"
    reader, writer = await asyncio.open_connection(victim.host, victim.port)
    writer.write(
        f"GET /ready HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\n{name}: {second}\r\n\r\n".encode()
    )
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()


async def test_sockets_without_a_token_keep_nobody_out(private: Victim, token: str) -> None:
    """Of 300 that say nothing 64 of one address are waited for, for 3 s; 40 of 40 with a token come in."""
    page = {"Origin": f"http://{private.host}:{private.port}"}
    answers = await asyncio.gather(*(handshake(private, page) for _ in range(300)))
    assert [status for status, _, _ in answers].count(101) >= 64  # on a slow machine the first leave
    assert {status for status, _, _ in answers} == {101, 503}
    mute = [sock for status, _, sock in answers if status == 101]
    all_of_them = [sock for _, _, sock in answers]
    bearer = {"Authorization": f"Bearer {token}"}
    inside = [await connected(private, bearer) for _ in range(20)]
    assert {await sock.close_code() for sock in mute} <= {4500, 1013}
    answers = await asyncio.gather(*(handshake(private, page) for _ in range(64)))
    all_of_them += [sock for _, _, sock in answers]
    await asyncio.sleep(1.1)  # so long an honest page is waited for
    for _ in range(20):
        sock = await connected(private, page)
        sock.writer.write(frame(TEXT, json.dumps({"action": "auth", "token": token}).encode()))
        assert json.loads((await sock.receive())[1]) == {"type": "authenticated"}
        inside.append(sock)
    pushed = [await sock.close_code() for _, _, sock in answers]
    assert set(pushed) == {1013, 4500}  # who has shown its token leaves the pool: the next needs no room
    for sock in (*inside, *all_of_them):
        await sock.drop()


async def test_fifty_private_pages_of_a_slow_line(private: Victim, token: str) -> None:
    """At once, from one address, each byte 0.4 s under way: each page shows its token in time and is live."""
    proxy = TcpProxy(private.port)
    await proxy.start()
    proxy.latency_s = LATENCY_S
    page = {"Origin": f"http://127.0.0.1:{proxy.port}"}

    async def visit(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f"{page['Origin']}/ws/heatmap", headers=page) as ws:
            await ws.send_json({"action": "auth", "token": token})
            await ws.send_json({"action": "subscribe", "symbols": ["BTCUSDT"], "proto": 2})
            kinds = [(await ws.receive_json(timeout=60))["type"] for _ in range(3)]
            assert kinds == ["authenticated", "subscribed", "snapshot"]

    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(visit(session) for _ in range(50)))
    finally:
        await proxy.stop()


@pytest.mark.long
async def test_thousands_of_wrong_tokens(private: Victim, token: str) -> None:
    """A few are told that they are wrong, the others to wait; a valid one between them is never refused."""
    wrong, right = {"Authorization": "Bearer liq_wrong"}, {"Authorization": f"Bearer {token}"}
    statuses: list[int] = []
    async with aiohttp.ClientSession(private.url) as session:

        async def rest(headers: Mapping[str, str]) -> int:
            async with session.get("/ws/stats", headers=headers) as answer:
                return answer.status

        for _ in range(50):
            statuses += await asyncio.gather(*(rest(wrong) for _ in range(90)))
            for status, _, sock in await asyncio.gather(*(handshake(private, wrong) for _ in range(10))):
                statuses.append(status)
                await sock.drop()
            assert await rest(right) == 200
            await (await connected(private, right)).drop()
    assert len(statuses) == 5000
    assert set(statuses) <= {401, 429}
    assert statuses.count(401) <= 20
