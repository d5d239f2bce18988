"""The tools an assistant may call, over the Model Context Protocol: they read, and change nothing.

Each answer names source, age and quality of the data it rests on, and the bounds of what it lists.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from liqstream import __version__
from liqstream.assistant import facts
from liqstream.assistant.facts import MOST_LEVELS, Facts
from liqstream.assistant.server_reader import ServerReader
from liqstream.client import ClientError, Snapshot

INSTRUCTIONS = """\
Liquidation heatmaps of perpetual futures from a liqstream server. Levels are estimates, modelled from prices
and open interest, not read from positions: those that a server measures on Hyperliquid are no part of them.
Whenever you use a figure, say how old the data is (age_s), whether it is stale, simulated or a replay
(source), and what quality names. Ask `accuracy` before you rely on a map, and look at `verdict` before you
repeat a forecast. Amounts are USD, times UTC. Nothing here is advice to trade.
"""

Symbol = Annotated[str, Field(description="A market, e.g. BTCUSDT or BTC/USDT:USDT", max_length=60)]
Most = Annotated[int, Field(ge=1, le=MOST_LEVELS, description="Most entries of each side")]
Price = Annotated[float, Field(gt=0, le=1e12, description="USD")]
Percent = Annotated[float, Field(gt=0, le=100, description="Percent of the price, to either side")]
ReadSide = Literal["long", "short", "both"]

_READ_ONLY = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


def make_server(reader: ServerReader) -> MCPServer:
    """A server of six tools that read what `reader` reaches; it is run by its `run_stdio_async`."""
    server: MCPServer = MCPServer("liqstream", instructions=INSTRUCTIONS, version=__version__)

    async def about(symbol: str) -> tuple[Snapshot, Facts]:
        snapshot = await _read(reader.latest(symbol))
        return snapshot, facts.trust_of(snapshot, time.time())

    @server.tool(annotations=_READ_ONLY)
    async def symbols() -> dict[str, Any]:
        """The markets the server follows: names, exchanges, source, and whether each is stale."""
        rows = await _read(reader.symbols())
        return {"symbols": rows[:1000], "bounds": {"in_all": len(rows), "most": 1000}}

    @server.tool(annotations=_READ_ONLY)
    async def levels(
        symbol: Symbol, side: ReadSide = "both", within_percent: Percent = 5.0, most: Most = 10
    ) -> dict[str, Any]:
        """The largest liquidation levels near the price: USD of longs below it, of shorts above it."""
        snapshot, trust = await about(symbol)
        found = facts.levels_of(snapshot, side=side, within_percent=within_percent, most=most)
        return {**trust, **found}

    @server.tool(annotations=_READ_ONLY)
    async def clusters(symbol: Symbol, most: Most = 5) -> dict[str, Any]:
        """Prices where levels stand out from their surroundings, the next big one, and the imbalance."""
        snapshot, trust = await about(symbol)
        return {**trust, **facts.clusters_of(snapshot, most=most)}

    @server.tool(annotations=_READ_ONLY)
    async def sum_to_price(symbol: Symbol, price: Price) -> dict[str, Any]:
        """How many USD would be force-closed on the way from the price now to another price."""
        snapshot, trust = await about(symbol)
        return {**trust, **facts.sum_of(snapshot, price)}

    @server.tool(annotations=_READ_ONLY)
    async def forecast(symbol: Symbol, price: Price | None = None) -> dict[str, Any]:
        """USD expected to be liquidated per side over the next 30m, 1h and 4h, with ranges and a verdict.

        With a price also the chance that it is reached within each span from now.
        """
        snapshot, trust = await about(symbol)
        found = await _read(reader.forecast(symbol))
        stated = facts.forecast_of(found, time.time(), price=price, from_price=snapshot.current_price)
        return {**trust, **stated}

    @server.tool(annotations=_READ_ONLY)
    async def accuracy(symbol: Symbol) -> dict[str, Any]:
        """How well this server's map has ranked real liquidations so far, beside simple rules."""
        _, trust = await about(symbol)
        return {**trust, **facts.accuracy_of(await _read(reader.score(symbol)))}

    return server


async def _read(answer: Any) -> Any:
    """What the server answers; its sentence where it refuses, for the assistant to read."""
    try:
        return await answer
    except ClientError as error:
        raise ToolError(str(error)) from None
