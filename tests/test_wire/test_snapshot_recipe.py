"""A field is added to the snapshot in six places; a field that is only in the first fails its tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_wire.test_snapshot_message import READERS

ROOT = Path(__file__).resolve().parents[2]

Edits = dict[str, list[tuple[str, str]]]
"""By file: a pattern, and what stands in place of it; each must be found."""

SNAPSHOT = "liqstream/heatmap/snapshot.py"
RECIPE: Edits = {
    SNAPSHOT: [
        (r'    kernel: str = ""\n', r"\g<0>    funding_rate: float = 0.0\n"),
        (r"\|\{snapshot\.kernel\}", r"\g<0>|{snapshot.funding_rate!r}"),
    ],
    # Where it is computed: the one module of the room that makes snapshots.
    "": [(r" HeatmapSnapshot\(\n", r"\g<0>            funding_rate=0.25,\n")],
    "liqstream/wire/snapshot_message.py": [
        (r"    kernel: _Text\n", r"\g<0>    funding_rate: float\n"),
        (
            r"        kernel=snapshot\.kernel,\n",
            r"\g<0>        funding_rate=json_number(snapshot.funding_rate),\n",
        ),
        (r"        kernel=message\.kernel,\n", r"\g<0>        funding_rate=message.funding_rate,\n"),
        (r'STATE = \(.*"quality"', r'\g<0>, "funding_rate"'),
    ],
    "liqstream/client/snapshot.py": [
        (r'    kernel: str = ""\n', r"\g<0>    funding_rate: float = 0.0\n"),
        (r"            kernel=fields\.kernel,\n", r"\g<0>            funding_rate=fields.funding_rate,\n"),
    ],
    "web/js/wire/symbol-stream.js": [
        (r"    kernel: message\.kernel.*\n", r"\g<0>    fundingRate: message.funding_rate,\n"),
    ],
    "docs/websocket_api.md": [(r'"quality":\[\],', r'\g<0>"funding_rate":0.25,')],
}
"""A dummy field, as CONTRIBUTORS would add it."""

PYTEST = ("pytest", "-q", "-p", "no:cacheprovider")
TESTS = (
    "tests/test_wire/test_snapshot_message.py",
    "tests/test_wire/test_snapshot_codec.py",
    "tests/test_docs.py::test_made_parts_are_up_to_date",
    "tests/test_docs.py::test_printed_messages_follow_the_schemas",
)


def copy_of_the_tree(folder: Path) -> Path:
    """All that the tests below read, without what is installed."""
    ignore = shutil.ignore_patterns("node_modules", "__pycache__", "dist", ".*_cache")
    for name in ("liqstream", "tests", "docs", "web"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder / path.name)
    return folder


def edit(tree: Path, edits: Edits) -> None:
    """Make the edits; each must find its place."""
    (maker,) = [
        path
        for path in (tree / "liqstream" / "heatmap").glob("*.py")
        if re.search(r" HeatmapSnapshot\(\n", path.read_text())
    ]
    for name, replacements in edits.items():
        path = tree / name if name else maker
        text = path.read_text()
        for pattern, replacement in replacements:
            text, count = re.subn(pattern, replacement, text)
            assert count, f"{pattern} is not in {path.name}: the recipe has changed"
        path.write_text(text)


def outcome(tree: Path, *command: str) -> str:
    """What a Python module run in that tree prints if it fails; empty when all is well."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_field_is_added_in_six_places(tmp_path: Path) -> None:
    """With all six edits and `make docs`, every test of the snapshot passes."""
    assert len(RECIPE) <= 6
    tree = copy_of_the_tree(tmp_path)
    edit(tree, RECIPE)
    assert outcome(tree, "tests.docs.docs_tables") == ""
    assert outcome(tree, *PYTEST, *TESTS) == ""


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_field_of_the_snapshot_alone_fails(tmp_path: Path) -> None:
    """Each reader that is not given it is named; its digest has it from the first place."""
    tree = copy_of_the_tree(tmp_path)
    edit(tree, {SNAPSHOT: RECIPE[SNAPSHOT]})
    found = outcome(tree, *PYTEST, TESTS[0])
    failed = r"^FAILED .*test_every_field_reaches_every_reader\[(.*?)\](?: - |$)"
    missed = re.findall(failed, found, re.MULTILINE)
    assert missed == [reader for reader in READERS if reader != "hash"]
