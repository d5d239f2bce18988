"""How much of the tree is tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def line_ratio(root: Path) -> float:
    """Lines of tests/ per line of liqstream/ and web/js/, Python and JavaScript together."""
    tests, package, page = root / "tests", root / "liqstream", root / "web" / "js"
    tested = _lines(path for ending in ("*.py", "*.js", "*.mjs") for path in tests.rglob(ending))
    return tested / _lines([*package.rglob("*.py"), *page.rglob("*.js")])


def _lines(paths: Iterable[Path]) -> int:
    return sum(path.read_bytes().count(b"\n") for path in paths)
