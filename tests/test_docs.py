"""The docs say what the code does: what is made from it is up to date, what is named in it exists, every
example runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from liqstream.cli import VERBS
from liqstream.heatmap.quality import QUALITY_FLAGS
from liqstream.settings import Settings, setting_variable
from liqstream.ws.close_codes import CLOSE_CODES
from liqstream.ws.messages import ErrorCode, WarningCode
from tests.doc_blocks import ROOT, Block, blocks, pages
from tests.docs_metrics import METRICS_PAGE, metrics_of
from tests.docs_tables import expected_files
from tests.test_api_schemas import check_said

API_PAGE = (ROOT / "docs" / "websocket_api.md").read_text()
TRIED_PAGES = (
    "README.md",
    "docs/quickstart.md",
    "docs/websocket_api.md",
    "docs/websocket_troubleshooting.md",
    "docs/alerts.md",
)
PRINTED_URL = "127.0.0.1:8000"


@pytest.mark.parametrize("path", expected_files(), ids=lambda path: path.name)
def test_made_parts_are_up_to_date(path: Path) -> None:
    """`make docs` would change nothing."""
    assert path.read_text() == expected_files()[path], "run `make docs`"


def test_every_metric_is_documented(demo_url: str) -> None:
    """docs/metrics.md has every family a running server exposes; `make docs` writes it."""
    text = METRICS_PAGE.read_text()
    assert [name for name in metrics_of(demo_url) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_every_setting_is_documented(setting: str) -> None:
    """docs/configuration.md has each variable."""
    assert f"`{setting_variable(setting)}`" in (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("code", [*get_args(ErrorCode), *get_args(WarningCode), *map(str, CLOSE_CODES)])
def test_every_code_is_documented(code: str) -> None:
    """Errors, warnings and close codes stand in a table of docs/websocket_api.md."""
    assert re.search(rf"^\| `?{code}`? \|", API_PAGE, re.MULTILINE)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    """docs/cli.md has its help."""
    assert f"### `liqstream {verb}`" in (ROOT / "docs" / "cli.md").read_text()


def test_every_verb_of_the_makefile_is_documented() -> None:
    """Each stands in docs/ARCHITECTURE.md, with what it is for."""
    verbs = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    assert [verb for verb in verbs if f"`make {verb}`" not in text] == []


def test_every_quality_flag_is_documented() -> None:
    """docs/model.md explains each."""
    text = (ROOT / "docs" / "model.md").read_text()
    assert [flag for flag in QUALITY_FLAGS if f"`{flag}`" not in text] == []


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    """Files and headings that a page links to exist."""
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        found = folder / name if name else ROOT / page
        assert found.exists(), f"{page} links to {target}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert heading in {_anchor(text) for text in headings}, f"{page} links to {target}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages())
def test_files_that_are_named_exist(page: str) -> None:
    """A path in backticks below one of our folders is there."""
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:liqstream|web|tests|config|bench|docs)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_variables_that_are_named_exist(page: str) -> None:
    """No page names a setting that is none; two variables belong to the shell and to the clients."""
    known = {setting_variable(setting) for setting in Settings.model_fields}
    known |= {"LIQSTREAM_COMPLETE", "LIQSTREAM_TOKEN", "LIQSTREAM_"}
    named = set(re.findall(r"LIQSTREAM_[A-Z_]*", (ROOT / page).read_text()))
    assert named - known == set()


def _tried(info: str) -> list[Block]:
    """The examples of one kind; what is printed on several pages is tried once."""
    found = {block.text: block for page in reversed(TRIED_PAGES) for block in reversed(blocks(page, info))}
    return list(reversed(found.values()))


def _with_address(text: str, url: str) -> str:
    return text.replace(PRINTED_URL, url.removeprefix("http://").rstrip("/"))


def _environment() -> dict[str, str]:
    folder = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("block", _tried("python"), ids=str)
def test_python_examples_run(block: Block, demo_url: str, tmp_path: Path) -> None:
    """As printed, but for the port; each prints something."""
    script = tmp_path / "first.py"
    script.write_text(_with_address(block.text, demo_url))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("block", _tried("js"), ids=str)
def test_javascript_examples_run(block: Block, demo_url: str, tmp_path: Path) -> None:
    """In Node, as printed, but for the port and where the module is."""
    module = (ROOT / "web" / "js" / "websocket-client.js").as_uri()
    sockets = (ROOT / "web" / "node_modules" / "ws" / "wrapper.mjs").as_uri()
    script = tmp_path / "first.mjs"
    text = _with_address(block.text, demo_url).replace("./websocket-client.js", module)
    script.write_text(
        f'import {{ WebSocket }} from "{sockets}";\nglobalThis.WebSocket ??= WebSocket;\n{text}'
    )
    command = ["node", "--no-warnings", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env=_environment()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("BTCUSDT")


@pytest.mark.parametrize("block", _tried("sh"), ids=str)
def test_shell_examples_run(block: Block, demo_url: str, tmp_path: Path) -> None:
    """As printed, but for the port; none fails."""
    text = _with_address(block.text, demo_url)
    if "liqstream tail" in text and "--url" not in text:
        text = text.replace("liqstream tail", f"liqstream tail --url {demo_url}")
    command = ["bash", "-euo", "pipefail", "-c", text]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=55, check=False, cwd=tmp_path, env=_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_session_goes_as_printed(demo_url: str) -> None:
    """Each line sent is answered with the lines below it; snapshots of ticks in between are passed over."""
    (session,) = blocks("docs/websocket_api.md", "session")
    async with aiohttp.ClientSession(demo_url) as http, http.ws_connect("/ws/heatmap") as socket:
        for line in session.text.splitlines():
            arrow, said = line[:2], json.loads(line[3:])
            if arrow == "->":
                await socket.send_json(said)
                continue
            async with asyncio.timeout(5):
                while not _is_like(await socket.receive_json(), said):
                    pass


def _is_like(heard: dict[str, object], printed: dict[str, object]) -> bool:
    """The same kind of message with the same keys, and the same of what does not change."""
    fixed = ("type", "symbol", "code", "id", "symbols", "update_interval", "proto")
    told = {key for key in heard if key != "repeat"}
    return told == set(printed) and all(heard[key] == printed[key] for key in fixed if key in printed)


@pytest.mark.parametrize("block", blocks("docs/websocket_api.md", "json"), ids=str)
def test_printed_messages_follow_the_schemas(block: Block) -> None:
    """Every example of a message is one."""
    message = json.loads(block.text)
    if "type" in message:
        check_said(message)


@pytest.mark.parametrize("block", _tried("sh server"), ids=str)
def test_the_first_command_starts_a_server(block: Block, tmp_path: Path) -> None:
    """`make run`, as printed, in the checkout; on a free port, with a file elsewhere."""
    settings = {"LIQSTREAM_PORT": str(unused_port()), "LIQSTREAM_DB": str(tmp_path / "x.duckdb")}
    environment = {**_environment(), **settings, "LIQSTREAM_SYMBOLS": "BTCUSDT"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {block.text.strip()}"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    with process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        found = next((line for line in lines if "liqstream is at" in line), None)
        process.terminate()
        process.communicate(timeout=20)
    assert found is not None, (tmp_path / "log").read_text()
    assert settings["LIQSTREAM_PORT"] in found


@pytest.mark.shared_data
def test_the_figures_of_the_readme_are_those_of_the_command(shared_data: Path, tmp_path: Path) -> None:
    """`liqstream score` prints the table's figures, within a hundredth."""
    bars = shared_data / "btc_1h_price_oi_liquidations_20251204_20260401.csv"
    market = ("--exchange", "binance", "--symbol", "BTCUSDT", "--interval", "1h", "--db", "score.duckdb")
    liqstream = (sys.executable, "-m", "liqstream")
    importing = (*liqstream, "import", "bars", str(bars), *market)
    subprocess.run(importing, cwd=tmp_path, check=True, capture_output=True)
    scoring = (*liqstream, "score", "--json", *market)
    scored = subprocess.run(scoring, cwd=tmp_path, check=True, capture_output=True, timeout=55)
    sides = json.loads(scored.stdout)["sides"].values()
    readme = (ROOT / "README.md").read_text()
    printed = re.search(r"\*\*liqstream\*\* \(map \+ same bar\) \| ([\d.]+)", readme)
    assert printed is not None
    figures = [side["model"]["spearman"] for side in sides]
    assert float(printed[1]) == pytest.approx(sum(figures) / len(figures), abs=0.01)
