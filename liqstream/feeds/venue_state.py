"""What must outlive a restart beside the store: bans and missing past, in one small JSON file.

DuckDB admits one process, so this is a file of its own: `liqstream doctor` and a running server both use it.
It is replaced by renaming, under a lock, and read again every 30 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import structlog
from yarl import URL

log = structlog.get_logger(__name__)

READ_EVERY_S = 30.0
LONG_PAUSE_S = 60.0
"""A longer pause is kept over restarts; a shorter one is over before anything has started again."""

WRITE_EVERY_S = 1.0
"""What a crash can lose."""

Document = dict[str, Any]
Change = Callable[[Document], None]


def state_path(db_path: Path) -> Path:
    """Where the file of a store is: `data/liqstream.venues.json` for `data/liqstream.duckdb`."""
    return db_path.with_suffix(".venues.json")


def ban_key(rest_host: str, proxy: str) -> str:
    """Whom an exchange bans: an address, which is the proxy's if there is one."""
    return f"{rest_host} via {proxy}" if proxy else rest_host


def socket_host(url: str) -> str:
    """The host of a socket as `ban_key` takes it: a ban of REST at the same host leaves sockets alone."""
    return f"wss://{URL(url).host}"


def read_document(path: Path) -> Document:
    """What the file holds; nothing if there is none, or if it is damaged (which is logged)."""
    document, reason = _read(path)
    if reason:
        log.warning("venue_state_unreadable", path=str(path), reason=reason)
    return document


def _read(path: Path) -> tuple[Document, str]:
    """What the file holds, and why it holds nothing that can be used; "" where it does, or there is none."""
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError) as error:
        return {}, str(error)
    return (found, "") if isinstance(found, dict) else ({}, "it is no JSON object")


