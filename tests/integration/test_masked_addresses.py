"""A marker as the password of every address in the settings is to be found nowhere."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from liqstream.admission.tokens import new_token, token_line
from liqstream.settings.load import BadSettingError, load_settings

MARKER = "m4rker"
ADDRESS = f"user:{MARKER}@127.0.0.1:1"
URLS = {
    **{
        f"LIQSTREAM_{name}_{kind}_URL": f"{scheme}://{ADDRESS}/{MARKER[::-1]}"
        for name in ("BINANCE", "BYBIT")
        for kind, scheme in (("REST", "http"), ("WS", "ws"))
    },
    "LIQSTREAM_EXCHANGES": "binance,bybit",
    "LIQSTREAM_SYMBOLS": "BTCUSDT",
    "LIQSTREAM_HISTORY_URL": f"http://{ADDRESS}",
    "REDIS_URL": f"redis://{ADDRESS}/0?password={MARKER}",
}


def environ(**more: str) -> dict[str, str]:
    return {**os.environ, **URLS, "LIQSTREAM_LOG_FORMAT": "json", "LIQSTREAM_LOG_LEVEL": "debug", **more}


def ran(folder: Path, *verb: str, **more: str) -> str:
    """All that a verb prints."""
    done = subprocess.run(
        [sys.executable, "-m", "liqstream", *verb],
        cwd=folder,
        env=environ(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@asynccontextmanager
async def serving(folder: Path, **more: str) -> AsyncIterator[str]:
    """The address of a server that reaches none of its addresses; its log is folder/log."""
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "liqstream", "serve", "--port", "0"),
            cwd=folder,
            env=environ(**more),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", (await process.stdout.readline()).decode())
        assert found, (folder / "log").read_text()
        yield found[0]
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 15)


@pytest.mark.parametrize(
    "verb",
    [
        ("show-config",),
        ("show-config", "--json"),
        ("doctor", "--live", "1"),
        ("doctor", "--live", "1", "--json"),
    ],
)
def test_verbs_show_no_password(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """They show the addresses all the same."""
    shown = ran(tmp_path, *verb, COLUMNS="1000")
    assert "127.0.0.1:1" in shown
    assert MARKER not in shown


@pytest.mark.parametrize("wrong", [f"htp://{ADDRESS}", ADDRESS, f"http://{ADDRESS}?{MARKER}"])
@pytest.mark.parametrize("variable", ["LIQSTREAM_BINANCE_REST_URL", "LIQSTREAM_HISTORY_URL"])
def test_a_setting_that_cannot_be_used_shows_no_password(
    variable: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it."""
    monkeypatch.setenv(variable, wrong)
    with pytest.raises(BadSettingError, match=variable) as refused:
        load_settings()
    assert MARKER not in str(refused.value)


async def _ready_with_error(session: aiohttp.ClientSession, headers: dict[str, str]) -> dict[str, Any]:
    """/ready once the first feed has met an error."""
    while True:
        async with session.get("/ready", headers=headers) as answer:
            ready: dict[str, Any] = await answer.json()
        if ready["feeds"]["binance"]["last_error"]:
            return ready
        await asyncio.sleep(0.05)


async def test_a_running_server_shows_no_password(tmp_path: Path) -> None:
    """Neither its answers nor its log; a private one tells strangers no address at all."""
    token = new_token()
    (tmp_path / "tokens").write_text(token_line("ops", token))
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        serving(tmp_path, LIQSTREAM_TOKENS_FILE="tokens") as url,
        aiohttp.ClientSession(url) as session,
    ):
        async with asyncio.timeout(20):
            ready = await _ready_with_error(session, bearer)
        assert "127.0.0.1:1" in str(ready["feeds"]["binance"])
        async with session.get("/ready") as answer:
            stranger = await answer.json()
        assert stranger["feeds"]["binance"]["last_error"] == ""
        assert "127.0.0.1" not in str(stranger)
        shown = [str(ready)]
        for path in ("/", "/metrics", "/api/heatmap/BTCUSDT", "/ws/stats"):
            async with session.get(path, headers=bearer) as answer:
                shown.append(await answer.text())
    assert all(MARKER not in text for text in shown)
    log = (tmp_path / "log").read_text()
    assert "127.0.0.1:1" in log
    assert MARKER not in log
