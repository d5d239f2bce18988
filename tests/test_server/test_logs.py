"""What the log shows of what clients send, and how much of it: a process of its own, and its real stderr."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from liqstream.server.logs import FLOOD_BURST, FloodFilter

PREAMBLE = """
import logging
import structlog
from liqstream.server.logs import configure_logs
from liqstream.settings.table import Settings
configure_logs(Settings(log_format={form!r}, log_level={level!r}, _env_file=None))
log = structlog.get_logger("x")
stdlib = logging.getLogger("aiohttp.server")
evil = "BTC\\r\\nERROR forged\\x1b[31m\\u202egnp" + "A" * 5000
"""


def _logged(code: str, form: str, level: str = "info") -> list[str]:
    """The lines `code` leaves on stderr."""
    script = PREAMBLE.format(form=form, level=level) + code
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_client_cannot_forge_a_line(form: str) -> None:
    """Line breaks, terminal escapes and text direction arrive as escapes, in one line, cut short."""
    lines = _logged(
        'log.warning("bad_message", symbol=evil, nested={"a": [evil]}); stdlib.warning("said %s", evil)', form
    )
    assert len(lines) == 2
    for line in lines:
        assert "\x1b[31m" not in line
        assert "\u202e" not in line
        assert len(line) < 1500


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_in_a_log_is_without_bounds(form: str) -> None:
    """Lists of hundreds of markets, other objects, a traceback with what a client sent in its message."""
    code = """
many = [f"C{number}USDT" for number in range(600)]
log.info("list", ended=dict.fromkeys(many, ""), markets=many, raw=evil.encode(), error=ValueError(evil))
try:
    raise ValueError("\\n".join([evil] * 2000))
except ValueError:
    log.exception("boom")
"""
    lines = _logged(code, form)
    assert "580 more" in lines[0]
    assert len(lines[0]) < 4000
    assert sum(map(len, lines)) < 100_000
    assert not any("\x1b[31m\u202e" in line or "\u202e" in line for line in lines)
    if form == "console":
        first = next(number for number, line in enumerate(lines) if line.startswith("Traceback"))
        assert all(line.startswith("  ") for line in lines[first + 1 :]), "one could be taken for an event"


def test_debugging_a_server_does_not_debug_its_docs() -> None:
    """Their parser logs each rule that it tries on each line: thousands at every start."""
    code = 'from liqstream.http.docs_pages import rendered\nrendered("# Title\\n\\ntext")\nlog.debug("ours")'
    lines = _logged(code, "json", "debug")
    assert [json.loads(line)["event"] for line in lines if "StateBlock" in line or "ours" in line] == ["ours"]


def test_json_is_one_object_a_line() -> None:
    """With the event's own fields."""
    (line,) = _logged('log.info("ws_connect", peer="127.0.0.1")', "json")
    event = json.loads(line)
    assert (event["event"], event["peer"], event["level"]) == ("ws_connect", "127.0.0.1", "info")


def test_json_stays_json_whatever_is_logged() -> None:
    """Numbers that it has not, and warnings, which Python by itself writes as two lines of plain text."""
    code = 'import warnings\nlog.info("odd", a=float("nan"), b=[float("-inf")])\nwarnings.warn("careful")'
    odd, warning = (json.loads(line, parse_constant=pytest.fail) for line in _logged(code, "json"))
    assert (odd["a"], odd["b"]) == ("nan", ["-inf"])
    assert "careful" in warning["event"]
    assert warning["level"] == "warning"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_flood_is_thinned_out(form: str) -> None:
    """10,000 bad frames are under 100 lines, and other events beside them come through."""
    lines = _logged(
        'for n in range(10_000): log.warning("bad_frame", number=n)\nlog.warning("something_else")', form
    )
    assert FLOOD_BURST < len(lines) < 100
    assert "something_else" in lines[-1]


def test_what_was_left_out_is_counted() -> None:
    """With the next line of its kind that is let through."""
    now_s = 0.0
    flood = FloodFilter(lambda: now_s)
    records = [logging.makeLogRecord({"name": "x", "msg": "bad %d", "args": (n,)}) for n in range(51)]
    assert sum(flood.filter(record) for record in records[:50]) == FLOOD_BURST
    now_s = 1.0
    assert flood.filter(records[50])
    assert records[50].getMessage() == f"bad 50 ({50 - FLOOD_BURST} more of these were left out)"


def test_many_kinds_do_not_fill_memory() -> None:
    """Events named by an attacker would push one another out."""
    flood = FloodFilter()
    for number in range(5000):
        flood.filter(logging.makeLogRecord({"name": "x", "msg": str(number)}))
    assert len(flood) == 1000


RAISE = """
from aiohttp.http_exceptions import BadStatusLine
from aiohttp.web import RequestPayloadError
try:
    raise {error}
except Exception:
    stdlib.exception("Error handling request from %s", "127.0.0.1")
"""


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("json", r"BadStatusLine('GET\r\nEVIL\x1b[31m')"),
        ("console", r"BadStatusLine('GET\r\nEVIL\x1b[31m')"),
        ("json", r"RequestPayloadError('400, message:\n  Can not decode')"),
    ],
)
def test_a_broken_request_has_no_traceback(form: str, error: str) -> None:
    """What is the client's fault is one line; what is ours keeps its traceback."""
    (line,) = _logged(RAISE.format(error=error), form)
    assert "Traceback" not in line
    assert "bad HTTP request: " in line
    assert "message" not in line
    assert "Traceback" in "".join(_logged(RAISE.format(error="ZeroDivisionError"), form))
