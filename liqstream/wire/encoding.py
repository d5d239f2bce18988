"""One snapshot as v1, columns or delta: each variant encoded, framed and deflated once, for all clients."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from liqstream.heatmap.snapshot import HeatmapSnapshot, StreamPosition
from liqstream.wire.delta import MAX_DELTA_SHARE, delta_data
from liqstream.wire.frames import message_frame
from liqstream.wire.snapshot_message import IDENTITY, OF_BASE, STATE, column_data, message_of, v1_data

_MAX_KEPT_FRAMES = 64
"""Frames kept per snapshot. Synced clients share one or two; only lagging ones need others."""


class Shape(StrEnum):
    """How levels are encoded: as objects, as columns, or as columns and then what changed of them."""

    V1 = "v1"
    COLUMNS = "columns"
    DELTA = "delta"


class Variant(NamedTuple):
    """What a client asked for: a shape, and the window it negotiated for deflate (0: plain)."""

    shape: Shape
    window_bits: int


class _Parts(NamedTuple):
    """A message around the only fields that may differ between clients: skipped, repeat, prev_seq."""

    head: bytes
    tail: bytes


class EncodedSnapshot:
    """A snapshot and every frame that was made of it so far."""

    # Kept by shape, by the base's position, and by all that a frame depends on.

    __slots__ = ("_deltas", "_frames", "_full", "position", "snapshot")

    def __init__(self, snapshot: HeatmapSnapshot) -> None:
        self.snapshot = snapshot
        self.position = snapshot.position
        self._full: dict[Shape, _Parts] = {}
        self._deltas: dict[StreamPosition, _Parts | None] = {}
        self._frames: dict[tuple[Variant, StreamPosition | None, int, bool], bytes] = {}

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
        key = (variant, None if base is None else base.position, skipped, repeat)
        frame = self._frames.get(key)
        if frame is None:
            frame = message_frame(self._payload(variant.shape, base, skipped, repeat), variant.window_bits)
            if len(self._frames) < _MAX_KEPT_FRAMES:
                self._frames[key] = frame
        return frame

    def _payload(self, shape: Shape, base: EncodedSnapshot | None, skipped: int, repeat: bool) -> bytes:
        parts = None if base is None else self._delta_parts(base)
        prev = b"" if base is None or parts is None else b',"prev_seq":%d' % base.position.seq
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
        if base.position not in self._deltas:
            self._deltas[base.position] = self._make_delta(base)
        return self._deltas[base.position]

    def _make_delta(self, base: EncodedSnapshot) -> _Parts | None:
        data = delta_data(base.snapshot, self.snapshot)
        if data is None:
            return None
        parts = self._wrap("delta", data, checksum=True)
        full = self._full_parts(Shape.COLUMNS)
        return parts if len(parts.tail) <= MAX_DELTA_SHARE * len(full.tail) else None

    def _wrap(self, kind: str, data: dict[str, Any], *, checksum: bool) -> _Parts:
        message = message_of(self.snapshot)
        state = STATE if kind == "delta" else (*STATE, *OF_BASE)
        head = orjson.dumps({"type": kind, **message.part(*IDENTITY)})
        rest = message.part(*state, "checksum") if checksum else message.part(*state)
        tail = orjson.dumps({**rest, "data": data}, option=orjson.OPT_SERIALIZE_NUMPY)
        # The head without its closing brace, the tail without its opening one: what differs is put between.
        return _Parts(head[:-1], b"," + tail[1:])
