"""What a client holds, what waits for it and what it was not sent, without a socket."""

from __future__ import annotations

import asyncio

from aiohttp import web

from liqstream.fanout.connection import Connection, Subscription
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.close_codes import SLOW_CONSUMER
from liqstream.wire.encoding import EncodedSnapshot, Shape
from liqstream.wire.frames import close_frame, text_frame
from tests.support.hand_client import HandTransport
from tests.support.snapshots import first_snapshot


def connection() -> tuple[Connection, HandTransport]:
    transport = HandTransport()
    return Connection(web.WebSocketResponse(), transport, window_bits=0), transport


def test_a_subscription_holds_what_it_was_sent_and_anything_older() -> None:
    """Unless it asked for the snapshot again."""
    subscription = Subscription("BTCUSDT", 1)
    second, third = (EncodedSnapshot(first_snapshot(seq=seq)) for seq in (2, 3))
    assert not subscription.holds(second)
    subscription.mark_sent(second.position)
    assert subscription.holds(second)
    assert not subscription.holds(third)
    subscription.resync = True
    assert not subscription.holds(second)


def test_a_snapshot_that_replaces_a_waiting_one_is_a_drop() -> None:
    """The first to wait replaces none; a repeat that waits is no loss."""
    subscription = Subscription("BTCUSDT", 1)
    subscription.mark_sent(StreamPosition(1, 1))
    assert [subscription.defer(StreamPosition(1, seq)) for seq in (2, 3, 3, 4)] == [False, True, False, True]
    assert subscription.mark_sent(StreamPosition(1, 4)) == 2
    subscription.defer(StreamPosition(1, 4))
    assert not subscription.defer(StreamPosition(1, 5))


def test_drops_before_a_new_epoch_are_not_visible() -> None:
    """A client sees gaps only within an epoch."""
    subscription = Subscription("BTCUSDT", 1)
    subscription.mark_sent(StreamPosition(1, 1))
    for seq in (2, 3):
        subscription.defer(StreamPosition(1, seq))
    assert subscription.mark_sent(StreamPosition(2, 1)) == 0


def test_protocol_2_stays_and_alone_has_deltas_and_ticks() -> None:
    """What a later subscription does not name stays as it was; another form begins with a whole snapshot."""
    client, _ = connection()
    held = client.subscriptions["BTCUSDT"] = Subscription("BTCUSDT", 1)
    client.speak(proto=1, delta=True, ticks=True)
    assert (client.shape, client.ticks, held.needs_full) == (Shape.V1, False, False)
    client.speak(proto=2, delta=None, ticks=None)
    assert (client.shape, client.ticks, held.needs_full) == (Shape.DELTA, False, True)
    held.needs_full = False
    client.speak(proto=1, delta=None, ticks=True)
    assert (client.shape, client.ticks, held.needs_full) == (Shape.DELTA, True, False)
    client.speak(proto=1, delta=False, ticks=None)
    assert (client.shape, client.ticks, held.needs_full) == (Shape.COLUMNS, True, True)
    client.speak(proto=2, delta=None, ticks=False)
    assert (client.shape, client.ticks) == (Shape.COLUMNS, False)


def test_messages_are_framed_and_not_written_to_a_peer_that_is_gone() -> None:
    """A closing transport is left alone."""
    client, transport = connection()
    client.send_message(b"{}")
    assert transport.arrived == text_frame(b"{}")
    transport.abort()
    client.send_message(b"{}")
    assert transport.writes == 1


async def test_close_now_sends_the_code_once_and_resets_after_the_grace() -> None:
    """Whoever waits for the client to read goes on at once."""
    client, transport = connection()
    client.blocked_since = 0.0
    waiting = asyncio.ensure_future(client.drained())
    await asyncio.sleep(0)
    client.close_now(SLOW_CONSUMER, grace_s=0.0)
    client.close_now(SLOW_CONSUMER, grace_s=0.0)
    assert transport.arrived == close_frame(4000, SLOW_CONSUMER.reason)
    async with asyncio.timeout(5):
        await waiting
    assert transport.aborted


async def test_drained_returns_when_the_transport_is_released() -> None:
    """And at once for a client that is not blocked."""
    client, _ = connection()
    await client.drained()
    client.blocked_since = 1.0
    waiting = asyncio.ensure_future(client.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    client.blocked_since = None
    client.release()
    async with asyncio.timeout(5):
        await waiting
