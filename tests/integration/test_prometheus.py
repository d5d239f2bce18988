"""A real Prometheus scrapes a real server: every panel of the dashboard shows something."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.attack.harness import attacked, healthy_beside
from tests.docs.docs_metrics import metrics_of

CONFIG = Path(__file__).resolve().parents[2] / "config"

SCRAPE_CONFIG = """
global: {{scrape_interval: 250ms, evaluation_interval: 500ms}}
rule_files: [{rules}]
scrape_configs:
  - job_name: heat
    static_configs: [{{targets: ["{target}"]}}]
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def _prometheus(folder: Path, target: str) -> Iterator[str]:
    """Prometheus scraping `target` four times a second with our alerts, at its address."""
    config = folder / "prometheus.yml"
    config.write_text(SCRAPE_CONFIG.format(target=target, rules=CONFIG / "alerts.yml"))
    address = f"127.0.0.1:{_free_port()}"
    program = shutil.which("prometheus")
    assert program, "run `make setup`: tests/support/system_packages.py installs prometheus"
    process = subprocess.Popen(
        [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
         f"--web.listen-address={address}", "--log.level=error"],
    )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _ask(prometheus: str, path: str, **query: str) -> Any:
    url = f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["data"]


def _queries() -> list[str]:
    """Of every panel, with Grafana's variables filled in."""
    dashboard = json.loads((CONFIG / "grafana-dashboard.json").read_text())
    exprs = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return [
        expr.replace("$__rate_interval", "10s").replace("$instance", ".*").replace("$job", ".*")
        for expr in exprs
    ]


def _empty(prometheus: str) -> list[str]:
    """The panels' queries that return nothing."""
    return [query for query in _queries() if not _ask(prometheus, "query", query=query)["result"]]


@pytest.mark.long
async def test_every_panel_shows_data_and_no_alert_is_blind(tmp_path: Path) -> None:
    """Panels answer; alerts evaluate without error on metrics that exist, and a healthy server fires none."""
    with attacked(tmp_path) as server, _prometheus(tmp_path, f"{server.host}:{server.port}") as prometheus:
        async with healthy_beside(server):
            async with asyncio.timeout(40):
                while await asyncio.to_thread(_is_deaf, prometheus) or _empty(prometheus):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            names = set(await asyncio.to_thread(_ask, prometheus, "label/__name__/values"))
            names |= set(await asyncio.to_thread(metrics_of, server.url))  # families without a sample yet
            rules = _ask(prometheus, "rules")["groups"][0]["rules"]
            assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []
            assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []
        for rule in yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"][0]["rules"]:
            assert any(name in rule["expr"] for name in names), rule


def _is_deaf(prometheus: str) -> bool:
    """Not up yet, or without an evaluation of every rule."""
    try:
        rules = _ask(prometheus, "rules")["groups"][0]["rules"]
    except (OSError, LookupError):
        return True
    return any(rule["health"] == "unknown" for rule in rules)
