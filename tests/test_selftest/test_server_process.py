"""A server of our own in a process of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from liqstream.client import ClientError
from liqstream.selftest.lifecycle_promises import short_recording
from liqstream.selftest.server_process import own_server


async def test_it_serves_from_the_moment_it_is_handed_out_and_ends(tmp_path: Path) -> None:
    """On a free port, with its database in its folder."""
    bars = tmp_path / "bars.csv"
    await asyncio.to_thread(bars.write_text, short_recording())
    args = ("--replay", str(bars), "--exchange", "binance", "--symbol", "BTCUSDT", "--interval", "5m")
    async with own_server(tmp_path, *args) as server, aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/health") as response:
            assert response.status == 200
        assert await asyncio.to_thread(server.memory_bytes) > 10_000_000
        assert server.db_path.is_file()
    assert server.process.returncode is not None


async def test_one_that_does_not_start_leaves_the_last_line_of_its_log(tmp_path: Path) -> None:
    """As the one line to show."""
    with pytest.raises(ClientError, match=r"the server did not start: .*LIQSTREAM_INTERVAL=7m"):
        async with own_server(tmp_path, "--interval", "7m"):
            pass
