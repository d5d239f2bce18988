"""Attacks by frames and messages: too big, too many, too deep, or no protocol at all."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Iterator

import pytest

from tests.attack.harness import Victim, attacked, healthy_beside
from tests.attack.raw import BINARY, PING, PONG, TEXT, RawSocket, connected, frame, handshake

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server with the default limits."""
    with attacked(tmp_path_factory.mktemp("victim")) as victim:
        yield victim


def _deflated(payload: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(TEXT, b"x" * 4097), 1009, id="oversize"),
        pytest.param(frame(TEXT, b"x", declared=1 << 62), 1009, id="declared 2^62"),
        pytest.param(
            frame(TEXT, b"x" * 3000, fin=False) + frame(0, b"x" * 3000), 1009, id="oversize in fragments"
        ),
        pytest.param(frame(TEXT, b"\xff\xfe"), 1007, id="invalid UTF-8"),
        pytest.param(frame(TEXT, b"{}", reserved=0x40), 1002, id="compressed, not negotiated"),
        pytest.param(frame(TEXT, b"{}", reserved=0x20), 1002, id="RSV2"),
        pytest.param(frame(TEXT, b"{}", reserved=0x10), 1002, id="RSV3"),
        pytest.param(frame(0x3, b"{}"), 1002, id="unknown opcode"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="long control frame"),
        pytest.param(frame(PING, b"x", fin=False), 1002, id="fragmented control frame"),
        pytest.param(frame(0, b"x"), 1002, id="continuation of nothing"),
        pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), 1002, id="message in a message"),
    ],
)
async def test_a_bad_frame_is_closed_with_its_code(victim: Victim, sent: bytes, code: int) -> None:
    """At once, and without a traceback."""
    async with healthy_beside(victim):
        sock = await connected(victim)
        sock.writer.write(sent)
        assert await sock.close_code() == code
        await sock.drop()


async def test_a_compression_bomb_bursts_at_the_limit(victim: Victim) -> None:
    """A few hundred bytes that inflate to a hundred megabytes are 1009, and take no memory."""
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    before = victim.rss_bytes()
    for _ in range(20):
        status, answered, sock = await handshake(victim, offer)
        assert status == 101
        assert "permessage-deflate" in answered["sec-websocket-extensions"]
        bomb = _deflated(b"\0" * (4 * MEGABYTE))
        sock.writer.write(frame(TEXT, bomb, reserved=0x40))
        assert await sock.close_code() == 1009
        await sock.drop()
    assert victim.rss_bytes() - before < 20 * MEGABYTE


async def test_a_dribbled_message_takes_no_memory(victim: Victim) -> None:
    """Thousands of one-byte fragments, on many sockets, without an end."""
    before = victim.rss_bytes()
    socks = [await connected(victim) for _ in range(20)]
    for sock in socks:
        sock.writer.write(frame(TEXT, b"x", fin=False) + frame(0, b"x", fin=False) * 3000)
        await sock.writer.drain()
    async with healthy_beside(victim):
        assert victim.rss_bytes() - before < 20 * MEGABYTE
    for sock in socks:
        sock.writer.write(frame(0, b"x" * 4000))
    codes = await asyncio.gather(*(sock.close_code() for sock in socks))
    assert set(codes) == {1009}
    for sock in socks:
        await sock.drop()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(frame(TEXT, b'{"action":"ping"}'), id="messages"),
        pytest.param(frame(PING, b"x" * 125), id="pings"),
        pytest.param(frame(PONG), id="pongs"),
        pytest.param(frame(TEXT, b'{"action":"subscribe","symbols":["BTCUSDT"]}'), id="subscribes"),
    ],
)
async def test_a_flood_is_answered_with_its_limit(victim: Victim, flood: bytes) -> None:
    """The burst is served, then RATE_LIMITED says when to go on, then 4002; the rest is never read."""
    async with healthy_beside(victim):
        sock = await connected(victim)
        sock.writer.write(flood * 5000)
        answers, limited = 0, []
        async with asyncio.timeout(10):
            while True:
                opcode, payload = await sock.receive()
                if opcode == 0x8:
                    break
                message = json.loads(payload) if opcode == TEXT else {}
                answers += 1
                if message.get("code") == "RATE_LIMITED":
                    limited.append(message["retry_after_ms"])
        assert int.from_bytes(payload[:2]) == 4002
        assert answers < 150
        assert len(limited) == 10
        assert all(0 < wait_ms <= 1000 for wait_ms in limited)
        await sock.drop()


