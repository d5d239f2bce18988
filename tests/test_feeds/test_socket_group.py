"""As many sockets as the topics need; a change of topics loses nothing, a refused one costs itself alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import orjson
import pytest
from aiohttp import web

from liqstream.feeds.exchanges.bybit import Bybit
from liqstream.feeds.http_session import make_session
from liqstream.feeds.pacing import FeedTiming, Pace
from liqstream.feeds.refusals import Refusal
from liqstream.feeds.socket_group import SocketGroup
from liqstream.feeds.socket_supervisor import SocketHooks, SocketMeans
from liqstream.feeds.venue import Topic
from liqstream.feeds.venue_state import VenueState
from liqstream.simulator.clock import MarketClock
from liqstream.supervision.clock import Clock
from tests.support.exchange_rig import eventually, serving

STEP_MS = 300_000


@dataclass(slots=True)
class Server:
    """Speaks as Bybit does: refuses a message with a topic of `refused`, else sends data of each topic."""

    refused: set[str] = field(default_factory=set)
    refuses_silently: bool = False
    handshake: tuple[int, str] | None = None
    open: list[set[str]] = field(default_factory=list)
    handshakes: int = 0

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        if self.handshake is not None:
            status, text = self.handshake
            return web.Response(status=status, text=text)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        topics: set[str] = set()
        self.open.append(topics)
        sending = asyncio.create_task(self._send(ws, topics))
        try:
            async for message in ws:
                asked = orjson.loads(message.data)
                bad = self.refused & set(asked.get("args", ()))
                if bad:
                    named = "" if self.refuses_silently else f",topic:{min(bad)}"
                    answer = {"success": False, "ret_msg": f"error:handler not found{named}"}
                    await ws.send_bytes(b"")
                    await ws.send_str(orjson.dumps(answer | {"req_id": asked["req_id"]}).decode())
                else:
                    topics.update(asked.get("args", ()))
        finally:
            sending.cancel()
            self.open.remove(topics)
        return ws

    @staticmethod
    async def _send(ws: web.WebSocketResponse, topics: set[str]) -> None:
        while not ws.closed:
            for topic in tuple(topics):
                message = {"topic": topic, "type": "delta", "ts": 1_790_000_000_000, "data": {}}
                if topic.startswith("tickers"):
                    await ws.send_str(orjson.dumps(message).decode())
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Held:
    """A group on a server, and what its hooks were told."""

    server: Server
    group: SocketGroup
    means: SocketMeans
    hooks: SocketHooks
    url: str
    breaks: list[tuple[str, float]]
    refused: list[tuple[str, Refusal, float | None]]
    taken: list[str]
    clock: Clock

    def hold(self, *symbols: str, without: frozenset[str] = frozenset()) -> list[Topic]:
        """Everything of these symbols but some topics."""
        venue = self.means.venue
        topics = [topic for topic in venue.topics(symbols, STEP_MS) if topic.name not in without]
        self.group.hold(venue.sockets(topics, self.url), self.means, self.hooks)
        return topics


@asynccontextmanager
async def held(server: Server, speed: float = 20.0) -> AsyncIterator[Held]:
    app = web.Application()
    app.router.add_get("/v5/public/linear", server.socket)
    venue, clock = Bybit(), Clock(speed, MarketClock(speed).now_ms)
    breaks: list[tuple[str, float]] = []
    refused: list[tuple[str, Refusal, float | None]] = []
    taken: list[str] = []
    hooks = SocketHooks(
        venue.read,
        lambda name, reason, wait_s: breaks.append((reason, wait_s)),
        lambda topic, refusal, wait_s: refused.append((topic.name, refusal, wait_s)),
        lambda name: None,
        taken.append,
    )
    async with serving(app) as port, make_session() as session:
        timing = FeedTiming(clock=clock, stale_after_s=600.0)
        means = SocketMeans(venue, session, Pace(0.0), timing, VenueState(None, clock.now_ms, clock.time_s))
        group = SocketGroup()
        try:
            yield Held(server, group, means, hooks, f"ws://127.0.0.1:{port}", breaks, refused, taken, clock)
        finally:
            await group.close()


async def test_a_change_of_topics_hands_over() -> None:
    """The old connection goes only once the new one has data: nothing breaks."""
    async with held(Server()) as at:
        topics = at.hold("BTCUSDT")
        await eventually(lambda: at.group.connected)
        assert at.server.open == [{topic.name for topic in topics}]
        more = at.hold("BTCUSDT", "ETHUSDT")
        await eventually(lambda: at.server.open == [{topic.name for topic in more}])
        assert (at.group.connects, at.breaks) == (2, [])
        at.hold("BTCUSDT", "ETHUSDT")
        at.group.replace_carrier("ETHUSDT", "bars", 0.0)
        await eventually(lambda: at.group.connects == 3)
        at.group.replace_carrier("ETHUSDT", "bars", 20.0)
        await asyncio.sleep(0.1)
        assert at.group.connects == 3
        at.group.hold([], at.means, at.hooks)
        await eventually(lambda: at.server.open == [])
        assert (at.group.connects, at.group.connected) == (3, False)


async def test_a_handover_that_fails_is_tried_again() -> None:
    """At once: an exchange that has announced the end of a connection does not wait."""
    async with held(Server(), speed=200.0) as at:
        at.hold("BTCUSDT")
        await eventually(lambda: at.group.connected)
        at.server.handshake = (503, "busy")
        at.group.replace_carrier("BTCUSDT", "bars", 0.0)
        await eventually(lambda: at.server.handshakes >= 3)
        old = at.server.open[0]
        at.server.handshake = None
        await eventually(lambda: len(at.server.open) == 1 and at.server.open[0] is not old)
        assert (at.breaks, at.group.connected) == ([], True)


async def test_a_refused_topic_is_asked_for_again() -> None:
    """On the same connection, within half a minute however long it was refused: a listing may come late."""
    async with held(Server({"tickers.ETHUSDT"}), speed=500.0) as at:
        topics = at.hold("BTCUSDT", "ETHUSDT")
        began_s = at.clock.time_s()
        await eventually(lambda: at.clock.time_s() - began_s > 1200.0)
        assert {name for name, _, _ in at.refused} == {"tickers.ETHUSDT"}
        assert 1200 / 31 <= len(at.refused) <= 1200 / 2.0
        assert "tickers.ETHUSDT" not in at.taken
        at.server.refused = set()
        await eventually(lambda: at.server.open == [{topic.name for topic in topics}])
        await eventually(lambda: "tickers.ETHUSDT" in at.taken)
        assert sorted(at.taken) == sorted(topic.name for topic in topics)
        assert (at.server.handshakes, at.breaks) == (1, [])


async def test_sockets_go_through_the_proxy() -> None:
    """It alone knows the host."""
    async with held(Server()) as at:
        at.means = replace(at.means, proxy=at.url.replace("ws://", "http://"))
        at.url = "ws://exchange.invalid"
        at.hold("BTCUSDT")
        await eventually(lambda: at.group.connected)


@pytest.mark.parametrize("silently", [False, True])
async def test_one_of_four_symbols_is_refused(silently: bool) -> None:
    """Its topics are named; all others are there, whether or not the answer names the topic."""
    server = Server({"tickers.ETHUSDT", "kline.5.ETHUSDT"}, refuses_silently=silently)
    async with held(server) as at:
        topics = at.hold("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
        wanted = {topic.name for topic in topics} - server.refused
        await eventually(lambda: at.server.open == [wanted])
        await eventually(lambda: {name for name, _, _ in at.refused} == server.refused)
        assert {refusal.kind for _, refusal, _ in at.refused} == {"item"}
        assert at.breaks == []
        assert at.group.connected


@pytest.mark.parametrize(
    ("status", "text", "wait_s"),
    [
        (403, "configured to block access from your country", 900.0),
        (418, "", 120.0),
        (403, "access too frequent", 600.0),
        (502, "<html>", None),
    ],
)
async def test_a_refused_handshake(status: int, text: str, wait_s: float | None) -> None:
    """By the same table and the same schedule as REST; the reason is named; it is tried for ever."""
    async with held(Server(handshake=(status, text)), speed=2000.0) as at:
        at.hold("BTCUSDT")
        await eventually(lambda: len(at.breaks) >= 2, within_s=15)
        assert f"HTTP {status}" in at.breaks[0][0]
        if wait_s is None:
            assert all(wait <= 30.0 for _, wait in at.breaks)
        else:
            assert {wait for _, wait in at.breaks} == {wait_s}
        at.server.handshake = None
        await eventually(lambda: at.group.connected, within_s=15)
