"""An HTTP proxy that carries whatever it is asked for to one port of this machine, and notes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest


@asynccontextmanager
async def forward_proxy(port: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Its address, and the first lines of the requests it gets: names nobody can resolve reach `port`."""
    asked: list[str] = []
    carried: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first = head.decode().split("\r\n")[0]
        asked.append(first)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        if first.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            to_server.write(head)
        for source, target in ((reader, to_server), (from_server, writer)):
            task = asyncio.create_task(_carry(source, target))
            carried.add(task)
            task.add_done_callback(carried.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is named in the environment."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
