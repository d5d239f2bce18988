"""liqstream/assistant/tools.py: each tool over the protocol's own client, of a process of `liqstream mcp`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

ASKED: dict[str, dict[str, Any]] = {
    "symbols": {},
    "levels": {"symbol": "BTCUSDT", "within_percent": 50, "most": 3},
    "clusters": {"symbol": "BTC/USDT:USDT", "most": 2},
    "sum_to_price": {"symbol": "btcusdt", "price": 1.0},
    "forecast": {"symbol": "BTCUSDT", "price": 1.0},
    "accuracy": {"symbol": "BTCUSDT"},
}
TRUST = {"source", "time", "age_s", "stale", "quality", "current_price", "bounds"}


@pytest.mark.simulated
async def test_every_tool_answers_with_its_trust(demo_url: str, tmp_path: Path) -> None:
    """They only read; what is out of bounds is refused; the log is on stderr, the protocol on stdout."""
    log = tmp_path / "stderr.log"
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "liqstream", "mcp"], env={"LIQSTREAM_URL": demo_url}
    )
    with log.open("w") as errlog:
        async with Client(stdio_client(command, errlog=errlog)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools.keys() == ASKED.keys()
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
            answers = {name: await client.call_tool(name, given) for name, given in ASKED.items()}
            for name in ("levels", "clusters", "sum_to_price"):
                content = answers[name].structured_content
                assert content is not None
                assert content.keys() >= TRUST, name
                assert content["source"] == "simulated"
                assert content["age_s"] >= 0
            listed = answers["symbols"].structured_content
            assert listed is not None
            assert "BTCUSDT" in {row["symbol"] for row in listed["symbols"]}
            levels = answers["levels"].structured_content
            assert levels is not None
            assert 1 <= len(levels["long"]["levels"]) <= 3
            for name in ("forecast", "accuracy"):  # a young market may have none yet
                answer = answers[name]
                if answer.is_error:
                    assert "Traceback" not in str(answer.content)
                else:
                    assert answer.structured_content is not None
                    assert answer.structured_content.keys() >= TRUST
                    for horizon in answer.structured_content.get("horizons", {}).values():
                        assert horizon["chance_to_reach"] == 0.0  # of a price that is out of all reach
            for given in ({"symbol": "NOSUCH"}, {"symbol": "BTCUSDT", "most": 51}):
                refused = await client.call_tool("levels", given)
                assert refused.is_error
                assert re.search("unknown symbol|less than or equal to 50", str(refused.content))
    assert f"reads {demo_url}" in log.read_text()