def change_document(path: Path, change: Change) -> Document:
    """Apply `change` to what the file holds now and replace it; what it then holds. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        document = read_document(path)
        change(document)
        _replace(path, document)
    return document


def _replace(path: Path, document: Document) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        temporary.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _section(document: Document, name: str) -> Document:
    """A part of the file; what is not of its form is replaced."""
    if not isinstance(document.get(name), dict):
        document[name] = {}
    section: Document = document[name]
    return section


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _left_ms(ban: object, now_ms: int) -> int:
    """How long a ban lasts from now on: never longer than it was stated, whatever has become of the clock."""
    if not isinstance(ban, dict):
        return 0
    until_ms, since_ms = ban.get("until_ms", 0), ban.get("since_ms", 0)
    if not (isinstance(until_ms, int) and isinstance(since_ms, int)):
        return 0
    return min(until_ms - now_ms, until_ms - since_ms)


def clear_bans(path: Path, hosts: set[str]) -> list[str]:
    """Forget the bans of these hosts, whatever the proxy; their keys. Blocks. Raises OSError."""
    cleared: list[str] = []

    def clear(document: Document) -> None:
        bans = _section(document, "bans")
        cleared.extend(key for key in bans if key.partition(" via ")[0] in hosts)
        for key in cleared:
            del bans[key]

    if path.exists():
        change_document(path, clear)
    return cleared


class VenueState:
    """The file at `path` as this process has it; without a path, memory alone. `now_ms` is UTC, `time_s`
    never goes back.

    It is in memory; `sync` exchanges it with the file.
    """

    def __init__(
        self, path: Path | None, now_ms: Callable[[], int], time_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path  # see the class
        self._now_ms, self._time_s = now_ms, time_s  # see the class
        self._document: Document = {}  # the file, with what it does not hold yet
        # Pauses too short for the file: their end on `time_s`, by `ban_key`.
        self._short: dict[str, float] = {}
        # Bans of the file, by `ban_key`: their end there, and on `time_s` as it was when it was seen first.
        self._ends_s: dict[str, tuple[int, float]] = {}
        # What the file does not hold yet, in the order it happened.
        self._changes: list[Change] = []
        self._noted = ""  # what was logged last of a file that cannot be used; "" once it can

    @property
    def has_changes(self) -> bool:
        """Whether there is something that the file does not hold yet."""
        return bool(self._changes) and self._path is not None

    async def sync(self) -> None:
        """Write what has changed here, read what others have changed: a ban that was cleared, for one.

        A file that was damaged meanwhile is replaced by what was in it when it was read last.
        """
        if self._path is None:
            return
        changes, self._changes = self._changes, []
        try:
            document, reason = await asyncio.to_thread(_exchange, self._path, changes)
            if reason and self._document:
                mended = deepcopy(self._document)
                document, reason = await asyncio.to_thread(_exchange, self._path, changes, mended)
        except BaseException as error:
            self._changes = changes + self._changes
            if not isinstance(error, OSError):
                raise
            self._note("venue_state_not_kept", str(error))
            return
        self._note("venue_state_unreadable", reason)
        for change in self._changes:  # made meanwhile
            change(document)
        self._document = document

    def _note(self, event: str, reason: str) -> None:
        """Log why the file cannot be used, once until that changes."""
        if reason and reason != self._noted:
            log.warning(event, path=str(self._path), reason=reason)
        self._noted = reason

    def pause(self, key: str, seconds: float, reason: str, *, lasting: bool = True) -> None:
        """Nothing may be asked for `seconds` from now on; with `lasting`, not after a restart either.

        A longer pause that was stated before stays: an answer that was under way says less of it.
        """
        now_ms = self._now_ms()
        until_ms = now_ms + round(seconds * 1000)
        if not lasting or seconds < LONG_PAUSE_S:
            self._short[key] = max(self._time_s() + seconds, self._short.get(key, -math.inf))
            return
        ban = {"until_ms": until_ms, "since_ms": now_ms, "reason": reason[:200]}
        over = self._ban(key) if self._ban_left_s(key) <= 0 else None

        def change(document: Document) -> None:
            bans = _section(document, "bans")
            if bans.get(key) == over or _left_ms(bans.get(key), now_ms) < until_ms - now_ms:
                bans[key] = ban

        self._change(change)
        self._ban_left_s(key)

    def pause_left_s(self, key: str) -> float:
        """For how long nothing may be asked; 0 if something may."""
        return max(0.0, self._short.get(key, -math.inf) - self._time_s(), self._ban_left_s(key))

    def _ban(self, key: str) -> Any:
        bans = self._document.get("bans")
        return bans.get(key) if isinstance(bans, dict) else None

    def _ban_left_s(self, key: str) -> float:
        """As the file has it, but no longer than from the first look on: the clock may be set back."""
        ban = self._ban(key)
        left_s, time_s = _left_ms(ban, self._now_ms()) / 1000, self._time_s()
        if left_s <= 0:
            return 0.0
        until_ms, ends_s = self._ends_s.get(key, (0, 0.0))
        if until_ms != ban["until_ms"]:
            ends_s = time_s + left_s
            self._ends_s[key] = (ban["until_ms"], ends_s)
        return min(left_s, ends_s - time_s)

    def missing(self, exchange: str) -> Document:
        """An exchange's missing past, as `save_missing` was given it."""
        found = self._document.get("missing")
        missing = found.get(exchange) if isinstance(found, dict) else None
        return missing if isinstance(missing, dict) else {}

    def save_missing(self, exchange: str, missing: Document) -> None:
        """Keep an exchange's missing past."""
        if missing != self.missing(exchange):
            self._change(lambda document: _section(document, "missing").update({exchange: missing}))

    def verdicts(self, exchange: str) -> Document:
        """What was found of an exchange's sides and units, as `save_verdict` was given it, by question."""
        found = self._document.get("verdicts")
        verdicts = found.get(exchange) if isinstance(found, dict) else None
        return verdicts if isinstance(verdicts, dict) else {}

    def save_verdict(self, exchange: str, question: str, verdict: Document) -> None:
        """Keep what was found of one question."""

        def change(document: Document) -> None:
            _section(_section(document, "verdicts"), exchange)[question] = verdict

        self._change(change)

    def _change(self, change: Change) -> None:
        change(self._document)
        if self._path is not None:
            self._changes.append(change)


def _exchange(path: Path, changes: list[Change], mended: Document | None = None) -> tuple[Document, str]:
    """What the file holds after these changes, and why it could not be read. Raises OSError.

    `mended` takes the place of a file that is damaged, which without it is left as it is.
    """
    document, reason = _read(path)
    if (not changes or reason) and mended is None:
        return document, reason
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        document, reason = _read(path)
        if reason and mended is None:
            return document, reason
        document = mended if reason and mended is not None else document
        for change in changes:
            change(document)
        _replace(path, document)
    return document, reason
