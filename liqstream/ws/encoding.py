"""One snapshot as it is said on the wire: each variant encoded, framed and deflated once, for all clients."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import numpy as np
import orjson

from liqstream.heatmap.ladder import UsdArray
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ws.frames import message_frame
from liqstream.ws.messages import SnapshotId

MAX_DELTA_SHARE = 0.6
"""A delta larger than this share of the full message is sent as the full message."""

_MAX_KEPT_FRAMES = 64
"""Frames kept per snapshot. Clients in step share one or two; only stragglers need others."""


class Shape(Enum):
    """How levels are said."""

    V1 = "v1"
    COLUMNS = "columns"
    DELTA = "delta"


class Variant(NamedTuple):
    """What a client asked for: a shape, and the window it negotiated for deflate (0: plain)."""

    shape: Shape
    window_bits: int


class _Parts(NamedTuple):
    """A message around the only words that may differ between clients: skipped, repeat, prev_seq."""

    head: bytes
    tail: bytes


class EncodedSnapshot:
    """A snapshot and every frame that was made of it so far."""

    __slots__ = ("_deltas", "_frames", "_full", "id", "snapshot")

    def __init__(self, snapshot: HeatmapSnapshot) -> None:
        self.snapshot = snapshot
        self.id: SnapshotId = (snapshot.epoch, snapshot.seq)
        self._full: dict[Shape, _Parts] = {}
        self._deltas: dict[SnapshotId, _Parts | None] = {}
        self._frames: dict[tuple[Variant, SnapshotId | None, int, bool], bytes] = {}

    def frame(
        self,
        variant: Variant,
        *,
        base: EncodedSnapshot | None = None,
        skipped: int = 0,
        repeat: bool = False,
    ) -> bytes:
        """The frame for clients of `variant` that hold `base` (None: nothing a delta could build on).

        `skipped` is what their update interval passed over since their last snapshot; `repeat` marks one
        that they have had before.
        """
        if variant.shape is not Shape.DELTA:
            base = None
        key = (variant, None if base is None else base.id, skipped, repeat)
        frame = self._frames.get(key)
        if frame is None:
            frame = message_frame(self._payload(variant.shape, base, skipped, repeat), variant.window_bits)
            if len(self._frames) < _MAX_KEPT_FRAMES:
                self._frames[key] = frame
        return frame

    def _payload(self, shape: Shape, base: EncodedSnapshot | None, skipped: int, repeat: bool) -> bytes:
        parts = None if base is None else self._delta_parts(base)
        prev = b"" if base is None or parts is None else b',"prev_seq":%d' % base.id[1]
        if parts is None:
            parts = self._full_parts(shape)
        mark = b',"repeat":true' if repeat else b""
        return b'%b,"skipped":%d%b%b%b' % (parts.head, skipped, prev, mark, parts.tail)

    def _full_parts(self, shape: Shape) -> _Parts:
        columns = shape is not Shape.V1
        parts = self._full.get(Shape.COLUMNS if columns else Shape.V1)
        if parts is None:
            data = column_data(self.snapshot) if columns else v1_data(self.snapshot)
            parts = self._wrap("snapshot", data, checksum=columns)
            self._full[Shape.COLUMNS if columns else Shape.V1] = parts
        return parts

    def _delta_parts(self, base: EncodedSnapshot) -> _Parts | None:
        """The message against `base`; None where a full one is needed or hardly larger."""
        if base.id not in self._deltas:
            self._deltas[base.id] = self._make_delta(base)
        return self._deltas[base.id]

    def _make_delta(self, base: EncodedSnapshot) -> _Parts | None:
        old, new = base.snapshot, self.snapshot
        if old.epoch != new.epoch or old.grid != new.grid:
            return None
        data = {
            "long": _changes(old.long, new.long),
            "short": _changes(old.short, new.short),
            **_totals(new),
        }
        parts = self._wrap("delta", data, checksum=True)
        full = self._full_parts(Shape.COLUMNS)
        return parts if len(parts.tail) <= MAX_DELTA_SHARE * len(full.tail) else None

    def _wrap(self, kind: str, data: dict[str, object], *, checksum: bool) -> _Parts:
        said = self.snapshot
        head = orjson.dumps(
            {
                "type": kind,
                "symbol": said.symbol,
                "timestamp": said.timestamp,
                "epoch": said.epoch,
                "seq": said.seq,
            }
        )
        rest: dict[str, object] = {"stale": said.stale, "source": said.source, "quality": said.quality}
        if checksum:
            rest["checksum"] = said.checksum
        tail = orjson.dumps({**rest, "data": data}, option=orjson.OPT_SERIALIZE_NUMPY)
        return _Parts(head[:-1], b"," + tail[1:])


def _changes(old: UsdArray, new: UsdArray) -> dict[str, object]:
    rows = np.flatnonzero(old != new)
    return {"i": rows, "v": new[rows]}


def _totals(snapshot: HeatmapSnapshot) -> dict[str, object]:
    return {
        "current_price": snapshot.current_price,
        "positions_created": snapshot.positions_created,
        "positions_consumed": snapshot.positions_consumed,
    }


def _short(price: float) -> float:
    """A whole price without its `.0`: a tenth of the bytes of a v1 message."""
    return int(price) if price.is_integer() else price


def v1_data(snapshot: HeatmapSnapshot) -> dict[str, object]:
    """The `data` of a v1 snapshot: one object per level at which anything stands. Prices in USD."""
    levels = [
        {
            "price": _short(level.price),
            "long_density": level.long_density,
            "short_density": level.short_density,
        }
        for level in snapshot.levels
    ]
    return {"levels": levels, **_totals(snapshot)}


def column_data(snapshot: HeatmapSnapshot) -> dict[str, object]:
    """The `data` of a proto-2 snapshot: the grid and whole USD per level, NumPy arrays for orjson."""
    return {
        "p0": _short(snapshot.grid.p0),
        "step": _short(snapshot.grid.step),
        "long": np.ascontiguousarray(snapshot.long),
        "short": np.ascontiguousarray(snapshot.short),
        **_totals(snapshot),
    }
