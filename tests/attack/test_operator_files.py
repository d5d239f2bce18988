"""Files an operator or another program gives, damaged in every way: taken, refused in a line, or left out."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from liqstream.admission.tokens import TokenFileError, TokenRing, token_line
from liqstream.alerts.config import BadAlertsError, read_alerts
from liqstream.feeds.missing_past import MissingPast
from liqstream.feeds.summed_sides import LIVE, QUESTIONS
from liqstream.feeds.trial import Trial
from liqstream.feeds.venue_state import VenueState, clear_bans
from liqstream.heatmap.followed_list import FollowedList, FollowedMarket
from liqstream.ingest.bracket_loop import read_kept_brackets
from liqstream.ingest.market_list_loop import keep_list, read_kept_list
from liqstream.market import DAY_MS, Liquidation
from liqstream.model.kernel import KernelError, load_kernel, save_kernel, tiered
from liqstream.model.margin import BRACKETS_FILE, BracketsError, load_brackets
from tests.support.seeds import new_seed

NOW_MS = 1_795_000_000_000
STRANGE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        -1,
        0,
        1,
        -0.0,
        1e308,
        1e-320,
        10**18,
        10**400,
        -(10**400),
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        "NaN",
        "1e400",
        "9" * 400,
        "9" * 5000,
        "x" * 3000,
        "\u0661",
        "\x1b[31m",
        "a\nb",
        "\ud800",
        "\u202e",
    ),
    *([], {}, [[]], [None] * 5, {"a": 1}, ["x"], [[0, 1, 0.5, 2, 0]], [[0, 1], [1, 2]]),
)
TEXTS = (
    "",
    "=",
    "[",
    "]",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "9" * 400,
    "1e400",
    "nan",
    "-1",
    "x" * 3000,
    '"""',
    "{}",
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A file: one as it should be, what reads and uses it, the error that refuses it; None if none may."""

    content: Callable[[], bytes]
    read: Callable[[Path], object]
    refusal: type[Exception] | None


def brackets() -> bytes:
    """Of two symbols of the bundled file."""
    content = json.loads(files("liqstream.model").joinpath(BRACKETS_FILE).read_text())
    content["symbols"] = dict(list(content["symbols"].items())[:2])
    return json.dumps(content).encode()


def kernel() -> bytes:
    """As `liqstream fit` writes it."""
    path = Path("kernel.json")
    save_kernel(tiered(), path)
    return path.read_bytes()


def alerts() -> bytes:
    """A rule of each kind of figures, and a target."""
    return b"""[[target]]
