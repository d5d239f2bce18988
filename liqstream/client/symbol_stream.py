"""One symbol's stream, from messages to states: deltas applied, verified by checksum, every gap counted.

It knows no socket; web/js/wire/symbol-stream.js does the same in the browser, and
tests/client_behaviours.json holds both to one table.
"""

from __future__ import annotations

import msgspec

from .account import Account, AccountKeeper
from .levels import Levels
from .messages import (
    DeltaMessage,
    SnapshotMessage,
    StateMessage,
    StreamPosition,
    TickMessage,
)
from .snapshot import Snapshot, Tick, parse_time

ASK_AGAIN_AFTER_DELTAS = 10
"""Deltas that could not be used before a resync that had no answer is asked for again."""


class SymbolStream:
    """The newest state of a symbol whose checksum agreed.

    `snapshot` is the last one handed on. `is_confirmed` says whether the server of this connection stands in
    its epoch: by a state, a heartbeat, an ack or a pong.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.snapshot: Snapshot | None = None
        self.is_confirmed = False
        self._base: Snapshot | None = None  # what the next delta builds on; None: it must come whole
        # The position of the last state shown on this connection, None before the first and after a drop:
        # what comes next is shown then, wherever it stands.
        self._shown: StreamPosition | None = None
        self._lost_deltas: int | None = None  # since a resync was requested; None: none is under way
        self._is_ahead = False  # the last heartbeat was ahead of us, and no state has come since
        self._accounts = AccountKeeper()  # of all connections

    @property
    def account(self) -> Account:
        """What arrived and what did not, over all connections."""
        return self._accounts.account

    @property
    def resume(self) -> dict[str, int] | None:
        """The state to resume from, as a subscription names it; None without one."""
        base = self._base
        return None if base is None else {"epoch": base.epoch, "seq": base.seq, "checksum": base.checksum}

    def connection_lost(self) -> None:
        """The next connection may be another server's: its first state counts, whatever was shown before."""
        self.is_confirmed = self._is_ahead = False
        self._shown = self._lost_deltas = None
        self._accounts.connection_lost()

    def must_ask_for_whole(self) -> bool:
        """Whether to send a resync now: once when the state was lost, and again if none came."""
        if self._lost_deltas is None or self._lost_deltas % (ASK_AGAIN_AFTER_DELTAS + 1):
            return False
        self._lost_deltas += 1
        self._accounts.add_resync()
        return True

    def take(self, message: StateMessage) -> Snapshot | None:
        """The state after a message; None if it is no newer, or cannot be verified: see
        `must_ask_for_whole`."""
        at = StreamPosition(message.epoch, message.seq)
        if not message.repeat and not self._accounts.count(at, message.skipped):
            return None
        self._is_ahead = False
        levels = self._levels(message)
        if levels is None or levels.checksum != message.checksum:
            self._lose_state()
            return None
        self._lost_deltas = None
        if isinstance(message, DeltaMessage) and self._base is not None:
            message = msgspec.structs.replace(message, kernel=message.kernel or self._base.kernel)
        self._base = Snapshot.of(message, message.data, levels, skipped=message.skipped)
        self.is_confirmed = True
        if self._shown is not None and (at.epoch, at.seq) <= (self._shown.epoch, self._shown.seq):
            return None
        self._shown, self.snapshot = at, self._base
        return self.snapshot

    def take_tick(self, message: TickMessage) -> Snapshot | None:
        """The state at a tick's price; None if the tick is of another state than the one held.

        It says where the server stands, as a heartbeat does. It is in no account, and changes no state that
        deltas build on.
        """
        at = StreamPosition(message.epoch, message.seq)
        self.take_heartbeat(at)
        base = self._base
        if base is None or (base.epoch, base.seq) != (at.epoch, at.seq):
            return None
        time = parse_time(message.timestamp)
        tick = Tick(time, message.n, message.current_price, message.low, message.high)
        self.snapshot = base.at(tick)
        return self.snapshot

    def take_heartbeat(self, at: StreamPosition) -> None:
        """Where the server stands while nothing is sent.

        Another epoch, or a seq below ours, means that it is not our state's server: the state is dropped. A
        higher seq is the update interval's business, unless it is stated twice with nothing between.
        """
        if self._drop_if_elsewhere(at):
            return
        if self._base is not None and at.seq == self._base.seq:
            self._is_ahead = False
        elif self._is_ahead:
            self._is_ahead = False
            self._lost_deltas = 0
        else:
            self._is_ahead = True

    def take_pong(self, at: StreamPosition) -> None:
        """Where the server stands at this moment; being ahead of us is no fault."""
        self._drop_if_elsewhere(at)

    def take_ack(self, at: StreamPosition) -> None:
        """Where the server stands when we subscribe.

        If our state is of a connection before and not this server's, the whole one comes by itself.
        """
        is_due = not self.is_confirmed
        if self._drop_if_elsewhere(at) and is_due:
            self._lost_deltas = None

    def take_dropped(self, count: int) -> None:
        """A warning states how many snapshots of this symbol were dropped."""
        self._accounts.take_dropped(count)

    def ask_if_missing(self) -> None:
        """A whole state that was due has not come: ask for it."""
        if self._base is None and self._lost_deltas is None:
            self._lost_deltas = 0

    def _drop_if_elsewhere(self, at: StreamPosition) -> bool:
        base = self._base
        if base is None:
            return False
        if base.epoch == at.epoch and base.seq <= at.seq:
            self.is_confirmed = True
            return False
        self._lose_state()
        self._is_ahead = False
        self._accounts.begin_anew()
        return True

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
        self._base = self._shown = None
        self.is_confirmed = False
        self._lost_deltas = 0 if self._lost_deltas is None else self._lost_deltas + 1
