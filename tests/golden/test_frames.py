"""Every frame of the stream: each shape of a snapshot, plain and deflated, and control frames in bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.frames import close_frame, deflated_text_frame, pong_frame, text_frame
from tests.golden.compare import check_json, check_text, hex_lines, read_exactly
from tests.golden.fixed import FINE, FIRST, SECOND
from tests.support.frame_reader import FrameReader

DEFLATED_WINDOW_BITS = 15


def frame(case: str, window_bits: int) -> bytes:
    """The frame of a case, as a client that negotiated `window_bits` gets it."""
    v1, columns, delta = (Variant(shape, window_bits) for shape in Shape)
    first, second = EncodedSnapshot(FIRST), EncodedSnapshot(SECOND)
    other_epoch = EncodedSnapshot(replace(FIRST, epoch=FIRST.epoch - 1))
    match case:
        case "v1":
            return first.frame(v1)
        case "v1-fine":
            return EncodedSnapshot(FINE).frame(v1)
        case "v1-skipped-repeat":
            return second.frame(v1, skipped=3, repeat=True)
        case "columns":
            return first.frame(columns)
        case "columns-fine":
            return EncodedSnapshot(FINE).frame(columns)
        case "columns-skipped-repeat":
            return second.frame(columns, base=first, skipped=3, repeat=True)
        case "delta":
            return second.frame(delta, base=first)
        case "delta-skipped":
            return second.frame(delta, base=first, skipped=3)
        case "delta-without-base":
            return second.frame(delta)
        case _:
            return second.frame(delta, base=other_epoch)


@pytest.mark.parametrize(
    "case",
    [
        "v1",
        "v1-fine",
        "v1-skipped-repeat",
        "columns",
        "columns-fine",
        "columns-skipped-repeat",
        "delta",
        "delta-skipped",
        "delta-without-base",
        "delta-of-another-epoch",
    ],
)
def test_snapshot_frames(case: str) -> None:
    """First byte (opcode, FIN and RSV1), and the payload, which is the same plain and deflated."""
    plain, deflated = frame(case, 0), frame(case, DEFLATED_WINDOW_BITS)
    ((opcode, payload),) = FrameReader().frames(plain)
    assert list(FrameReader().frames(deflated)) == [(opcode, payload)]
    check_json(
        f"frame-{case}.json",
        {
            "first_byte": f"{plain[0]:02x}",
            "first_byte_deflated": f"{deflated[0]:02x}",
            "payload_bytes": len(payload),
            "payload": read_exactly(payload),
        },
    )


def test_control_frames() -> None:
    """Pong, close and the headers of texts of each size class, byte by byte."""
    shown = {
        "pong": pong_frame(b"abc"),
        "close 4000": close_frame(4000, "nothing was read for too long"),
        "close, reason cut": close_frame(1001, "x" * 200),
        "text of 125 bytes": text_frame(b"x" * 125)[:8],
        "text of 126 bytes": text_frame(b"x" * 126)[:8],
        "text of 65535 bytes": text_frame(b"x" * 65535)[:8],
        "text of 65536 bytes": text_frame(b"x" * 65536)[:16],
        "first byte, deflated": deflated_text_frame(b"x" * 600, 9)[:1],
    }
    check_text("frame-control.txt", "".join(f"{name}\n{hex_lines(data)}" for name, data in shown.items()))
