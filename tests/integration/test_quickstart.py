"""docs/quickstart.md, typed: every block, in its order and nothing else, into an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from liqstream import __version__
from tests.docs.doc_blocks import ROOT, Block
from tests.docs.typed_pages import script, section, typed_blocks
from tests.test_packaging import dist  # noqa: F401  a fixture

PAGE = "docs/quickstart.md"
PAGES = (
    PAGE,
    "docs/websocket_api.md",
    "docs/websocket_troubleshooting.md",
    "docs/cookbook.md",
    "docs/operations.md",
)
"""As they are read after one another. JavaScript of the other pages is tests/test_docs.py's."""
PORTS = ("8000", "8001", "8443", "8444", "9000", "9001", "6380")


def free_ports() -> dict[str, int]:
    """For each port that the page names one that nobody has."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    found = dict(zip(PORTS, (each.getsockname()[1] for each in held), strict=True))
    for each in held:
        each.close()
    return found


def typed(blocks: list[Block], folder: Path, ports: dict[str, int], path: str, seconds: float) -> str:
    """What a terminal shows of them; everything that was started is ended."""
    port = ports["8000"]
    kept = (
        "HOME",
        "TMPDIR",
        "LANG",
        "HTTP",
        "NO_PROXY",
        "http",
        "no_proxy",
        "PIP_",
        "npm_",
        "SSL_",
        "LIQSTREAM_DEMO_",
    )
    environment = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    environment |= {"PATH": path, "LIQSTREAM_PORT": str(port), "LIQSTREAM_URL": f"http://127.0.0.1:{port}"}
    with (folder / "shown.log").open("w+") as shown:
        process = subprocess.Popen(
            ["bash", "-c", script(blocks, ports)],
            cwd=folder,
            env=environment,
            stdout=shown,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL) if process.poll() is None else (signal.SIGTERM,):
                _end(process.pid, number)
            process.wait()
        shown.seek(0)
        text = shown.read()
    logs = "".join(f"\n{log.name}:\n{log.read_text()[-2000:]}" for log in folder.glob("terminal-*.log"))
    assert code == 0, text[-6000:] + logs
    assert [line for line in text.splitlines() if line.startswith("### ")] == [f"### {b}" for b in blocks]
    return text


def _end(group: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_traders_portfolio_managers_and_bot_writers_type(demo_url: str, tmp_path: Path) -> None:
    """Against a server that is there already, with packages that are; tests/test_docs.py has its promises."""
    left_out = ("sh install", "liqstream selftest")
    blocks = [
        each for each in section(PAGE, "## 2.", "## 5.") if not (each.info + each.text).startswith(left_out)
    ]
    (tmp_path / "node_modules").symlink_to(ROOT / "web" / "node_modules")
    ports = {"8000": urlsplit(demo_url).port or 0}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    text = typed(blocks, tmp_path, ports, path, 250)
    assert re.search(r"^BTCUSDT +[\d,.]+  down 5 %: +[\d.]+M longs", text, re.MULTILINE), "book.py"
    assert re.search(r"^ETHUSDT [\d,.]+: \d+M below, \d+M above", text, re.MULTILINE), "first.py"
    assert re.search(r"^snapshot BTCUSDT \d+ levels", text, re.MULTILINE), "plain.py"


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_the_docs_typed_on_a_machine_that_has_nothing(
    dist: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every command of the docs in their order, the package the one that would be released."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(f"liqstream=={__version__}\nliqstream-client=={__version__}\n")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    monkeypatch.setenv("PIP_FIND_LINKS", f"{dist} {os.environ.get('PIP_FIND_LINKS', '')}".strip())
    folder = tmp_path / "empty"
    folder.mkdir()
    npm = Path(shutil.which("npm") or "npm").parent
    path = f"{sys.base_prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:{npm}"
    blocks = [each for page in PAGES for each in typed_blocks(page) if not each.text.startswith("make ")]
    text = typed(
        [each for each in blocks if each.info != "js" or each.page == PAGE], folder, free_ports(), path, 800
    )
    assert "frame-ancestors http://localhost" in text
    assert "0 broken" in text
    assert (folder / "received.log").read_text()
    (installed,) = folder.glob(".venv/lib/python*/site-packages/liqstream/cli/health.py")
    assert installed.read_bytes() == (ROOT / "liqstream" / "cli" / "health.py").read_bytes()
