"""Frames are RFC 6455's to the byte, by a second opinion."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from liqstream.wire.frames import close_frame, deflated_text_frame, message_frame, pong_frame, text_frame
from tests.support.frame_reader import FrameReader


def opened(frame: bytes) -> str:
    """The text message wsproto finds in a frame."""
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(frame)
    return "".join([str(found.payload) for found in reader.received_frames()])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_text_frames_of_every_length_form(size: int) -> None:
    """7, 16 and 64 bits of length."""
    assert list(FrameReader().frames(text_frame(b"x" * size))) == [(1, b"x" * size)]
    assert opened(text_frame(b"x" * size)) == "x" * size


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.integers(9, 15))
def test_deflated_frames_need_nothing_before_them(texts: list[str], window_bits: int) -> None:
    """One inflater that keeps its context reads them all, and each reads alone."""
    frames = [deflated_text_frame(text.encode(), window_bits) for text in texts]
    payloads = [payload for _, payload in FrameReader(window_bits).frames(b"".join(frames))]
    assert payloads == [text.encode() for text in texts]
    for frame, text in zip(frames, texts, strict=True):
        assert [payload for _, payload in FrameReader(window_bits).frames(frame)] == [text.encode()]


def test_small_messages_stay_plain() -> None:
    """Deflating a small delta saves less than it costs."""
    assert message_frame(b"{}", 15) == text_frame(b"{}")
    assert len(message_frame(b"[" + b"0," * 2000 + b"0]", 15)) < 100
    assert message_frame(b" " * 5000, 0) == text_frame(b" " * 5000)


def test_control_frames() -> None:
    """A pong repeats the ping; a close carries its code and what fits of its reason."""
    assert pong_frame(b"abc") == b"\x8a\x03abc"
    frame = close_frame(4000, "r" * 200)
    assert frame[:4] == b"\x88\x7d\x0f\xa0"
    assert len(frame) == 127


def test_the_deflate_level_is_worth_it() -> None:
    """A quarter of a map's bytes at most."""
    text = b",".join(
        b'{"price":%d,"long_density":%d,"short_density":0}' % (90_000 + n, n * n) for n in range(300)
    )
    assert len(deflated_text_frame(text, 15)) < len(zlib.compress(text, 1)) < len(text) / 4
