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
import matplotlib.image
import pytest

from liqstream.cli import VERBS
from liqstream.cli.show_config import setting_rows
from liqstream.market.data_quality import QUALITY_FLAGS
from liqstream.settings.load import setting_variable
from liqstream.settings.table import Settings
from liqstream.settings.unknown_names import OTHER_NAMES
from liqstream.wire.close_codes import CLOSE_CODES
from liqstream.wire.messages import ErrorCode, WarningCode
from tests.docs.doc_blocks import ROOT, Block, blocks, pages
from tests.docs.docs_metrics import METRICS_PAGE, metrics_of, told_labels
from tests.docs.docs_pictures import pictures_of, run_python
from tests.docs.docs_tables import expected_files, part_of
from tests.test_api_schemas import check_message

API_PAGE = (ROOT / "docs" / "websocket_api.md").read_text()
TRIED_PAGES = (
    "README.md",
    "docs/websocket_api.md",
    "docs/websocket_troubleshooting.md",
    "docs/alerts.md",
    "docs/cookbook.md",
)
README_ROWS = (
    "the drawn map  ",
    "with the bar's own entries  ",
    "best prediction  ",
    "flat kernel to 2 %, same path  ",
    "B5 uniform x range  ",
    "B3 uniform  ",
    "B1 excursion  ",
    "one-sided  ",
    "best prediction over B3: ",
)
"""What `liqstream score` calls what the rows of the README's table are of."""

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
    """No page names a setting that is none, but those of the shell, of verbs and Kubernetes, and a slip."""
    known = {row.setting for row in setting_rows(Settings(_env_file=None))}
    known |= {"LIQSTREAM_COMPLETE", "LIQSTREAM_", *OTHER_NAMES}
    known |= {"LIQSTREAM_SERVICE_HOST", "LIQSTREAM_EXCHANGE"}
    named = set(re.findall(r"LIQSTREAM_[A-Z_]*", (ROOT / page).read_text()))
    assert named - known == set()


def test_the_readme_is_one_screen_before_its_picture_and_names_every_reader() -> None:
    """Each part of the quick start is linked there, to its heading."""
    before, picture, _ = (ROOT / "README.md").read_text().partition("\n![")
    assert picture
    assert before.count("\n") <= 25
    readers = re.findall(r"^## (\d\. .*)$", (ROOT / "docs" / "quickstart.md").read_text(), re.MULTILINE)[1:]
    assert len(readers) == 6
    assert [name for name in readers if f"(docs/quickstart.md#{_anchor(name)})" not in before] == []


def _tried(info: str) -> list[Block]:
    """The examples of one kind; what is printed on several pages is tried once."""
    found = {block.text: block for page in reversed(TRIED_PAGES) for block in reversed(blocks(page, info))}
    return list(reversed(found.values()))


def _with_address(text: str, url: str) -> str:
    text = text.replace(PRINTED_URL, url.removeprefix("http://").rstrip("/"))
    assert ":8000" not in text, "an example that speaks to a port others may have"
    return text


def _environment() -> dict[str, str]:
    folder = str(Path(sys.executable).parent)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LIQSTREAM_PORT": "0"}


@pytest.mark.parametrize("block", _tried("python"), ids=str)
def test_python_examples_run(block: Block, demo_url: str, tmp_path: Path) -> None:
    """As printed, but for the port; each prints something."""
    done = run_python(block, demo_url, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    for name in pictures_of(block):
        drawn = matplotlib.image.imread(tmp_path / name)
        assert drawn[..., :3].std() > 0.05, "an empty picture"
        assert (ROOT / "docs" / "pictures" / name).is_file()


@pytest.mark.parametrize("block", blocks("docs/cookbook.md", "promql"), ids=str)
def test_queries_name_metrics_and_labels_that_exist(block: Block) -> None:
    """A panel made of one shows something."""
    (name,) = re.findall(r"\b(?:liqstream|ws)_[a-z_]+", block.text)
    labels = told_labels(METRICS_PAGE.read_text())[name].split(", ")
    assert set(re.findall(r"by \((\w+)\)", block.text)) <= set(labels)


@pytest.mark.parametrize("block", _tried("js"), ids=str)
def test_javascript_examples_run(block: Block, demo_url: str, tmp_path: Path) -> None:
    """In Node, as printed, but for the port and where the module is."""
    module = (ROOT / "web" / "built" / "js" / "liqstream-client.mjs").as_uri()
    sockets = (ROOT / "web" / "node_modules" / "ws" / "wrapper.mjs").as_uri()
    script = tmp_path / "first.mjs"
    text = _with_address(block.text, demo_url).replace("./liqstream-client.mjs", module)
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
        check_message(message)


@pytest.mark.simulated
@pytest.mark.parametrize("block", _tried("sh server"), ids=str)
def test_the_first_command_starts_a_server(block: Block, tmp_path: Path) -> None:
    """`make run`, as printed, in the checkout; on a free port, with a file elsewhere."""
    settings = {"LIQSTREAM_DB": str(tmp_path / "x.duckdb"), "LIQSTREAM_SYMBOLS": "BTCUSDT"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {block.text.strip()}"],
            cwd=ROOT,
            env={**_environment(), **settings},
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
    assert re.search(r"http://127\.0\.0\.1:[1-9]", found)


@pytest.mark.parametrize(("column", "mark"), [(1, "score late"), (2, "score hours")])
def test_the_figures_of_the_readme_are_those_of_the_command(column: int, mark: str) -> None:
    """They are docs/model.md's to the digit; tests/test_cli/test_score.py holds its to the command's."""
    model, readme = ((ROOT / page).read_text() for page in ("docs/model.md", "README.md"))
    head, _, printed = part_of(model, mark).partition("\nmean of sides\n")
    header, _, *rows = [line.strip("| ").split(" | ") for line in part_of(readme, "score").splitlines()]
    hours = re.fullmatch(r".*: (\S+) to (\S+), (\S+) hours", f": {header[column - 1]}")
    assert hours is not None
    for text in (f"{hours[1]}T", f"to {hours[2]}T", f": {hours[3]} intervals"):
        assert text in head.splitlines()[1]
    assert len(rows) == len(README_ROWS)
    for row, name in zip(rows, README_ROWS, strict=True):
        [line] = [line.strip() for line in printed.splitlines() if line.strip().startswith(name)]
        assert line.removeprefix(name).lstrip().startswith(row[column])
