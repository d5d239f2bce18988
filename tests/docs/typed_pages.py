"""Pages of the docs as somebody types them: one script of all their blocks, in their order and nothing else.

What a page says "Save as `NAME`" of is written to that file. A fence says what else a block is: `sh` is typed
into the first terminal, `sh server` into one of its own, `sh install` needs a package registry.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from tests.docs.doc_blocks import ROOT, Block, blocks

TYPED = ("sh", "sh server", "sh install", "python", "python serves", "js", "toml", "ini")
_SAVE_AS = re.compile(r"Save as `([\w.-]+)`:\n\n\Z")
_IS_UP = r"at https?://|Ready to accept connections"


def typed_blocks(page: str) -> list[Block]:
    """The blocks of a page that are typed or saved."""
    return blocks(page, *TYPED)


def saved_as(block: Block) -> str:
    """The file that the page says to save a block as; empty for what is typed."""
    lines = (ROOT / block.page).read_text().splitlines(keepends=True)
    found = _SAVE_AS.search("".join(lines[: block.line - 1]))
    return "" if found is None else found[1]


def section(page: str, first: str, end: str) -> list[Block]:
    """The typed blocks from one heading on and before another, by the headings' beginnings."""
    lines = (ROOT / page).read_text().splitlines()
    start, stop = (
        next(n for n, line in enumerate(lines, 1) if line.startswith(head)) for head in (first, end)
    )
    return [block for block in typed_blocks(page) if start < block.line < stop]


def script(typed: Iterable[Block], ports: Mapping[str, int]) -> str:
    """A script for bash that types blocks, their ports replaced; it ends at the first that fails.

    It names each block on stdout before it begins. Servers go on in the background, in its process group.
    Python that the page does not say to save is run as it is.
    """
    lines = ["set -euo pipefail"]
    for block in typed:
        name = saved_as(block)
        text = re.sub(r"\b\d{4}\b", lambda found: str(ports.get(found[0], found[0])), block.text)
        lines.append(f"printf '\\n### %s\\n' '{block}'")
        if name:
            lines.append(f"printf %s {shlex.quote(text)} > {name}")
        elif block.info == "sh server":
            lines += _in_a_terminal_of_its_own(text, f"terminal-{len(lines)}.log")
        elif block.info == "python":
            lines.append(f"printf %s {shlex.quote(text)} | python -")
        else:
            assert block.info.startswith("sh"), (
                f"{block}: a {block.info} block that is neither typed nor saved"
            )
            lines.append(text.rstrip())
    return "\n".join(lines)


def _in_a_terminal_of_its_own(text: str, log: str) -> list[str]:
    return [
        f"( {text.rstrip() if ';' in text else f'exec env {text.rstrip()}'} ) > {log} 2>&1 &",
        f"until grep -qE '{_IS_UP}' {log}; do kill -0 $! || {{ cat {log}; exit 1; }}; sleep 0.1; done",
        "PID=${PID:-$!}",  # of the first, as docs/operations.md calls it
    ]
