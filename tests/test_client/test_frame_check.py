"""A peer's bytes pass unchanged up to its first frame that may not be, however they are cut."""

from __future__ import annotations

from typing import cast

import pytest
from aiohttp import WebSocketError
from aiohttp.http_websocket import WebSocketReader
from hypothesis import given
from hypothesis import strategies as st

from liqstream.client.frame_check import FrameCheck
from tests.attack.raw import CLOSE, PING, PONG, TEXT, frame

CONTINUATION = 0x0


class Recorder:
    """Stands where aiohttp's reader and its queue are."""

    def __init__(self) -> None:
        self.passed = bytearray()
        self.error: WebSocketError | None = None

    def check(self, *, masked: bool = True) -> FrameCheck:
        return FrameCheck(cast(WebSocketReader, self), masked=masked, fail=self.fail)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.passed += data
        return False, b""

    def fail(self, error: WebSocketError) -> None:
        self.error = error


masked = st.builds(
    frame, st.sampled_from((CONTINUATION, TEXT, PING)), st.binary(max_size=300) | st.just(b"x" * 70_000)
)
unmasked = st.builds(
    lambda opcode, payload: frame(opcode, payload, masked=False),
    st.sampled_from((CONTINUATION, TEXT, PING, 0xB)),
    st.binary(max_size=200),
)
compressed_control = st.builds(
    lambda opcode, payload: frame(opcode, payload, reserved=0x40),
    st.sampled_from((CLOSE, PING, PONG)),
    st.binary(max_size=100),
)


@given(
    st.lists(masked, max_size=5), unmasked | compressed_control, st.lists(st.integers(1, 400), max_size=12)
)
def test_the_first_frame_that_may_not_be_ends_it(frames: list[bytes], bad: bytes, cuts: list[int]) -> None:
    """All before it has passed, nothing of what it holds, whatever its opcode and wherever reads are cut."""
    good = b"".join(frames)
    stream, recorder = good + bad + frame(TEXT, b"after"), Recorder()
    check = recorder.check()
    at, ended = 0, False
    for size in [*cuts, len(stream)]:
        ended, _ = check.feed_data(stream[at : at + size])
        at += size
    assert ended
    assert good + bad[:1] == recorder.passed
    assert recorder.error is not None
    assert recorder.error.code == 1002


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize("masked", [True, False])
def test_frames_pass_that_are_masked_as_they_must(masked: bool, chunk: int) -> None:
    """Byte by byte, too."""
    sizes = (0, 1, 125, 126, 65_535, 65_536)
    stream = b"".join(frame(TEXT, b"x" * size, masked=masked) for size in sizes)
    stream += frame(TEXT, b"xH", reserved=0x40, masked=masked) + frame(PING, b"HH", masked=masked)
    recorder = Recorder()
    check = recorder.check(masked=masked)
    for at in range(0, len(stream), chunk):
        assert check.feed_data(stream[at : at + chunk]) == (False, b"")
    assert recorder.passed == stream
    assert recorder.error is None