async def test_who_slows_down_is_served_again(victim: Victim) -> None:
    """RATE_LIMITED is a request, not an end."""
    sock = await connected(victim)
    sock.writer.write(frame(TEXT, b'{"action":"ping"}') * 101)
    messages = [json.loads((await sock.receive())[1]) for _ in range(101)]
    assert [message["type"] for message in messages] == ["pong"] * 100 + ["error"]
    await asyncio.sleep(messages[-1]["retry_after_ms"] / 1000 + 0.01)
    sock.writer.write(frame(TEXT, b'{"action":"ping"}'))
    assert json.loads((await sock.receive())[1])["type"] == "pong"
    await sock.drop()


EVIL_TEXTS = [
    b"",
    b"nonsense",
    b"[" * 4000,
    b'{"a":' * 800,
    b'{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":NaN}',
    b'{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":1e999}',
    b'{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":true}',
    b'{"action":"subscribe","symbols":"BTCUSDT"}',
    b'{"action":"subscribe","symbols":[["BTCUSDT"]]}',
    b'{"action":"subscribe","symbols":[null]}',
    b'{"action":"subscribe","symbols":[]}',
    b'{"action":"subscribe","symbols":["BTC\\r\\nERROR forged \\u001b[31m"]}',
    b'{"action":"subscribe","symbols":["\\u202eTDSUCTB"]}',
    b'{"action":"subscribe","symbols":["<img src=x onerror=alert(1)>"]}',
    b'{"action":"subscribe","symbols":["' + b"A" * 3900 + b'"]}',
    b'{"action":"\\u0000"}',
    b'{"action":null}',
    b"null",
]


async def test_evil_messages_are_answered_and_change_nothing(victim: Victim) -> None:
    """Each gets an error in one short ASCII line, and the connection goes on."""
    sock = await connected(victim)
    for text in EVIL_TEXTS:
        sock.writer.write(frame(TEXT, text))
        _, payload = await sock.receive()
        answer = json.loads(payload)
        assert answer["type"] == "error", text
        assert answer["code"] in ("INVALID_MESSAGE", "INVALID_ACTION", "INVALID_SYMBOL")
        assert len(payload) < 500
        assert answer["message"].isascii()
        assert answer["message"].isprintable()
    sock.writer.write(frame(BINARY, b"\0\1"))
    assert json.loads((await sock.receive())[1])["code"] == "INVALID_MESSAGE"
    sock.writer.write(frame(TEXT, b'{"action":"ping"}'))
    assert json.loads((await sock.receive())[1])["type"] == "pong"
    await sock.drop()
    assert "\x1b" not in victim.log()
    assert "\\u001b" not in victim.log()


async def _bad_frames_until_closed(victim: Victim, agent: str) -> int:
    sock: RawSocket = await connected(victim, {"User-Agent": agent})
    sock.writer.write(frame(TEXT, b'{"action":"' + b"\\u001b[31m" * 20 + b'"}') * 60)
    code = await sock.close_code()
    await sock.drop()
    return code


async def test_a_flood_of_bad_messages_leaves_a_short_log(victim: Victim) -> None:
    """10,000 of them over hundreds of connections: closed after 50 each, and under 100 lines in all."""
    before = len(victim.log().splitlines())
    async with healthy_beside(victim):
        for _ in range(17):
            codes = await asyncio.gather(
                *(_bad_frames_until_closed(victim, "evil" + "x" * 3000) for _ in range(10))
            )
            assert set(codes) <= {4501, 1006}, "1006: the close frame crossed with what was still sent"
    lines = victim.log().splitlines()[before:]
    assert len(lines) < 100
    assert all(len(line) < 600 for line in lines)
    assert not any("\x1b" in line for line in lines)


async def test_broken_http_is_one_line_each(victim: Victim) -> None:
    """TLS to a plain port, smuggled lengths, broken upgrades: refused, and no traceback in the log."""
    corpus = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /ws/heatmap HTTP/1.1\r\nHost: a\r\nUpgrade: notupgrade\r\nConnection: Upgrade\r\n\r\n",
        b"GET /ws/heatmap HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\r\n\r\n\0\0\0",
    ]
    async with healthy_beside(victim):
        for request in corpus:
            reader, writer = await asyncio.open_connection(victim.host, victim.port)
            writer.write(request)
            writer.write_eof()
            async with asyncio.timeout(5):
                answer = await reader.read()
            assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 426", b"HTTP/1.0 400")), (
                answer
            )
            writer.close()
    assert "Traceback" not in victim.log()
