"""Half-sent requests do not hold a connection for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from liqstream.admission.header_deadline import HeaderDeadline

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Clock:
    """A clock that is set by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """The deadline's clock."""
    return Clock()


@pytest.fixture
def deadline(clock: Clock) -> HeaderDeadline:
    """The deadline under test: 10 s."""
    return HeaderDeadline(deadline_s=10, clock=clock)


@pytest.fixture
async def runner(deadline: HeaderDeadline) -> AsyncIterator[web.AppRunner]:
    """A server that answers everything with 200 and marks what it has read."""

    @web.middleware
    async def mark(request: web.Request, handler: Handler) -> web.Response:
        deadline.mark_complete(request.protocol)
        return web.Response(text="here")

    runner = web.AppRunner(web.Application(middlewares=[mark]))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


async def _connect(runner: web.AppRunner) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = runner.addresses[0][:2]
    return await asyncio.open_connection(host, port)


async def test_half_a_request_is_cut_off(
    runner: web.AppRunner, deadline: HeaderDeadline, clock: Clock
) -> None:
    """Hundreds of connections that never finish their headers are closed; one that asked stays."""
    assert runner.server is not None
    half = [await _connect(runner) for _ in range(200)]
    for _, writer in half[:100]:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    reader, writer = await _connect(runner)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await reader.readuntil(b"here")

    deadline.sweep(runner.server)
    clock.now_s = 9.9
    deadline.sweep(runner.server)
    assert deadline.closed == 0
    clock.now_s = 10.0
    deadline.sweep(runner.server)
    assert deadline.closed == 200
    for half_reader, half_writer in half:
        assert await half_reader.read() == b""
        half_writer.close()

    clock.now_s = 60.0
    deadline.sweep(runner.server)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
