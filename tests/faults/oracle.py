"""What every server produced, read from their logs: the truth the clients' records are held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import orjson

Order = tuple[int, int]


class Key(NamedTuple):
    """One snapshot."""

    symbol: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class Produced:
    """What its maker said of it. `at_s` is wall time, UTC seconds."""

    node: str
    checksum: int
    timestamp_ms: int
    stale: bool
    at_s: float


@dataclass
class Oracle:
    """Reads the logs of the servers as they grow."""

    logs: dict[str, Path]
    produced: dict[Key, Produced] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    _read_to: dict[str, int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what was logged since the last time."""
        for node, path in self.logs.items():
            if not path.exists():
                continue
            with path.open("rb") as log:
                log.seek(self._read_to.get(node, 0))
                lines = log.readlines()
            if lines and not lines[-1].endswith(b"\n"):
                lines.pop()
            self._read_to[node] = self._read_to.get(node, 0) + sum(map(len, lines))
            for line in lines:
                self._note(node, line)

    def _note(self, node: str, line: bytes) -> None:
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.violations.append(f"{node} said: {line[:200].decode(errors='replace')}")
            return
        if said.get("level") in ("error", "critical"):
            self.violations.append(f"{node} logged an error: {line[:300].decode(errors='replace')}")
        if said.get("event") != "produced":
            return
        key = Key(said["symbol"], said["epoch"], said["seq"])
        at_s = datetime.fromisoformat(said["timestamp"]).timestamp()
        made = Produced(node, said["checksum"], said["timestamp_ms"], said["stale"], at_s)
        known = self.produced.setdefault(key, made)
        if known.checksum != made.checksum:
            self.violations.append(f"{key} was made twice, by {known.node} and by {node}, with other levels")

    def newest(self, symbols: Iterable[str]) -> dict[str, Order]:
        """The highest (epoch, seq) of each symbol."""
        newest: dict[str, Order] = dict.fromkeys(symbols, (0, 0))
        for key in self.produced:
            if key.symbol in newest:
                newest[key.symbol] = max(newest[key.symbol], (key.epoch, key.seq))
        return newest
