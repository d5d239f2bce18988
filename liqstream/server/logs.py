"""How the log looks: one event a line, readable on a terminal, JSON elsewhere, always on stderr.

What clients send is shown escaped and cut, so that nobody can forge a line or colour a terminal; and an event
that comes too often is thinned out; the next line that passes has the number left out.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from itertools import islice
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from liqstream.client.url_mask import masked
from liqstream.settings.table import Settings

MAX_TEXT_CHARS = 300
"""Of one value in a log line; a client may send 4 KiB."""

MAX_ITEMS = 20
"""Of one list or mapping in a log line; a server may follow hundreds of markets."""
MAX_TRACEBACK_LINES = 100
"""The first and the last half of them are shown."""

FLOOD_BURST = 20
FLOOD_RATE_PER_S = 1.0
_MAX_EVENTS = 1000

_OURS = ("exception", "stack", "exc_info", "_record", "_from_structlog")
"""Values that Python made, with line breaks on purpose."""

_PROTOCOL_ERRORS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def configure_logs(settings: Settings) -> None:
    """Send structlog's events, and the standard library's, to stderr in one form."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        escape_text,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_without_protocol_tracebacks)
    handler.addFilter(FloodFilter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _mask_exception,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(capture=True)  # Python writes them as plain text, over two lines
    # Each request, and each rule that the docs' parser tries on each of their lines.
    for name in ("aiohttp.access", "markdown_it"):
        logging.getLogger(name).setLevel(logging.WARNING)


def escape_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make every text of an event printable, on one line and short; addresses lose their secrets."""
    for key, value in event.items():
        if key not in _OURS:
            event[key] = _printable(value)
    return event


def _mask_exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A traceback may end with an address that could not be reached, and with whatever a client sent."""
    if "exception" in event:
        lines = masked(str(event["exception"])).splitlines()
        if len(lines) > MAX_TRACEBACK_LINES:
            half = MAX_TRACEBACK_LINES // 2
            lines[half:-half] = [f"... {len(lines) - 2 * half} lines are left out"]
        # Behind the first line, which is Python's, none begins as an event does.
        event["exception"] = "\n  ".join(map(_short, lines))
    return event


def _printable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return _short(masked(value))
    if isinstance(value, dict):
        shown = {_printable(key): _printable(item) for key, item in islice(value.items(), MAX_ITEMS)}
        return shown if len(value) <= MAX_ITEMS else shown | {"...": f"{len(value) - MAX_ITEMS} more"}
    if isinstance(value, list | tuple):
        shown_items = [_printable(item) for item in value[:MAX_ITEMS]]
        return shown_items + [f"... {len(value) - MAX_ITEMS} more"] * (len(value) > MAX_ITEMS)
    return _short(masked(repr(value)))


def _short(text: str) -> str:
    cut = text if len(text) <= MAX_TEXT_CHARS else text[:MAX_TEXT_CHARS] + "..."
    # isprintable() is false for line breaks, ANSI escapes and characters that turn the text around.
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")


def _without_protocol_tracebacks(record: logging.LogRecord) -> bool:
    """A client that breaks HTTP is no fault of ours: one line is enough."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, _PROTOCOL_ERRORS) and not record.name.startswith("liqstream"):
        # The parser repeats the client's bytes over several lines; the first one says what was wrong.
        text = str(getattr(error, "message", error)).removeprefix("400, message:\n")
        reason = text.strip().partition("\n")[0]
        record.msg, record.args = f"bad HTTP request: {reason.rstrip(':')}", ()
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
    return True


class FloodFilter(logging.Filter):
    """Lets `FLOOD_BURST` lines of one kind through at once, then one a second, with the number left out.

    A line's kind is its logger, its event and its exception. `clock` is monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, ...], _Kind] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a line too many."""
        kind = self._kind(record)
        now_s = self._clock()
        kind.room = min(float(FLOOD_BURST), kind.room + (now_s - kind.seen_s) * FLOOD_RATE_PER_S)
        kind.seen_s = now_s
        if kind.room < 1:
            kind.left_out += 1
            return False
        kind.room -= 1
        if kind.left_out:
            _add_left_out(record, kind.left_out)
            kind.left_out = 0
        return True

    def __len__(self) -> int:
        return len(self._kinds)

    def _kind(self, record: logging.LogRecord) -> _Kind:
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        key = (record.name, str(event)[:MAX_TEXT_CHARS], error)
        kind = self._kinds.setdefault(key, _Kind(float(FLOOD_BURST), self._clock()))
        self._kinds.move_to_end(key)
        if len(self._kinds) > _MAX_EVENTS:
            self._kinds.popitem(last=False)
        return kind


class _Kind:
    __slots__ = ("left_out", "room", "seen_s")

    def __init__(self, room: float, seen_s: float) -> None:
        self.room = room
        self.seen_s = seen_s
        self.left_out = 0


def _add_left_out(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg["left_out"] = left_out
    else:
        record.msg = f"{record.getMessage()} ({left_out} more of these were left out)"
        record.args = ()
