"""The first message of a page on a private server, over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from liqstream.admission.policy import ADMISSION
from liqstream.admission.tokens import new_token, token_line
from liqstream.settings.table import Settings
from tests.support.ws_server import PATIENCE_S, ws_server


@pytest.mark.parametrize(
    ("message", "closes"),
    [
        ('{{"action":"auth","token":"{token}"}}', None),
        ('{{"action":"auth","token":"liq_wrong"}}', 4500),
        ('{{"action":"subscribe","symbols":["BTCUSDT"]}}', 4500),
        ("[[[", 4500),
        (b"binary", 4500),
    ],
)
async def test_only_a_valid_token_opens_the_stream(
    message: str | bytes, closes: int | None, tmp_path: Path
) -> None:
    """Every other first message is answered with 4500 and nothing else."""
    token = new_token()
    path = tmp_path / "tokens"
    path.write_text(token_line("page", token))
    async with ws_server(settings=Settings(tokens_file=str(path))) as server:
        await asyncio.to_thread(server.runner.app[ADMISSION].tokens.reload)
        async with (
            aiohttp.ClientSession(headers={"Origin": server.http}) as session,
            session.ws_connect(server.url) as ws,
            asyncio.timeout(PATIENCE_S),
        ):
            if isinstance(message, bytes):
                await ws.send_bytes(message)
            else:
                await ws.send_str(message.format(token=token))
            answer = await ws.receive()
            if closes is None:
                assert answer.json() == {"type": "authenticated"}
            else:
                assert (answer.type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, closes)
