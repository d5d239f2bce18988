"""The public port's deadlines: for a second request's headers, and for TLS handshakes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from liqstream.admission.header_deadline import HeaderDeadline
from liqstream.admission.http_guard import http_guard, request_watch
from liqstream.admission.policy import ADMISSION, AdmissionPolicy, RefusalReason
from liqstream.server import watched_site
from liqstream.server.watched_site import WatchedSite
from liqstream.settings.table import Settings
from tests.support.ws_server import until
from tests.test_server.test_certificate import certificate

REQUEST = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def served(
    deadline: HeaderDeadline, context: ssl.SSLContext | None = None
) -> AsyncIterator[web.AppRunner]:
    """A server that answers everything with 200, behind the guard."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    app = web.Application(middlewares=[request_watch, http_guard])
    app[ADMISSION] = AdmissionPolicy(Settings())
    app[ADMISSION].deadline = deadline
    app.router.add_route("*", "/x", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = WatchedSite(runner, "127.0.0.1", 0, ssl_context=context)
    site.deadline = deadline
    await site.start()
    try:
        yield runner
    finally:
        await runner.cleanup()


async def connect(runner: web.AppRunner) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*runner.addresses[0][:2])


async def asked(
    runner: web.AppRunner, request: bytes = REQUEST
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection after its first answer."""
    reader, writer = await connect(runner)
    writer.write(request)
    await reader.readuntil(b"here")
    return reader, writer


def _sweep(deadline: HeaderDeadline, runner: web.AppRunner) -> None:
    assert runner.server is not None
    deadline.sweep(runner.server)


@pytest.mark.parametrize("pipelined", [False, True], ids=["later", "with the first"])
async def test_a_second_request_has_the_same_time_as_the_first(pipelined: bool) -> None:
    """10 s from its first byte; whoever has sent none waits as long as keep-alive allows."""
    clock = Clock()
    deadline = HeaderDeadline(clock=clock)
    async with served(deadline) as runner:
        half = b"GET /x HTTP/1.1\r\nX-Slow: "
        late = await asked(runner, REQUEST + half if pipelined else REQUEST)
        idle, whole = await asked(runner), await asked(runner)
        clock.now_s = 50.0
        if pipelined:
            clock.now_s = 0.0
        else:
            late[1].write(half)
            await until(lambda: bool(deadline._incomplete_since_s))
        whole[1].write(REQUEST)
        await whole[0].readuntil(b"here")
        clock.now_s += 9.9
        _sweep(deadline, runner)
        assert deadline.closed == 0
        clock.now_s += 0.2
        _sweep(deadline, runner)
        assert deadline.closed == 1
        assert await late[0].read() == b""
        clock.now_s += 60.0
        _sweep(deadline, runner)
        for reader, writer in (idle, whole):
            writer.write(REQUEST)
            await reader.readuntil(b"here")
            writer.close()
        late[1].close()


@pytest.mark.parametrize(
    ("request_", "status", "closes"),
    [
        (REQUEST, b"200", False),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"200", True),
        (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"404", True),
        (b"SECRET / HTTP/1.1\r\nHost: x\r\n\r\n", b"400", True),
        (b"GET /x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"400", True),
        (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"SECRET" * 2000), b"400", True),
    ],
    ids=["a request", "with a body", "refused with a body", "no method", "two hosts", "too long"],
)
async def test_a_connection_is_kept_only_where_the_next_request_is_certain(
    request_: bytes, status: bytes, closes: bool
) -> None:
    """A body's end looks like another beginning; what is no request gets JSON, without its bytes."""
    async with served(HeaderDeadline()) as runner, asyncio.timeout(10):
        reader, writer = await connect(runner)
        writer.write(request_)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.split()[1] == status
        if closes:
            answer += await reader.read()
        else:
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert b"SECRET" not in answer
    assert (b'{"error":' in answer) == (status == b"400")
    assert (b"Server: liqstream" in answer) == (status == b"400")


def _hello() -> bytes:
    """The first bytes of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="x")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    ("first", "is_cut"), [(lambda: b"", True), (lambda: _hello()[:40], True), (lambda: REQUEST, False)],
    ids=["nothing", "half a hello", "plain HTTP"],
)  # fmt: skip
async def test_a_handshake_that_is_not_finished_is_ended_and_counted(
    first: Callable[[], bytes], is_cut: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time, or at once where it is none; a finished one is no failure."""
    monkeypatch.setattr(watched_site, "HANDSHAKE_DEADLINE_S", 0.3)
    await asyncio.to_thread(certificate, tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    trusting.check_hostname = False
    clock = Clock()
    deadline = HeaderDeadline(clock=clock)
    async with served(deadline, context) as runner:
        host, port = runner.addresses[0][:2]
        reader, writer = await asyncio.open_connection(host, port, ssl=trusting)
        writer.write(REQUEST)
        await reader.readuntil(b"here")
        mute = await connect(runner)
        mute[1].write(first())
        async with asyncio.timeout(5):
            assert (await mute[0].read() == b"") or not is_cut
        clock.now_s = 12.0
        _sweep(deadline, runner)
        assert deadline.failed_handshakes == 1
        assert runner.app[ADMISSION].refused()[RefusalReason.TLS] == 1
        mute[1].close()
        writer.transport.abort()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_who_waits_in_the_queue_of_a_port_that_is_left_is_served(secure: bool, tmp_path: Path) -> None:
    """Closed without a look at the queue, the kernel would reset all of them."""
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate(tmp_path)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    async with served(HeaderDeadline(), context) as runner:
        (site,) = runner.sites
        assert isinstance(site, WatchedSite)
        address = runner.addresses[0][:2]
        # Connected by the kernel alone: the loop does not turn in between.
        waiting = [socket.create_connection(address) for _ in range(50)]
        site.leave()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        client = None
        if secure:
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        for each in waiting:
            each.setblocking(False)
        name = "localhost" if secure else None
        streams = await asyncio.gather(
            *(asyncio.open_connection(sock=each, ssl=client, server_hostname=name) for each in waiting)
        )
        for reader, writer in streams:
            writer.write(REQUEST.replace(b"Host: x", b"Host: localhost"))
            assert b"200" in await reader.readline()
            writer.close()
