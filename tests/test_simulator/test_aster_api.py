"""The simulated Aster stands beside Binance on one server, below a path of its own."""

from __future__ import annotations

import aiohttp
import pytest

from liqstream.simulator.aster_api import DIALECT
from liqstream.simulator.binance_api import HISTORY
from liqstream.simulator.fault_table import Fault, FaultKind
from tests.support.exchange_rig import simulated_exchange

pytestmark = pytest.mark.simulated


async def test_its_faults_are_its_own() -> None:
    """What fails there does not fail at Binance; it has no history of open interest."""
    asked = {"symbol": "BTCUSDT"}
    async with (
        simulated_exchange() as (at, port),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        at.table.add(Fault("aster", "/fapi/v1/openInterest", FaultKind.FORBIDDEN))
        statuses = []
        for path in ("/aster/fapi/v1/openInterest", "/fapi/v1/openInterest", f"/aster{HISTORY}"):
            async with session.get(path, params=asked) as response:
                statuses.append(response.status)
        assert statuses == [403, 200, 404]
        async with session.ws_connect("/aster/stream?streams=btcusdt@markPrice@1s") as ws:
            assert '"markPriceUpdate"' in (await ws.receive_str())
    assert HISTORY not in DIALECT.endpoints
