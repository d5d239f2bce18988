"""The files an operator runs: the unit, the image, compose, Prometheus' rules, each read by its own tool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from liqstream.settings import Settings, setting_variable

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def _run(program: str, *arguments: str | Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = (shutil.which(program, path=path) or program, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """With a program that exists in the place of an installed one, systemd has nothing to say."""
    unit = tmp_path / "liqstream.service"
    text = (CONFIG / "liqstream.service").read_text()
    text = text.replace("/opt/liqstream/.venv/bin/liqstream serve", "/bin/true")
    unit.write_text(re.sub("^Documentation=.*\n", "", text, flags=re.MULTILINE))
    assert "liqstream" not in _run("systemd-analyze", "verify", "--man=no", unit)


@needs_systemd
def test_the_unit_is_a_sandbox() -> None:
    """An exposure below 2 of 10: what is left is the network it serves."""
    text = _run("systemd-analyze", "security", "--offline=true", "--no-pager", CONFIG / "liqstream.service")
    found = re.search(r"Overall exposure level for liqstream.service: ([0-9.]+)", text)
    assert found is not None
    assert float(found[1]) < 2


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.multi.yml"])
def test_compose_names_only_settings_that_exist(name: str) -> None:
    """And files that are there."""
    compose = yaml.safe_load((CONFIG / name).read_text())
    known = {setting_variable(field) for field in Settings.model_fields}
    for service in compose["services"].values():
        environment = service.get("environment", {})
        ours = {key for key in environment if key.startswith(("LIQSTREAM_", "WS_", "REDIS_"))}
        assert ours <= known
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (CONFIG / source).exists(), source


def test_the_environment_file_of_the_unit_names_only_settings_that_exist() -> None:
    """In the unit itself and in docs/operations.md."""
    known = {setting_variable(field) for field in Settings.model_fields}
    for path in (CONFIG / "liqstream.service", ROOT / "docs" / "operations.md", ROOT / "Dockerfile"):
        named = set(re.findall(r"\b((?:LIQSTREAM|WS|REDIS)_[A-Z_]+)=", path.read_text()))
        assert named <= known, path


def test_prometheus_accepts_its_files() -> None:
    """The configuration and every alert."""
    assert "SUCCESS" in _run("promtool", "check", "config", CONFIG / "prometheus.yml")


ALERT_CASES = {
    "LiqstreamStale": {'heatmap_stale{instance="a",symbol="BTCUSDT"}': "1x20"},
    "LiqstreamDown": {'up{job="liqstream",instance="a"}': "0x20"},
    "LiqstreamFull": {'refusals_total{instance="a",reason="server_full"}': "0+10x40"},
    "LiqstreamFloods": {'refusals_total{instance="a",reason="rate"}': "0+600x40"},
    "LiqstreamRowsLost": {'store_rows_lost_total{instance="a"}': "0x5 100x40"},
    "LiqstreamNotStreaming": {
        'ws_active_connections{instance="a",symbol="BTCUSDT"}': "5x40",
        'ws_last_broadcast_timestamp_seconds{instance="a",symbol="BTCUSDT"}': "0x40",
    },
    "LiqstreamDescriptors": {
        'process_open_fds{job="liqstream",instance="a"}': "900x40",
        'process_max_fds{job="liqstream",instance="a"}': "1000x40",
    },
    "LiqstreamSlowClients": {
        'ws_messages_dropped_total{instance="a"}': "0+30x40",
        'ws_messages_sent_total{instance="a"}': "0+100x40",
    },
}


@pytest.mark.parametrize("alert", ALERT_CASES)
def test_an_alert_fires_when_it_should_and_not_before(tmp_path: Path, alert: str) -> None:
    """On series made for it, by Prometheus' own rule tester."""
    series = [{"series": name, "values": values} for name, values in ALERT_CASES[alert].items()]
    groups = yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"]
    (rule,) = (each for each in groups[0]["rules"] if each["alert"] == alert)
    query = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    case = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {"expr": query, "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": 0}]},
            {"expr": query, "eval_time": "15m", "exp_samples": [{"labels": "{}", "value": 1}]},
        ],
    }
    test = tmp_path / "test.yml"
    rules = {"rule_files": [str(CONFIG / "alerts.yml")], "evaluation_interval": "1m", "tests": [case]}
    test.write_text(yaml.safe_dump(rules))
    assert "SUCCESS" in _run("promtool", "test", "rules", test), rule


def test_the_dockerfile_is_clean() -> None:
    """By hadolint: nothing worse than a hint. tests/test_image.py runs its steps."""
    _run("hadolint", "--failure-threshold", "warning", ROOT / "Dockerfile")
