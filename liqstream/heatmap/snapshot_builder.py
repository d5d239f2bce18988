"""The snapshot builder: states into numbered snapshots, a new number only when a reader would notice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from liqstream.heatmap.quantise import dequantise
from liqstream.heatmap.snapshot import HeatmapSnapshot, SilentExchange
from liqstream.heatmap.symbol_state import LevelMix, SymbolState, changes
from liqstream.market import Source


@dataclass(frozen=True, slots=True)
class DataStatus:
    """What is known of the data behind a snapshot: its own time (UTC ms), whether it is stale, its source,
    and which exchanges are silent beside others."""

    time_ms: int
    stale: bool
    source: Source
    silent: tuple[SilentExchange, ...] = ()


class SnapshotBuilder:
    """Makes each symbol's snapshots, one after the other; `epoch` is UTC ms and only grows."""

    def __init__(self, epoch: int, kernel_name: str) -> None:
        self.epoch = epoch
        self._kernel_name = kernel_name
        # By symbol: the newest state, the one before the last snapshot's, and the last snapshot. A state that
        # made no new snapshot still counts as the newest: what it gained is not counted again.
        self._states: dict[str, SymbolState] = {}
        self._previous: dict[str, SymbolState] = {}
        self._last: dict[str, HeatmapSnapshot] = {}
        # Of symbols that were forgotten, the last number of this epoch: a symbol that returns goes on there.
        self._last_seq: dict[str, int] = {}

    def last(self, symbol: str) -> HeatmapSnapshot | None:
        """The snapshot made last of a symbol; None before the first."""
        return self._last.get(symbol)

    def forget(self, symbol: str) -> None:
        """Drop a symbol's states and its last snapshot; should it return, its numbers go on."""
        last = self._last.pop(symbol, None)
        if last is not None:
            self._last_seq[symbol] = last.seq
        self._states.pop(symbol, None)
        self._previous.pop(symbol, None)

    def cap_time(self, symbol: str, latest_ms: int) -> None:
        """The symbol's last snapshot was of a later time than data can be: the next ones need not follow."""
        if (last := self._last.get(symbol)) is not None:
            self._last[symbol] = replace(last, timestamp_ms=min(last.timestamp_ms, latest_ms))

    def start_epoch(self, epoch: int) -> None:
        """Number everything anew under a larger epoch: each symbol's last snapshot is its first there."""
        self.epoch = epoch
        self._last_seq = {}
        self._last = {symbol: replace(last, epoch=epoch, seq=1) for symbol, last in self._last.items()}

    def snapshot_of(self, symbol: str, state: SymbolState, status: DataStatus) -> HeatmapSnapshot:
        """The snapshot of a symbol's newest state; the last one again if a reader would notice no change.

        Its time never falls behind the last one's.
        """
        last, previous = self._last.get(symbol), self._states.get(symbol)
        # Before the comparison: what this state gained over the newest one must not be counted by the next.
        self._states[symbol] = state
        created, consumed = changes(previous, state)
        snapshot = HeatmapSnapshot(
            symbol=symbol,
            # An exchange that joins late may bring older data; readers expect time to grow with the position.
            timestamp_ms=max(status.time_ms, last.timestamp_ms if last else 0),
            epoch=self.epoch,
            seq=(last.seq if last else self._last_seq.pop(symbol, 0)) + 1,
            grid=state.mix.grid,
            long=dequantise(state.long),
            short=dequantise(state.short),
            current_price=state.price_usd,
            positions_created=created,
            positions_consumed=consumed,
            stale=status.stale,
            source=status.source,
            quality=state.quality,
            kernel=self._kernel_name,
            silent=status.silent,
        )
        if last is not None and snapshot.digest == last.digest:
            return last
        if previous is not None:
            self._previous[symbol] = previous
        self._last[symbol] = snapshot
        return snapshot

    def mix_of(self, symbol: str) -> LevelMix:
        """The leverage mix of the newest state. Raises KeyError before the symbol's first snapshot."""
        return self._states[symbol].mix

    def snapshot_of_exchanges(
        self, symbol: str, exchanges: Collection[str], status: DataStatus
    ) -> tuple[HeatmapSnapshot, LevelMix] | None:
        """The symbol's last snapshot as it is for some exchanges alone, with its leverage mix.

        Grid, epoch and seq are the snapshot's; all else is of the exchanges. None if none of them has a
        price. Raises KeyError before the symbol's first snapshot.
        """
        state = self._states[symbol].only(exchanges)
        if state is None:
            return None
        previous = self._previous.get(symbol)
        created, consumed = changes(previous.only(exchanges) if previous else None, state)
        snapshot = replace(
            self._last[symbol],
            timestamp_ms=status.time_ms,
            long=dequantise(state.long),
            short=dequantise(state.short),
            current_price=state.price_usd,
            positions_created=created,
            positions_consumed=consumed,
            stale=status.stale,
            source=status.source,
            quality=state.quality,
            silent=status.silent,
        )
        return snapshot, state.mix
