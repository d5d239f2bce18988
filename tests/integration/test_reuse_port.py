"""Several processes on one port: the kernel spreads the clients, and one that stops resets none of them."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from liqstream.cli import main
from tests.faults.processes import Node
from tests.support.redis_server import free_port, running_redis

CONNECTIONS = 600


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[list[Node]]:
    """Two fan-out processes on one port, each with a health socket."""
    port = free_port()
    with running_redis(tmp_path) as redis:
        made = [
            Node(
                f"fanout-{number}",
                tmp_path,
                {
                    "REDIS_ENABLED": "true",
                    "REDIS_URL": redis.url,
                    "LIQSTREAM_ROLE": "fanout",
                    "LIQSTREAM_REUSE_PORT": "true",
                    "LIQSTREAM_HEALTH_SOCKET": str(tmp_path / f"{number}.sock"),
                },
                port=port,
            )
            for number in (1, 2)
        ]
        await asyncio.gather(*(node.start() for node in made))
        yield made
        for node in made:
            await node.kill()


def hands_half_open_over() -> bool:
    """Whether the kernel passes half-open connections on to another process (docs/operations.md)."""
    setting = Path("/proc/sys/net/ipv4/tcp_migrate_req")
    return setting.exists() and setting.read_text().strip() == "1"


async def server_of(url: str) -> str:
    """The process that answers a new connection."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/ready") as answer:
        return str((await answer.json())["server"])


async def test_the_kernel_shares_the_clients_and_a_process_that_stops_resets_none(nodes: list[Node]) -> None:
    """Between 40 and 60 % each; while one leaves, every connection is answered by one or the other.

    But for one that is half open at that very moment, where the kernel hands those over to nobody.
    """
    url = nodes[0].url
    found: Counter[str] = Counter()
    for _ in range(CONNECTIONS // 20):
        found.update(await asyncio.gather(*(server_of(url) for _ in range(20))))
    assert len(found) == 2
    assert min(found.values()) >= 0.4 * CONNECTIONS
    stopping = asyncio.create_task(nodes[0].stop(signal.SIGTERM))
    answered, half_open = 0, 0
    while not stopping.done():
        for found_at in await asyncio.gather(*(server_of(url) for _ in range(20)), return_exceptions=True):
            if isinstance(found_at, aiohttp.ClientConnectorError):
                half_open += 1  # reset while it was connecting; one that was connected raises another error
            else:
                assert isinstance(found_at, str), found_at
                answered += 1
    assert stopping.result() == 0
    assert answered >= 100
    assert half_open <= (0 if hands_half_open_over() else 1)
    assert len({await server_of(url) for _ in range(20)}) == 1


async def test_each_process_is_asked_at_its_own_socket(nodes: list[Node]) -> None:
    """By `liqstream health`, and it says that caps are its own."""
    names = set()
    for node in nodes:
        path = node.env["LIQSTREAM_HEALTH_SOCKET"]
        connector = aiohttp.UnixConnector(path)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get("http://localhost/ready") as answer:
                state = await answer.json()
            async with session.get("http://localhost/metrics") as answer:
                assert "liqstream_ws_ticks_sent_total" in await answer.text()
        assert state["caps"] == "per process"
        names.add(state["server"])
        arguments = ["health"]
        asked = await asyncio.to_thread(
            CliRunner().invoke, main, arguments, env={"LIQSTREAM_HEALTH_SOCKET": path}
        )
        assert (asked.exit_code, asked.output) == (0, "http://localhost/health: ok\n")
    assert len(names) == 2
