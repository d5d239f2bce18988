"""liqstream/fleet/shared_prices.py: one server publishes prices, all make their ticks of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import pytest
from redis import asyncio as aioredis

from liqstream.fleet.redis_pubsub import RedisNames
from liqstream.fleet.shared_prices import SharedPrices
from liqstream.heatmap.price_track import Passed, PriceTrack
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.price_codec import encode_prices

NAMES = RedisNames("heatmap")
BEYOND_ASCII = "币安人生USDT"
SYMBOLS = ("BTCUSDT", "ETHUSDT", BEYOND_ASCII)
AT = StreamPosition(7, 3)


class Server:
    """One server's prices, joined to the fleet; its tasks run until it is left."""

    def __init__(self, redis: aioredis.Redis, *, per_s: float = 10.0) -> None:
        self.leads, self.demanded, self.wanted = False, frozenset(SYMBOLS), frozenset(SYMBOLS)
        self.tracks = {symbol: PriceTrack() for symbol in SYMBOLS}
        self.received: asyncio.Queue[str] = asyncio.Queue()
        self.shared = SharedPrices(
            redis,
            NAMES,
            leads=lambda: self.leads,
            demanded=lambda: self.demanded,
            wanted=lambda: self.wanted,
            per_s=per_s,
        )
        self.shared.track_of = self.tracks.get
        self.shared.on_price = self._note
        self.tasks = [asyncio.create_task(self.shared.publish()), asyncio.create_task(self.shared.receive())]

    def _note(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self.received.put_nowait(symbol)

    def price(self, symbol: str, usd: float) -> None:
        self.tracks[symbol].note_passed(AT, {"binance": Passed(usd, usd)})
        self.tracks[symbol].note_price(5, usd, {"binance": usd})
        self.shared.note([symbol])

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task


async def until_received_by(redis: aioredis.Redis, symbol: str, servers: int) -> None:
    """Wait until so many servers receive the prices of `symbol`."""
    async with asyncio.timeout(10):
        while (await redis.pubsub_numsub(NAMES.prices(symbol)))[0][1] != servers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def servers(redis: aioredis.Redis) -> AsyncIterator[list[Server]]:
    """Two servers that receive; the first leads."""
    made = [Server(redis) for _ in range(2)]
    made[0].leads = True
    for symbol in SYMBOLS:
        await until_received_by(redis, symbol, 2)
    yield made
    for server in made:
        await server.close()


async def next_of(server: Server) -> str:
    async with asyncio.timeout(10):
        return await server.received.get()


async def test_a_follower_knows_the_leaders_price_and_what_it_passed(servers: list[Server]) -> None:
    """As of the snapshot that both hold."""
    leader, follower = servers
    leader.price("BTCUSDT", 98.0)
    assert await next_of(follower) == "BTCUSDT"
    leader.price("BTCUSDT", 100.0)
    assert await next_of(follower) == "BTCUSDT"
    since = follower.shared.price_since("BTCUSDT", AT)
    assert since == leader.tracks["BTCUSDT"].since(AT)
    assert since is not None
    assert (since.current_price, since.low) == (100.0, 98.0)
    assert follower.shared.price_since("BTCUSDT", StreamPosition(8, 1)) is None
    assert follower.shared.price_since("ETHUSDT", AT) is None


async def test_a_name_beyond_ascii_has_a_channel_like_others(servers: list[Server]) -> None:
    """Its own, percent-encoded; the follower knows its price and what was passed."""
    leader, follower = servers
    assert NAMES.prices(BEYOND_ASCII) == "heatmap:%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT:prices"
    leader.price(BEYOND_ASCII, 0.25)
    assert await next_of(follower) == BEYOND_ASCII
    leader.price(BEYOND_ASCII, 0.3)
    assert await next_of(follower) == BEYOND_ASCII
    since = follower.shared.price_since(BEYOND_ASCII, AT)
    assert since == leader.tracks[BEYOND_ASCII].since(AT)
    assert since is not None
    assert (since.current_price, since.low) == (0.3, 0.25)
    assert follower.received.empty()


async def test_only_the_leader_publishes_and_only_what_is_followed(servers: list[Server]) -> None:
    """A follower's own prices reach nobody, nor do those of a symbol without clients."""
    leader, follower = servers
    leader.demanded = frozenset({"ETHUSDT"})
    follower.price("ETHUSDT", 97.0)
    leader.price("BTCUSDT", 98.0)
    leader.price("ETHUSDT", 99.0)
    assert await next_of(follower) == "ETHUSDT"
    assert follower.received.empty()
    since = follower.shared.price_since("ETHUSDT", AT)
    assert since is not None
    assert since.current_price == 99.0


async def test_a_server_receives_only_what_its_own_clients_want_ticks_of(
    servers: list[Server], redis: aioredis.Redis
) -> None:
    """Nothing at all while nobody does, and what was known then is not shown later."""
    leader, follower = servers
    leader.price("BTCUSDT", 98.0)
    assert await next_of(follower) == "BTCUSDT"
    follower.wanted = frozenset({"ETHUSDT"})
    await until_received_by(redis, "BTCUSDT", 1)
    assert follower.shared.price_since("BTCUSDT", AT) is None
    leader.price("BTCUSDT", 97.0)
    leader.price("ETHUSDT", 99.0)
    assert await next_of(follower) == "ETHUSDT"
    follower.wanted = frozenset()
    await until_received_by(redis, "ETHUSDT", 1)
    follower.wanted = frozenset({"BTCUSDT"})
    await until_received_by(redis, "BTCUSDT", 2)
    assert follower.received.empty()
    leader.price("BTCUSDT", 96.0)
    assert await next_of(follower) == "BTCUSDT"


async def test_publications_keep_the_pace_and_hold_the_newest(servers: list[Server]) -> None:
    """Ten a second at most, however many changes there are."""
    leader, follower = servers
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for number in range(1, 201):
        leader.price("BTCUSDT", 100.0 + number)
        await asyncio.sleep(0.002)
    async with asyncio.timeout(10):
        while True:
            await follower.received.get()
            since = follower.shared.price_since("BTCUSDT", AT)
            if since is not None and since.current_price == 300.0:
                break
    assert follower.received.empty()
    publications = 1 + 10 * (loop.time() - began_s)
    assert leader.received.qsize() <= publications


async def test_foreign_bytes_in_a_channel_are_passed_over(
    servers: list[Server], redis: aioredis.Redis
) -> None:
    """The next message is read."""
    leader, follower = servers
    await redis.publish(NAMES.prices("BTCUSDT"), b"garbage")
    leader.price("BTCUSDT", 98.0)
    assert await next_of(follower) == "BTCUSDT"


async def test_a_flood_of_prices_does_not_stop_the_server(
    servers: list[Server], redis: aioredis.Redis
) -> None:
    """They come together; whatever else runs has its turn between any two of them."""
    leader, follower = servers
    leader.price("BTCUSDT", 98.0)
    await next_of(follower)
    payload = encode_prices("BTCUSDT", leader.tracks["BTCUSDT"])
    assert payload is not None
    turns, turns_at_price = 0, list[int]()
    follower.shared.on_price = lambda _symbols: turns_at_price.append(turns)
    flood = redis.pipeline(transaction=False)
    for _ in range(200):
        _ = flood.publish(NAMES.prices("BTCUSDT"), payload)
    executed = asyncio.ensure_future(flood.execute())
    async with asyncio.timeout(10):
        while len(turns_at_price) < 200:
            turns += 1
            await asyncio.sleep(0)
    await executed
    assert len(set(turns_at_price)) == 200


async def test_it_goes_on_after_its_connections_were_cut(
    servers: list[Server], redis: aioredis.Redis
) -> None:
    """Received again once it has connected again; a publication that failed makes nothing but a late tick."""
    leader, follower = servers
    await redis.client_kill_filter(_type="pubsub")
    await redis.client_kill_filter(_type="normal", skipme=True)
    async with asyncio.timeout(10):
        while follower.received.empty():
            leader.price("BTCUSDT", 98.0)
            await asyncio.sleep(0.05)
