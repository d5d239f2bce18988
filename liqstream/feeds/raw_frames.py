"""Raw exchange traffic as lines of JSON, compressed: written while collecting, read to be played again.

One line a frame, `{"t","conn","ts","data"}`: `t` is header, http, connect, send, recv or close; `ts` the time
of receipt in UTC seconds; `data` the text exactly as it came. The first line, `header`, names the exchange.
Files are zstd; a file cut off in the middle is read up to there.
"""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import orjson
import zstandard

from liqstream.feeds.parsing import Json

ROTATE_BYTES = 256 << 20


class FrameError(Exception):
    """A recording that cannot be read; the message is the one line to show."""


class FrameSink(Protocol):
    """Where a feed leaves a copy of what goes over its wires."""

    def http(self, url: str, body: bytes) -> None:
        """An answer."""

    def frame(self, kind: str, connection: str, text: str) -> None:
        """A socket was opened or closed, or a message sent or received."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a recording; `connection` is the socket's name, `text` what was sent or received."""

    kind: str
    connection: str
    received_s: float
    text: str
    url: str = ""


@dataclass(slots=True)
class FrameWriter:
    """Writes `<folder>/<exchange>-<UTC time>.jsonl.zst`, a new file whenever one is full.

    Lines are gathered on the event loop and written (`take`, then `write` in a worker thread): opening,
    compressing and writing files is nothing for the loop.
    """

    folder: Path
    exchange: str
    now_s: Callable[[], float] = time.time
    rotate_bytes: int = ROTATE_BYTES
    frames: int = 0
    _lines: list[bytes] = field(default_factory=list)
    _file: BinaryIO | None = None
    _packer: zstandard.ZstdCompressionWriter | None = None
    _written: int = 0

    def http(self, url: str, body: bytes) -> None:
        """See FrameSink."""
        self._add({"t": "http", "conn": "http", "url": url, "data": body.decode("utf-8", "replace")})

    def frame(self, kind: str, connection: str, text: str) -> None:
        """See FrameSink."""
        key = "addr" if kind == "connect" else "data"
        self._add({"t": kind, "conn": connection, key: text})

    def _add(self, line: dict[str, Json]) -> None:
        self._lines.append(orjson.dumps({**line, "ts": self.now_s()}))
        self.frames += 1

    def take(self) -> list[bytes]:
        """The lines gathered since the last time, for `write`; on the event loop."""
        lines, self._lines = self._lines, []
        return lines

    def write(self, lines: list[bytes]) -> None:
        """Compress and write lines; blocks."""
        if not lines:
            return
        if self._packer is None or self._written >= self.rotate_bytes:
            self._next_file()
        packer = self._packer
        if packer is None:
            raise FrameError("the recording is not open")
        block = b"\n".join(lines) + b"\n"
        packer.write(block)
        packer.flush(zstandard.FLUSH_BLOCK)
        self._written += len(block)

    def close(self) -> None:
        """Write the rest and end the file; blocks."""
        self.write(self.take())
        self._end_file()

    def _next_file(self) -> None:
        self._end_file()
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now_s()))
        path = self.folder / f"{self.exchange}-{stamp}.jsonl.zst"
        number = 1
        while path.exists():
            number += 1
            path = self.folder / f"{self.exchange}-{stamp}-{number}.jsonl.zst"
        self._file = path.open("xb")
        self._packer = zstandard.ZstdCompressor(level=6).stream_writer(self._file, closefd=True)
        header = {"t": "header", "format": 2, "exchange": self.exchange, "recorded": self.now_s()}
        self._packer.write(orjson.dumps(header) + b"\n")
        self._written = 0

    def _end_file(self) -> None:
        if self._packer is not None:
            self._packer.close()  # type: ignore[no-untyped-call]
        self._packer = self._file = None


def read_frames(path: Path) -> Iterator[Frame]:
    """Frames of a recording in order: our form (`.jsonl.zst`, `.jsonl`) or `<ns> <raw JSON>` lines (`.gz`).

    The first frame is the header, its `text` the exchange's name as recorded ("" if none says it). Raises
    FrameError for a file that is no recording.
    """
    try:
        with path.open("rb") as file:
            if path.suffix == ".gz":
                with gzip.open(file, "rb") as lines:
                    yield from _nanosecond_lines(lines)
            elif path.suffix == ".zst":
                unpacked = zstandard.ZstdDecompressor().stream_reader(file)
                yield from _json_lines(io.BufferedReader(cast("io.RawIOBase", unpacked)))
            else:
                yield from _json_lines(file)
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise FrameError(f"{path} cannot be read: {error}") from error


def _json_lines(lines: Iterable[bytes]) -> Iterator[Frame]:
    for number, raw in enumerate(lines, start=1):
        try:
            line = orjson.loads(raw)
            kind = line["t"]
        except (ValueError, KeyError, TypeError) as error:
            if number > 1 and not raw.endswith(b"\n"):
                return  # cut off while it was being written
            raise FrameError(f"line {number} is no frame of a recording") from error
        if kind == "header":
            yield Frame("header", "", float(line.get("recorded", 0.0)), str(line.get("exchange", "")))
            continue
        text = line.get("data", line.get("addr", ""))
        yield Frame(
            kind,
            str(line.get("conn", "")),
            float(line["ts"]),
            text if isinstance(text, str) else orjson.dumps(text).decode(),
            str(line.get("url", line.get("addr", ""))),
        )


def _nanosecond_lines(lines: Iterable[bytes]) -> Iterator[Frame]:
    yield Frame("header", "", 0.0, "")
    for number, raw in enumerate(lines, start=1):
        stamp, _, text = raw.partition(b" ")
        if not stamp.isdigit():
            raise FrameError(f"line {number} is no frame of a recording")
        yield Frame("recv", "ws", int(stamp) / 1e9, text.decode("utf-8", "replace"))
