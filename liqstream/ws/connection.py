"""What the server knows of one client: its subscriptions, what it holds, and what it could not take."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from liqstream.ws.close_codes import CloseCode
from liqstream.ws.encoding import EncodedSnapshot, Shape, Variant
from liqstream.ws.frames import close_frame, message_frame
from liqstream.ws.group import Group
from liqstream.ws.messages import SnapshotId
from liqstream.ws.sockets import plain_socket_fd

if TYPE_CHECKING:
    from aiohttp import web


class Subscription:
    """One symbol of one client.

    `last` is the snapshot the client holds; while it is in step its bucket knows that better, and `last` is
    brought up to date when it falls out of step. `pending` is the newest snapshot that waits for the
    transport to drain, `dropped` how many it replaced. `left` is what the client held
    when it unsubscribed earlier.
    """

    __slots__ = ("dropped", "interval_s", "last", "left", "pending", "resync", "symbol", "wants_full")

    def __init__(self, symbol: str, interval_s: int, *, left: SnapshotId | None = None) -> None:
        self.symbol = symbol
        self.interval_s = interval_s
        self.last: SnapshotId | None = None
        self.left = left
        self.pending: SnapshotId | None = None
        self.dropped = 0
        self.resync = False
        self.wants_full = False

    def holds(self, said: EncodedSnapshot) -> bool:
        """True when there is nothing in `said` the client does not have."""
        return self.last is not None and self.last >= said.id and not self.resync

    def hold_back(self, newest: SnapshotId) -> bool:
        """Let `newest` wait for the transport; True when it replaced one that waited."""
        # A repeat that waits (pending == last) is no loss when something newer takes its place.
        replaced = self.pending not in (None, newest, self.last)
        self.pending = newest
        self.dropped += replaced
        return replaced

    def take(self, sent: SnapshotId) -> int:
        """The client holds `sent` now; returns how many of the gap before it were dropped.

        Only a gap between two snapshots of one epoch is one the client can see.
        """
        visible = self.last is not None and self.last[0] == sent[0]
        dropped = self.dropped if visible else 0
        self.last, self.left, self.pending = sent, None, None
        self.dropped = 0
        self.resync = self.wants_full = False
        return dropped


class Connection:
    """One client's socket. Nothing here awaits the peer."""

    __slots__ = (
        "__weakref__",
        "_drained",
        "blocked_since",
        "close_code",
        "fd",
        "groups",
        "left",
        "progress_at",
        "shape",
        "slow",
        "subscriptions",
        "transport",
        "undelivered",
        "untold",
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
        self.subscriptions: dict[str, Subscription] = {}
        self.groups: dict[int, ClientGroup] = {}
        self.left: dict[str, SnapshotId] = {}
        self.blocked_since: float | None = None
        self.progress_at = 0.0
        self.undelivered = 0
        self.untold: Counter[str] = Counter()
        self.warned_at: float | None = None
        self.warning_due = False
        self.slow = False
        self.close_code: CloseCode | None = None
        self._drained: asyncio.Future[None] | None = None

    @property
    def variant(self) -> Variant:
        """How this client wants snapshots said."""
        return Variant(self.shape, self.window_bits)

    @property
    def blocked(self) -> bool:
        """True while the transport holds bytes the kernel has not taken."""
        return self.blocked_since is not None

    def say(self, payload: bytes) -> None:
        """Send one message; it queues in the transport when that is full.

        The endpoint reads no further message from a blocked client, so few of these can wait.
        """
        self.write(message_frame(payload, 0))

    def write(self, frame: bytes) -> None:
        """Write one frame; nothing to a peer that is gone, of whom messages may still wait to be answered."""
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

    def kill(self, code: CloseCode, *, grace_s: float) -> None:
        """Close without waiting for the peer: the close frame and FIN if it still reads, else a reset."""
        if self.close_code is None:
            self.close_code = code
            self.transport.write(close_frame(code.code, code.reason))
            self.transport.close()
            self.release()
            asyncio.get_running_loop().call_later(grace_s, self.transport.abort)


ClientGroup = Group[Connection]
