"""The exchanges there are: found in their folder, each with the facts that everything above needs of it."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from liqstream.feeds import exchanges
from liqstream.feeds.registry import VENUES, RegistryError, discover
from liqstream.feeds.venue import Venue

STUB = '''
from liqstream.feeds.exchanges.binance import Binance


class Stub(Binance):
    """An exchange that speaks as Binance does."""

    name = {name!r}
    display_name = "Stub"
    rest_url = "https://stub.example"
    ws_url = "wss://stub.example"
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second folder that is searched for exchanges."""
    before = set(sys.modules)
    monkeypatch.setattr(exchanges, "__path__", [*exchanges.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(exchanges.__name__):
            del sys.modules[name]
            delattr(exchanges, name.rpartition(".")[2])


def test_a_file_in_the_folder_is_an_exchange(folder: Path) -> None:
    """One file is enough; the order is that of the names."""
    (folder / "stub.py").write_text(STUB.format(name="stub"))
    found = discover(exchanges)
    assert list(found) == sorted([*VENUES, "stub"])
    assert found["stub"].display_name == "Stub"


@pytest.mark.parametrize(
    ("text", "reason"),
    [(STUB.format(name="other"), "is named 'other'"), ("x = 1\n", "holds no Venue")],
)
def test_a_file_without_its_exchange_is_named(folder: Path, text: str, reason: str) -> None:
    """Users would look for it under the file's name, and never find it."""
    (folder / "stub.py").write_text(text)
    with pytest.raises(RegistryError, match=rf"stub.*{reason}"):
        discover(exchanges)


@pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
def test_an_exchange_has_its_facts(venue: type[Venue]) -> None:
    """Name, address and ping path are what options, settings, docs and doctor are made of."""
    assert re.fullmatch(r"[a-z][a-z0-9]*", venue.name)
    assert venue.display_name.lower() == venue.name
    assert re.match(r"https://[^/:]+$", venue.rest_url)
    assert re.match(r"wss://[^/:]+$", venue.ws_url)
    assert venue.ping_path.startswith("/")
    assert venue.checked_on <= date(2100, 1, 1)
    assert all(document.startswith("https://") for document in venue.documents)
    assert venue.documents
    for region in venue.regions.values():
        assert re.match(r"https://[^/:]+$", region.rest_url)
        assert re.match(r"wss://[^/:]+$", region.ws_url)


SOURCES = [
    path
    for folder in ("liqstream", "web/js", "web/templates", "config")
    for path in (Path(__file__).resolve().parents[2] / folder).rglob("*")
    if path.suffix in (".py", ".js", ".html", ".yml", ".conf", ".service")
]


@pytest.mark.parametrize("venue", VENUES.values(), ids=list(VENUES))
def test_an_address_is_written_once(venue: type[Venue]) -> None:
    """In the exchange's own file: one of two would be forgotten when it moves."""
    own = Path(importlib.import_module(venue.__module__).__file__ or "")
    for address in (venue.rest_url, venue.ws_url):
        written = {path: path.read_text().count(f'"{address}"') for path in SOURCES}
        assert {path: count for path, count in written.items() if count} == {own: 1}
