"""The client against a real server: `liqstream serve --demo`."""

from __future__ import annotations

import asyncio

import numpy as np

from liqstream.client import HeatmapClient


async def test_who_comes_back_at_once_is_served_at_once(demo_url: str) -> None:
    """The only client of a symbol leaves and returns, as a reloaded page does: no tick is waited for."""
    for _ in range(5):
        async with HeatmapClient(demo_url) as client:
            async with asyncio.timeout(2):
                await anext(client.subscribe("ETHUSDT", update_interval_s=60))


async def test_stream_latest_and_history_agree(demo_url: str) -> None:
    """Deltas are proved by checksum; REST tells the same map; the history has bands on both sides.

    The market is asked for in every usual form of its name.
    """
    async with HeatmapClient(demo_url, compress=True) as client:
        snapshots = client.subscribe("BTC/USDT:USDT", update_interval_s=1, keep=10)
        async with asyncio.timeout(20):
            taken = [await anext(snapshots) for _ in range(3)]
        latest = await client.latest("btc-usdt")
        history = await client.history("BTC-USDT-SWAP", "12h")
        account = client.account("BTC_USDT")
        assert client.is_confirmed("BTC/USDT")
    assert {taken[0].symbol, latest.symbol, history.symbol} == {"BTCUSDT"}
    assert account.received >= 3
    assert (account.missed, account.resyncs) == (0, 0)
    assert latest.source == taken[-1].source == "simulated"
    assert latest.seq >= taken[-1].seq
    assert taken[-1].prices[taken[-1].long_usd > 0].max() < taken[-1].current_price
    assert history.long_usd.shape == history.short_usd.shape == (len(history.close), len(history.prices))
    assert np.all(history.low[~history.gap] <= history.high[~history.gap])
    assert history.close[-1] == history.close[~history.gap][-1] > 0
    assert history.long_usd[-1].sum() > 0 < history.short_usd[-1].sum()
