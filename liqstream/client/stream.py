"""One symbol's stream, from messages to states: deltas applied, proved by checksum, every gap counted.

It knows no socket; web/js/websocket-client.js does the same in the browser, and tests/client_behaviours.json
holds both to one table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from liqstream.client.levels import Levels
from liqstream.client.messages import At, DeltaMessage, SnapshotMessage, StateMessage
from liqstream.client.snapshot import Snapshot, parse_time

ASK_AGAIN_AFTER_DELTAS = 10
"""Deltas that could not be used before a resync that had no answer is asked for again."""


@dataclass(frozen=True, slots=True)
class Account:
    """What arrived of a symbol's stream and what did not, over all connections.

    `received` messages; `skipped` were passed over by the update interval; `missed` is what neither explains:
    backpressure dropped it, as the SLOW_CONSUMER warnings say too. `away` went by between two connections.
    `resyncs` counts the whole states asked for.
    """

    received: int = 0
    skipped: int = 0
    missed: int = 0
    away: int = 0
    resyncs: int = 0


class SymbolStream:
    """The newest proved state of a symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.account = Account()
        self.snapshot: Snapshot | None = None
        self._base: Snapshot | None = None
        self._last: At | None = None
        self._fresh_connection = True
        self._lost_deltas: int | None = None  # since a resync was wanted; None: none is

    @property
    def resume(self) -> At | None:
        """Where to resume from, None without a state."""
        return None if self._base is None else At(self._base.epoch, self._base.seq)

    def connection_lost(self) -> None:
        """What goes by from now on is `away`; a resync under way is forgotten."""
        self._fresh_connection = True
        self._lost_deltas = None

    def must_ask_for_whole(self) -> bool:
        """Whether to send a resync now: once when the state was lost, and again if none came."""
        if self._lost_deltas is None or self._lost_deltas % ASK_AGAIN_AFTER_DELTAS:
            return False
        self._lost_deltas += 1
        self.account = replace(self.account, resyncs=self.account.resyncs + 1)
        return True

    def take(self, message: StateMessage) -> Snapshot | None:
        """The state after a message; None if it is no news, or cannot be proved: see `must_ask_for_whole`."""
        self._count(message)
        levels = self._levels(message)
        if levels is None or levels.checksum != message.checksum:
            self._lose_state()
            return None
        self._lost_deltas = None
        self._base = _snapshot(message, levels)
        if self.snapshot is not None and _position(self._base) <= _position(self.snapshot):
            return None
        self.snapshot = self._base
        return self.snapshot

    def take_heartbeat(self, at: At) -> None:
        """Another epoch than ours means that we missed its beginning; an older seq may be on its way."""
        if self._base is not None and self._base.epoch != at.epoch:
            self._lose_state()

    def _levels(self, message: StateMessage) -> Levels | None:
        try:
            if isinstance(message, SnapshotMessage):
                data = message.data
                return Levels.of(data.p0, data.step, data.long, data.short)
            return self._patched(message)
        except ValueError:
            return None

    def _patched(self, message: DeltaMessage) -> Levels | None:
        base = self._base
        if base is None or (base.epoch, base.seq) != (message.epoch, message.prev_seq):
            return None
        long, short = message.data.long, message.data.short
        return base.grid.changed((long.i, long.v), (short.i, short.v))

    def _lose_state(self) -> None:
        self._base = None
        self._lost_deltas = 0 if self._lost_deltas is None else self._lost_deltas + 1

    def _count(self, message: StateMessage) -> None:
        if message.repeat:
            return
        last, account = self._last, self.account
        account = replace(account, received=account.received + 1)
        if last is not None and last.epoch == message.epoch:
            gap = max(0, message.seq - last.seq - 1)
            if self._fresh_connection:
                account = replace(account, away=account.away + gap)
            else:
                account = replace(
                    account,
                    skipped=account.skipped + message.skipped,
                    missed=account.missed + max(0, gap - message.skipped),
                )
        self.account = account
        self._last = At(message.epoch, message.seq)
        self._fresh_connection = False


def _snapshot(message: StateMessage, levels: Levels) -> Snapshot:
    return Snapshot(
        symbol=message.symbol,
        time=parse_time(message.timestamp),
        epoch=message.epoch,
        seq=message.seq,
        skipped=message.skipped,
        stale=message.stale,
        source=message.source,
        quality=tuple(message.quality),
        current_price=message.data.current_price,
        positions_created=message.data.positions_created,
        positions_consumed=message.data.positions_consumed,
        grid=levels,
    )


def _position(snapshot: Snapshot) -> tuple[int, int]:
    return snapshot.epoch, snapshot.seq
