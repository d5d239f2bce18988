"""Whatever happens in whatever order, every client ends with the newest state and every gap is explained."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.price_track import Passed, PriceTrack
from liqstream.heatmap.snapshot import HeatmapSnapshot
from tests.support.frame_reader import assert_says
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot, next_snapshot

GRID = Grid(90_000.0, 50.0, 24)
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class FanOutMachine(RuleBasedStateMachine):
    """SymbolUpdates, joins, interval changes, resyncs, stalls and leaves in any order."""

    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.manager = ConnectionManager(timers=self.clock, stall_timeout_s=1e9, now_ms=lambda: 0)
        self.oracle: dict[tuple[str, int, int], HeatmapSnapshot] = {}
        self.newest: dict[str, HeatmapSnapshot] = {}
        self.tracks = {symbol: PriceTrack() for symbol in SYMBOLS}
        self.manager.ticks.price_since = lambda symbol, position: self.tracks[symbol].since(position)
        self.everyone: list[HandClient] = []

    @initialize(target=clients)
    def some_of_each_kind(self) -> MultipleResults[HandClient]:
        """So that short runs meet more than joins."""
        for window_bits, proto, delta in ((0, 1, None), (0, 2, True), (15, 2, True), (9, 2, False)):
            client = self.join(window_bits)
            self.subscribe(client, set(SYMBOLS[:2]), 1, proto, delta)
        return multiple(*self.everyone)

    @rule(target=clients, window_bits=st.sampled_from((0, 0, 15, 9)))
    def join(self, window_bits: int) -> HandClient:
        client = HandClient(self.manager, window_bits)
        self.everyone.append(client)
        return client

    @rule(
        client=clients,
        symbols=st.sets(st.sampled_from(SYMBOLS), min_size=1),
        interval_s=st.sampled_from((1, 1, 2, 5)),
        proto=st.sampled_from((1, 2, 2)),
        delta=st.sampled_from((None, True, True, False)),
        ticks=st.sampled_from((None, True, True, False)),
    )
    def subscribe(
        self,
        client: HandClient,
        symbols: set[str],
        interval_s: int,
        proto: int,
        delta: bool | None,
        ticks: bool | None = True,
    ) -> None:
        client.proto = max(client.proto, proto)
        client.follows |= symbols
        client.ticks = client.ticks if ticks is None or client.proto < 2 else ticks
        connecting = self.manager.connect(
            client.ws, sorted(symbols), interval_s=interval_s, proto=client.proto, delta=delta, ticks=ticks
        )
        client.read()
        client.silent = dict(client.reader.ticks) if not client.ticks else None
        done(connecting)

    @rule(client=clients, symbol=st.sampled_from(SYMBOLS))
    def unsubscribe(self, client: HandClient, symbol: str) -> None:
        client.transport.read_all()
        client.read()
        done(self.manager.unsubscribe(client.ws, [symbol]))
        client.follows.discard(symbol)
        client.reader.leave(symbol)

    @rule(client=clients)
    def resync(self, client: HandClient) -> None:
        done(self.manager.resync(client.ws))

    @rule(client=clients)
    def stall(self, client: HandClient) -> None:
        client.transport.stalled = True

    @rule(client=clients)
    def read_again(self, client: HandClient) -> None:
        client.transport.read_all()

    @rule(client=consumes(clients))
    def leave(self, client: HandClient) -> None:
        client.transport.read_all()
        self._settle()
        self._check_account(client)
        done(self.manager.disconnect(client.ws))
        self.everyone.remove(client)

    @rule(
        symbols=st.sampled_from((SYMBOLS, SYMBOLS, SYMBOLS[:1], SYMBOLS[1:])),
        share=st.sampled_from((0.05, 0.0, 0.2, 1.0)),
        waits_s=st.lists(st.sampled_from((1.0, 1.0, 0.2, 0.0)), min_size=1, max_size=6),
    )
    def round(self, symbols: tuple[str, ...], share: float, waits_s: list[float]) -> None:
        for wait_s in waits_s:
            self._broadcast(dict.fromkeys(symbols, share))
            self.what_clients_hold_was_broadcast()
            self.clock.advance(wait_s)

    @rule(
        symbols=st.sampled_from((SYMBOLS, SYMBOLS[:1], SYMBOLS[1:])),
        usd=st.integers(90_000, 91_000).map(float),
        waits_s=st.lists(st.sampled_from((0.2, 0.05, 0.0)), min_size=1, max_size=4),
    )
    def price(self, symbols: tuple[str, ...], usd: float, waits_s: list[float]) -> None:
        for number, wait_s in enumerate(waits_s):
            for symbol in set(symbols) & set(self.newest):
                self.tracks[symbol].note_passed(self.newest[symbol].position, {"a": Passed(usd, usd)})
                self.tracks[symbol].note_price(number, usd + number, {"a": usd + number})
            self.manager.ticks.note(symbols)
            self.clock.advance(wait_s)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def new_epoch(self, symbol: str) -> None:
        epoch = 1 + max((each.epoch for each in self.newest.values()), default=1)
        self._send([first_snapshot(symbol, epoch=epoch, seed=epoch, grid=GRID)])

    @rule(symbol=st.sampled_from(SYMBOLS))
    def move_grid(self, symbol: str) -> None:
        if symbol in self.newest:
            moved = next_snapshot(self.newest[symbol])
            self._send([replace(moved, grid=Grid(moved.grid.p0 + 500, 50.0, moved.grid.cells))])

    @rule(seconds=st.sampled_from((0.3, 1.0, 5.0, 12.0)))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def broadcast_again(self, symbol: str) -> None:
        """The generator repeats itself, as it does for a symbol that becomes active again."""
        if symbol in self.newest:
            done(self.manager.broadcast(self.newest[symbol]))

    def _broadcast(self, shares: dict[str, float]) -> None:
        epoch = max((each.epoch for each in self.newest.values()), default=1)
        batch = []
        for symbol, share in sorted(shares.items()):
            known = self.newest.get(symbol)
            batch.append(
                first_snapshot(symbol, epoch=epoch, grid=GRID)
                if known is None
                else next_snapshot(known, changed_share=share)
            )
        self._send(batch)

    def _send(self, batch: list[HeatmapSnapshot]) -> None:
        for snapshot in batch:
            self.newest[snapshot.symbol] = snapshot
            self.oracle[snapshot.symbol, snapshot.epoch, snapshot.seq] = snapshot
            track = self.tracks[snapshot.symbol]
            track.note_passed(snapshot.position, {})
            track.note_price(0, snapshot.current_price, {"a": snapshot.current_price})
        done(self.manager.broadcast(*batch))

    @invariant()
    def what_clients_hold_was_broadcast(self) -> None:
        for client in self.everyone:
            client.read()
            for symbol, (epoch, seq) in client.reader.last.items():
                assert_says(client.reader.state[symbol], self.oracle[symbol, epoch, seq])

    @invariant()
    def only_who_asked_is_sent_ticks(self) -> None:
        for client in self.everyone:
            assert client.silent is None or client.reader.ticks == client.silent

    @invariant()
    def at_most_one_snapshot_waits_per_symbol(self) -> None:
        for client in self.everyone:
            # What the transport holds was written before it was full: an update, a warning, a heartbeat.
            assert len(client.transport.buffer) < 20_000
        assert self.manager.get_stats().pending_snapshots <= sum(len(each.follows) for each in self.everyone)

    def _settle(self) -> None:
        for client in self.everyone:
            client.transport.read_all()
        done(self.manager.broadcast(*self.newest.values()))
        # Every interval, and the time between two warnings.
        self.clock.advance(25.0)
        for client in self.everyone:
            client.read()

    def _check_account(self, client: HandClient) -> None:
        reader = client.reader
        for symbol in client.follows & set(self.newest):
            newest = self.newest[symbol]
            assert reader.last[symbol] == (newest.epoch, newest.seq)
        for symbol in SYMBOLS:
            assert reader.gaps.get(symbol, 0) == reader.skipped.get(symbol, 0) + reader.told.get(symbol, 0)

    def teardown(self) -> None:
        self._settle()
        self.what_clients_hold_was_broadcast()
        for client in self.everyone:
            self._check_account(client)
            done(self.manager.disconnect(client.ws))
        assert self.manager.active_symbols() == frozenset()
        assert self.manager.get_stats().groups == 0


TestFanOut = pytest.mark.timeout(120)(FanOutMachine.TestCase)
TestFanOut.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
