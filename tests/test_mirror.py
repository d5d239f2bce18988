"""Tests are where they are looked for: liqstream/ROOM/MODULE.py in tests/test_ROOM/test_MODULE.py."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from tests.support.line_ratio import line_ratio

ROOT = Path(__file__).resolve().parents[1]
EXCEPTIONS = ROOT / "tests" / "mirror_exceptions.txt"
MOST_EXCEPTIONS = 43
"""The list only shrinks: whoever takes a line out lowers this figure, nobody raises it."""
LEAST_RATIO = 0.7
"""Lines of tests per line of code. Raise it with the ratio; it never goes down."""


def module_names() -> set[str]:
    """Every module below liqstream/ that holds code of its own, by its path."""
    package = ROOT / "liqstream"
    found = (path for path in package.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
    return {path.relative_to(package).as_posix() for path in found}


def mirrored(module: str) -> Path:
    """Where the tests of a module belong."""
    *rooms, name = module.split("/")
    folders = [f"test_{rooms[0]}", *rooms[1:]] if rooms else []
    return Path("tests", *folders, f"test_{name}")


def exceptions() -> dict[str, str]:
    """The modules without a test file of their own, each with the reason."""
    lines = [line for line in EXCEPTIONS.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.partition(": ") for line in lines]
    assert len({module for module, _, _ in pairs}) == len(pairs), "a module is listed twice"
    return {module: reason for module, _, reason in pairs}


def test_every_module_has_its_test_file_or_a_reason() -> None:
    """In tests/mirror_exceptions.txt."""
    without = {module for module in module_names() if not (ROOT / mirrored(module)).is_file()}
    missing = sorted(f"{module}: no {mirrored(module)}" for module in without - exceptions().keys())
    assert missing == []


def test_the_list_of_exceptions_only_shrinks() -> None:
    """It names no module that is gone or has its test file, gives each a reason, and does not grow."""
    listed = exceptions()
    gone = [f"{module} is no module" for module in listed.keys() - module_names()]
    tested = [f"{module} has {mirrored(module)}" for module in listed if (ROOT / mirrored(module)).is_file()]
    unexplained = [f"{module} has no reason" for module, reason in listed.items() if len(reason) < 10]
    assert sorted(chain(gone, tested, unexplained)) == []
    assert len(listed) <= MOST_EXCEPTIONS


def test_the_ratio_of_tests_to_code_does_not_fall() -> None:
    """JavaScript counts on both sides; the test run prints the figure at its end."""
    assert line_ratio(ROOT) >= LEAST_RATIO
