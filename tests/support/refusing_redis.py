"""A Redis that answers chosen commands with an error: a real one behind a proxy that reads commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Command = tuple[bytes, ...]


@dataclass
class RefusingRedis:
    """`refuses`, where it is set, says with which error a command is answered; "" lets it pass."""

    url: str = ""
    refuses: Callable[[Command], str] = lambda _command: ""
    refused: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def refuse(self, matches: Callable[[Command], bool], error: str) -> None:
        """Answer with `error` from now on what `matches`, and pass on the rest."""
        self.refuses = lambda command: error if matches(command) else ""

    def cut(self) -> None:
        """End every connection, so that what is refused from now on is asked for anew."""
        for task in self.tasks:
            task.cancel()

    async def _serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_redis, to_redis = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        back = asyncio.create_task(_relay(from_redis, writer))
        try:
            while True:
                command, raw = await _command(reader)
                if error := self.refuses(command):
                    self.refused += 1
                    writer.write(f"-{error}\r\n".encode())
                else:
                    to_redis.write(raw)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            back.cancel()
            await asyncio.wait([back])
            for each in (writer, to_redis):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()


@asynccontextmanager
async def refusing_redis(port: int) -> AsyncIterator[RefusingRedis]:
    """The Redis on this port of the loopback address, behind a proxy that refuses nothing yet."""
    proxy = RefusingRedis()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy._serve(port, reader, writer))
        proxy.tasks.add(task)
        task.add_done_callback(proxy.tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)


async def _command(reader: asyncio.StreamReader) -> tuple[Command, bytes]:
    """The next command, its words and its bytes: an array of bulk strings, as every client sends it."""
    raw = head = await reader.readuntil(b"\r\n")
    words = []
    for _ in range(int(head[1:])):
        size = await reader.readuntil(b"\r\n")
        word = await reader.readexactly(int(size[1:]) + 2)
        words.append(word[:-2])
        raw += size + word
    return tuple(words), raw


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(65_536):
            writer.write(block)
        writer.close()
