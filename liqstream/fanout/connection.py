"""What the server knows of one client: its subscriptions, what it holds, and what it could not take."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from liqstream.fanout.client_group import Group
from liqstream.fanout.socket_options import plain_socket_fd
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.close_codes import CloseCode
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.frames import close_frame, message_frame

if TYPE_CHECKING:
    from aiohttp import web


class HeldState(NamedTuple):
    """The state a returning client says it holds: where, and the checksum of its levels if it names one."""

    position: StreamPosition
    checksum: int | None = None


class Subscription:
    """One symbol of one client.

    `position` is that of the snapshot the client holds; while the client is synced its bucket knows it
    better, and `position` is brought up to date when it is demoted. `pending` is the newest snapshot that
    waits for the transport to drain, `dropped` how many it replaced. `earlier` is what the client held when
    it unsubscribed before. `resync` asks for the snapshot again, `needs_full` for one that is no delta.
    """

    __slots__ = ("dropped", "earlier", "interval_s", "needs_full", "pending", "position", "resync", "symbol")

    def __init__(self, symbol: str, interval_s: int, *, earlier: StreamPosition | None = None) -> None:
        self.symbol = symbol
        self.interval_s = interval_s
        self.position: StreamPosition | None = None
        self.earlier = earlier
        self.pending: StreamPosition | None = None
        self.dropped = 0
        self.resync = False
        self.needs_full = False

    def holds(self, encoded: EncodedSnapshot) -> bool:
        """True when the client has this snapshot, or a newer one, and did not ask for it again."""
        return self.position is not None and self.position >= encoded.position and not self.resync

    def defer(self, newest: StreamPosition) -> bool:
        """Let `newest` wait for the transport; True when it replaced one that waited."""
        # A repeat that waits (pending == position) is no loss when something newer takes its place.
        replaced = self.pending not in (None, newest, self.position)
        self.pending = newest
        self.dropped += replaced
        return replaced

    def mark_sent(self, sent: StreamPosition) -> int:
        """The client holds `sent` now; returns how many of the snapshots it lacks were dropped.

        Only a gap between two snapshots of one epoch is one the client can see.
        """
        visible = self.position is not None and self.position.epoch == sent.epoch
        dropped = self.dropped if visible else 0
        self.position, self.earlier, self.pending = sent, None, None
        self.dropped = 0
        self.resync = self.needs_full = False
        return dropped


class Connection:
    """One client's socket. Nothing here awaits the peer.

    `fd` is the descriptor it is written by while synced, -1 where only its transport can (TLS). `ticks` says
    whether it asked for them. `blocked_since` and `progress_at` (monotonic seconds), `pending_bytes`, `slow`,
    `warned_at` and `warning_due` are backpressure's. `unreported_drops` counts, by symbol, what no warning
    has stated yet. `earlier` is the newest position of each symbol it has unsubscribed from.
    """

    __slots__ = (
        "__weakref__",
        "_drained",
        "blocked_since",
        "close_code",
        "earlier",
        "fd",
        "groups",
        "pending_bytes",
        "progress_at",
        "shape",
        "slow",
        "subscriptions",
        "ticks",
        "transport",
        "unreported_drops",
        "warned_at",
        "warning_due",
        "window_bits",
        "ws",
    )

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport, *, window_bits: int) -> None:
        self.ws = ws
        self.transport = transport
        self.fd = plain_socket_fd(transport)
        self.window_bits = window_bits
        self.shape = Shape.V1
        self.ticks = False
        self.subscriptions: dict[str, Subscription] = {}
        self.groups: dict[int, ClientGroup] = {}
        self.earlier: dict[str, StreamPosition] = {}
        self.blocked_since: float | None = None
        self.progress_at = 0.0
        self.pending_bytes = 0
        self.unreported_drops: Counter[str] = Counter()
        self.warned_at: float | None = None
        self.warning_due = False
        self.slow = False
        self.close_code: CloseCode | None = None
        self._drained: asyncio.Future[None] | None = None

    @property
    def variant(self) -> Variant:
        """In which form this client is sent snapshots."""
        return Variant(self.shape, self.window_bits)

    def speak(self, *, proto: int, delta: bool | None, ticks: bool | None) -> None:
        """Take what a subscription asks for; None leaves it as it was. Protocol 2 stays, and it alone has
        deltas (by default) and ticks (by request)."""
        if proto < 2 and self.shape is Shape.V1:
            return
        self.ticks = self.ticks if ticks is None else ticks
        if delta is None:
            shape = Shape.DELTA if self.shape is Shape.V1 else self.shape
        else:
            shape = Shape.DELTA if delta else Shape.COLUMNS
        if shape is not self.shape:
            self.shape = shape
            for subscription in self.subscriptions.values():
                subscription.needs_full = True

    @property
    def blocked(self) -> bool:
        """True while the transport holds bytes the kernel has not taken."""
        return self.blocked_since is not None

    def send_message(self, payload: bytes) -> None:
        """Send one message; it queues in the transport when that is full.

        The endpoint reads no further message from a blocked client, so few of these can wait.
        """
        self.write(message_frame(payload, 0))

    def write(self, frame: bytes) -> None:
        """Write one frame; nothing to a peer that is gone, whose last messages may still be read."""
        if not self.transport.is_closing():
            self.transport.write(frame)

    def release(self) -> None:
        """Wake who waits in `drained`."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    async def drained(self) -> None:
        """Return once the transport has nothing pending, or is lost."""
        while self.blocked and not self.transport.is_closing():
            if self._drained is None:
                self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def close_now(self, code: CloseCode, *, grace_s: float) -> None:
        """Close without waiting for the peer: the close frame and FIN if it still reads, else a reset.

        The reset comes `grace_s` after the close frame. A second call does nothing.
        """
        if self.close_code is None:
            self.close_code = code
            self.transport.write(close_frame(code.code, code.reason))
            self.transport.close()
            self.release()
            asyncio.get_running_loop().call_later(grace_s, self.transport.abort)


ClientGroup = Group[Connection]
