"""Write the pictures of docs/cookbook.md, each drawn by the block above it (`make docs-pictures`)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs.doc_blocks import ROOT, Block, blocks
from tests.support.demo_server import demo_server

PAGE = "docs/cookbook.md"
FOLDER = ROOT / "docs" / "pictures"


def pictures_of(block: Block) -> list[str]:
    """The files a block of Python draws into its folder."""
    return re.findall(r'savefig\("([^"]+)"', block.text)


def run_python(block: Block, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder, as printed but for the address of the server."""
    script = folder / f"line-{block.line}.py"
    script.write_text(block.text.replace("127.0.0.1:8000", url.removeprefix("http://").rstrip("/")))
    return subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def main() -> None:
    """Draw all of them of a demo server; ends with what a block that failed said."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made_in, demo_server(Path(made_in)) as url:
        for block in blocks(PAGE, "python"):
            done = run_python(block, url, Path(made_in))
            if done.returncode:
                sys.exit(f"{block}: {done.stderr}")
            for name in pictures_of(block):
                (FOLDER / name).write_bytes((Path(made_in) / name).read_bytes())


if __name__ == "__main__":
    main()
