"""The code blocks of a page of the docs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it is, what its fence says, and its text."""

    page: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, *infos: str) -> list[Block]:
    """The blocks of a page, by its path from the root, whose fences say one of `infos`."""
    text = (ROOT / page).read_text()
    return [
        Block(page, text[: found.start()].count("\n") + 1, found["info"].strip(), found["text"])
        for found in _FENCE.finditer(text)
        if found["info"].strip() in infos
    ]


def pages() -> list[str]:
    """Every page of the docs, and those beside the README."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in files)