name = "a"
kind = "webhook"
url = "http://127.0.0.1:9/x"
[[rule]]
name = "near"
kind = "cluster"
symbol = "BTCUSDT"
min_usd = 5e6
within_percent = 1.0
to = ["a"]
message = "{symbol}: {usd:,.0f}"
[[rule]]
name = "many"
kind = "cascade"
min_usd = 2e7
window_s = 60
to = ["a"]
"""


def tokens() -> bytes:
    """Of two owners."""
    return "".join(f"{token_line(name, name)} # {name}\n" for name in ("one", "two")).encode()


def venues() -> bytes:
    """A ban, a missing span and a verdict of each form."""
    ban = {"until_ms": NOW_MS + DAY_MS, "since_ms": NOW_MS, "reason": "banned"}
    verdict = {
        "verdict": None,
        "compared": 3,
        "rounds": 0,
        "agreed": {"x": 3},
        "since_ms": NOW_MS,
        "decided_ms": None,
    }
    missing = {"BTCUSDT": {"bars": [[NOW_MS - DAY_MS, NOW_MS]], "funding": [[NOW_MS - DAY_MS, NOW_MS]]}}
    content = {"bans": {"h": ban}, "missing": {"gate": missing}, "verdicts": {"gate": {LIVE: verdict}}}
    return json.dumps(content).encode()


def kept_brackets() -> bytes:
    """Of two exchanges."""
    rows = [[0, 1000, 0.01, 50, 0], [1000, 2000, 0.02, 25, 10]]
    return json.dumps({name: {"as_of": "2026-11-26", "symbols": {"BTCUSDT": rows}} for name in "ab"}).encode()


def market_list() -> bytes:
    """Of two markets."""
    path = Path("list.json")
    keep_list(
        path, FollowedList("top:2", NOW_MS, {name: FollowedMarket(("okx",)) for name in ("AUSDT", "BUSDT")})
    )
    return path.read_bytes()


def use_venues(path: Path) -> None:
    """Read, used and written as a feed and `doctor` do."""
    state = VenueState(path, lambda: NOW_MS, lambda: 0.0)
    asyncio.run(state.sync())
    assert 0 <= state.pause_left_s("h") < 1e15
    assert all(spans for _, spans in MissingPast.from_document(state.missing("gate"), ("BTCUSDT",)).items())
    trial: Trial[Liquidation] = Trial(QUESTIONS[LIVE])
    found = state.verdicts("gate").get(LIVE)
    if isinstance(found, dict):
        trial.recall(found)
    trial.settle(NOW_MS)
    assert trial.sentence
    state.save_verdict("gate", LIVE, trial.to_document())
    state.pause("other", 3600.0, "again")
    asyncio.run(state.sync())
    assert 3000.0 < state.pause_left_s("other") <= 3600.0
    if path.is_file():
        clear_bans(path, {"other"})


KINDS = {
    "brackets": Kind(brackets, load_brackets, BracketsError),
    "kernel": Kind(kernel, lambda path: load_kernel(str(path)).bin_masses(0.01), KernelError),
    "alerts": Kind(alerts, read_alerts, BadAlertsError),
    "tokens": Kind(tokens, lambda path: TokenRing(path).reload(), TokenFileError),
    "venues": Kind(venues, use_venues, None),
    "kept brackets": Kind(kept_brackets, read_kept_brackets, None),
    "market list": Kind(market_list, read_kept_list, None),
}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, each in inner for place in places(each, (*at, name)))]


def with_another_value(raw: bytes, chance: random.Random) -> bytes:
    """A value is something else, missing, or under another name."""
    document = json.loads(raw)
    *way, name = ("document", *chance.choice(places(document)))
    top: Any = {"document": document}
    inner = top
    for each in way:
        inner = inner[each]
    value = chance.choice(STRANGE)
    if isinstance(inner, dict) and chance.random() < 0.3:
        inner[value if isinstance(value, str) else name] = inner.pop(name)
    else:
        inner[name] = value
    return json.dumps(top.get("document", value)).encode()


def with_another_text(raw: bytes, chance: random.Random) -> bytes:
    """A word of a line is something else, or a line is there twice, or gone."""
    lines = raw.decode().splitlines()
    at = chance.randrange(len(lines))
    words = lines[at].split(" ")
    words[chance.randrange(len(words))] = chance.choice(TEXTS)
    lines[at : at + 1] = chance.choice([[], [lines[at]] * 2, [" ".join(words)], [" ".join(words)]])
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def with_other_bytes(raw: bytes, chance: random.Random) -> bytes:
    """Cut off, repeated, of another encoding, or with bytes that do not belong there."""
    at = chance.randrange(len(raw))
    return chance.choice(
        [
            raw[:at],
            raw[:at] + bytes(chance.choices(range(256), k=3)) + raw[at + 3 :],
            raw[:at] + raw,
            raw.decode().encode("utf-16"),
            b"\xef\xbb\xbf" + raw,
            raw[:at] + b"\x00" * 10 + raw[at:],
            b"[" * 100_000,
            b'{"a":' * 100_000,
            chance.choice([b"", b"null", b"[]", b"{}", b"1", b'"x"', b"9" * 5000, b"\xff" * 100]),
        ]
    )


def outcome(name: str, path: Path) -> bool:
    """Whether a file is taken; one that is not is refused in a line that names it."""
    kind = KINDS[name]
    try:
        kind.read(path)
    except Exception as error:
        if kind.refusal is None or not isinstance(error, kind.refusal):
            raise
        line = str(error)
        assert line.isprintable(), line[:500]
        assert path.name in line
        assert len(line) < 1000, line[:500]
        return False
    return True


def attack_many(name: str, folder: Path, seeds: range) -> None:
    content = KINDS[name].content()
    is_json = content[:1] == b"{"
    taken = 0
    for seed in seeds:
        chance = random.Random(seed)
        damage = chance.choice(
            [with_another_value if is_json else with_another_text] * 3 + [with_other_bytes]
        )
        path = folder / "file.json"
        path.write_bytes(damage(content, chance))
        try:
            taken += outcome(name, path)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}: {repr(error)[:500]}") from error
    assert taken > len(seeds) / 50, "hardly any file was taken: nothing was tested"


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_paths_that_are_no_files(name: str, tmp_path: Path) -> None:
    """Folders, loops, what is not there or closed, and a file where a folder should be."""
    good = tmp_path / "good.json"
    good.write_bytes(KINDS[name].content())
    assert outcome(name, good)
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    if os.geteuid():
        (tmp_path / "closed.json").touch(mode=0)
    for path in ("folder.json", "loop.json", "gone.json", "good.json/x.json", "closed.json"):
        assert outcome(name, tmp_path / path) is (KINDS[name].refusal is None), path


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    """The same in each run; `make attack` looks for new ones."""
    attack_many(name, tmp_path, range(60))


@pytest.mark.attack
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
def test_thousands_of_damaged_files(name: str, tmp_path: Path) -> None:
    """Others each time, from a seed that is printed where one fails."""
    first = new_seed()
    attack_many(name, tmp_path, range(first, first + 5000))
