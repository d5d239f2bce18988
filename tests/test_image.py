"""The Dockerfile without Docker: its steps as commands, each stage in a clean folder of its own.

Absolute paths of the file mean paths below the stage's folder; the bases' Python and Node are this machine's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATHS = re.compile(r"(?<![\w.:/])/(?=(?:opt|build|data)\b)")


@dataclass
class Stage:
    """One stage's folder, where it stands in it, and what it would tell its container."""

    root: Path
    workdir: str = "/"
    said: dict[str, str] = field(default_factory=dict)

    def path(self, written: str) -> Path:
        """A path of the Dockerfile, in this stage's folder."""
        return self.root / (Path(self.workdir) / written).relative_to("/")


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word:
            yield word, rest.strip()


def _ignored(folder: Path) -> set[str]:
    """What .dockerignore keeps out: caches, and what is made by other stages."""
    names = {"__pycache__"}
    return names | ({"node_modules", "vendor", "built"} if folder.name == "web" else set())


def _copy(stage: Stage, stages: dict[str, Stage], rest: str) -> None:
    words = rest.split()
    source_root: Path | None = None
    if words[0].startswith("--from="):
        source_root = stages[words.pop(0).partition("=")[2]].root
    *sources, target = words
    for source in sources:
        origin = source_root / source.lstrip("/") if source_root else ROOT / source
        place = stage.path(target)
        if origin.is_dir():
            skip = set() if source_root else _ignored(origin)
            shutil.copytree(
                origin, place, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*skip)
            )
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin, place)


def _run(stage: Stage, command: str) -> None:
    inside = PATHS.sub(f"{stage.root}/", command).replace("-o 10001 -g 10001 ", "")
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(stage.root)}
    stage.path(".").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        inside,
        shell=True,
        cwd=stage.path("."),
        env=environ | {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "npm_"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def build(text: str, folder: Path) -> Stage:
    """Run a Dockerfile's steps below `folder`; the last stage."""
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for word, rest in _instructions(text):
        match word:
            case "FROM":
                name = rest.partition(" AS ")[2] or "final"
                stage = stages[name] = Stage(folder / name)
                stage.root.mkdir()
            case "WORKDIR":
                stage.workdir = rest
                stage.path(".").mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(stage, stages, rest)
            case "RUN":
                _run(stage, rest)
            case _:
                stage.said[word] = rest
    return stage


@pytest.mark.attack
@pytest.mark.timeout(900)
def test_the_steps_of_the_image_make_a_server(tmp_path: Path) -> None:
    """Non-root, with a healthcheck, without a compiler or pip; and what it starts is alive."""
    image = build((ROOT / "Dockerfile").read_text(), tmp_path)
    assert image.said["USER"] == "10001:10001"
    assert image.said["ENTRYPOINT"] == '["liqstream"]'
    installed = image.root / "opt" / "liqstream"
    assert not list(installed.glob("bin/pip*"))
    python = installed / "bin" / "python"
    server = subprocess.Popen(
        [python, "-m", "liqstream", "serve", "--demo", "--port", "0"],
        cwd=image.root / "data",
        env={"PATH": os.environ["PATH"], "LIQSTREAM_DB": str(image.root / "data" / "liqstream.duckdb")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)", server.stdout.readline())
        assert found is not None
        for path in ("/health", "/", "/static/vendor/lightweight-charts.mjs"):
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}{path}", timeout=10) as answer:
                assert answer.status == 200
        check = json.loads(image.said["HEALTHCHECK"].partition(" CMD ")[2])
        assert check[0] == "liqstream"
        for port, code in ((found[1], 0), ("1", 1)):
            done = subprocess.run([python, "-m", *check], env={"LIQSTREAM_PORT": port}, check=False)
            assert done.returncode == code
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0
        server.stdout.close()
