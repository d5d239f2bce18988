"""The verbs start quickly: none imports what only another needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from liqstream.cli import VERBS

HEAVY = ("scipy", "scipy.optimize", "scipy.signal", "scipy.stats", "duckdb")
OF_A_SERVER = ("aiohttp", "numpy", "msgspec", "pydantic", "pydantic_settings", "rich", "structlog", "asyncio")
"""What a verb that asks one question does without: a health check is run every few seconds."""


@pytest.mark.parametrize(
    ("verb", "unneeded"),
    [("serve", HEAVY[:-1]), ("tail", HEAVY), ("health", (*HEAVY, *OF_A_SERVER))],
)
def test_no_verb_imports_what_it_does_not_need(verb: str, unneeded: tuple[str, ...]) -> None:
    """Half a second of a library's import is half a second of every command and of every restart."""
    ask = (
        "import importlib, sys; importlib.import_module(sys.argv[1]); "
        "print(*(name for name in sys.argv[2:] if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, VERBS[verb][0], *unneeded, "click"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["click"], "click is there to show that what is imported is found"


def test_every_heavy_module_is_there_to_be_imported() -> None:
    """A misspelt name would never be found."""
    for name in (*HEAVY, *OF_A_SERVER):
        pytest.importorskip(name)
