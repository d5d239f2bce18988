"""The table of docs/metrics.md, made of what a running server says of itself: `make docs`."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.docs_tables import ROOT, with_part
from tests.support.demo_server import demo_server

METRICS_PAGE = ROOT / "docs" / "metrics.md"


def metrics_of(url: str) -> dict[str, tuple[str, str, str]]:
    """Name -> (type, labels, meaning) of every family a server exposes."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    meanings = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (.*)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {}
    for name, said in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
        family = name if name in types else re.sub(r"_(bucket|sum|count|created)$", "", name)
        labels.setdefault(family, set()).update(set(re.findall(r'(\w+)="', said)) - {"le"})
    return {
        name: (types[name], ", ".join(sorted(labels.get(name, ()))), meaning)
        for name, meaning in meanings.items()
        if not name.endswith("_created")
    }


def metrics_table(metrics: dict[str, tuple[str, str, str]]) -> str:
    """The families as a table, by name."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{name}` | {kind} | {labels} | {meaning} |"
        for name, (kind, labels, meaning) in sorted(metrics.items())
    ]
    return "\n".join(rows) + "\n"


def told_labels(page: str) -> dict[str, str]:
    """Name -> labels as the page has them."""
    return dict(re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*?) \|", page, re.MULTILINE))


def write(url: str) -> None:
    """Write the table into docs/metrics.md; a family without a sample keeps the labels the page has."""
    page = METRICS_PAGE.read_text()
    told = told_labels(page)
    found = {
        name: (kind, labels or told.get(name, ""), meaning)
        for name, (kind, labels, meaning) in metrics_of(url).items()
    }
    METRICS_PAGE.write_text(with_part(page, "metrics", metrics_table(found)))


if __name__ == "__main__":
    with TemporaryDirectory() as folder, demo_server(Path(folder)) as address:
        write(address)
