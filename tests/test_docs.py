"""The docs say what the code does: what is made from it is up to date, what is named in it exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs_tables import expected_files


@pytest.mark.parametrize("path", expected_files(), ids=lambda path: path.name)
def test_made_parts_are_up_to_date(path: Path) -> None:
    """`make docs` would change nothing."""
    assert path.read_text() == expected_files()[path], "run `make docs`"
