"""The rules that wake somebody and whom, by the testers of Prometheus and Alertmanager; the dashboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from liqstream.metrics import NAMESPACE

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
OURS = 'job="heat",instance="a"'
"""Under a job name of the user's own."""
SERVER = {f'liqstream_build_info{{{OURS},version="1"}}': "1x40", f"up{{{OURS}}}": "1x40"}

FIRING: dict[str, dict[str, str]] = {
    "LiqstreamDown": {
        f'liqstream_build_info{{{OURS},version="1"}}': "1x2 _x40",
        f"up{{{OURS}}}": "1x2 0x40",
    },
    "LiqstreamRestarts": {**SERVER, f"process_start_time_seconds{{{OURS}}}": "1 1 2 3 4 5 5x40"},
    "LiqstreamStale": {f'liqstream_heatmap_stale{{{OURS},symbol="BTCUSDT"}}': "1x40"},
    "LiqstreamFeedDown": {f'liqstream_feed_connected{{{OURS},exchange="okx"}}': "0x40"},
    "LiqstreamClockSkew": {f'liqstream_feed_clock_skew_seconds{{{OURS},exchange="okx"}}': "-3x40"},
    "LiqstreamNotStreaming": {
        f'ws_active_connections{{{OURS},symbol="BTCUSDT"}}': "5x40",
        f'liqstream_ws_last_broadcast_timestamp_seconds{{{OURS},symbol="BTCUSDT"}}': "0x40",
    },
    "LiqstreamFull": {f'liqstream_refusals_total{{{OURS},reason="server_full"}}': "0+10x40"},
    "LiqstreamFloods": {f'liqstream_refusals_total{{{OURS},reason="rate"}}': "0+600x40"},
    "LiqstreamSlowClients": {
        f'liqstream_ws_messages_dropped_total{{{OURS},symbol="BTCUSDT"}}': "0+30x40",
        f'ws_messages_sent_total{{{OURS},symbol="BTCUSDT"}}': "0+100x40",
    },
    "LiqstreamLoopLag": {
        f'liqstream_event_loop_lag_seconds_bucket{{{OURS},le="0.25"}}': "0x40",
        f'liqstream_event_loop_lag_seconds_bucket{{{OURS},le="0.5"}}': "0+9x40",
        f'liqstream_event_loop_lag_seconds_bucket{{{OURS},le="+Inf"}}': "0+9x40",
    },
    "LiqstreamTaskFails": {f'liqstream_task_failures_total{{{OURS},task="stream"}}': "0+1x40"},
    "LiqstreamRowsLost": {f"liqstream_store_rows_lost_total{{{OURS}}}": "0x10 100x40"},
    "LiqstreamCommitsFail": {f"liqstream_store_failed_commits_total{{{OURS}}}": "0x5 1+1x40"},
    "LiqstreamDiskFull": {f"liqstream_store_disk_free_bytes{{{OURS}}}": "9e8x40"},
    "LiqstreamBackupFails": {f"liqstream_store_failed_backups_total{{{OURS}}}": "0x5 1x40"},
    "LiqstreamBackupOld": {f"liqstream_last_backup_timestamp_seconds{{{OURS}}}": "-200000x90"},
    "LiqstreamCertificate": {f"liqstream_tls_certificate_expiry_timestamp_seconds{{{OURS}}}": "1000000x90"},
    "LiqstreamDescriptors": {
        **SERVER,
        f"process_open_fds{{{OURS}}}": "900x40",
        f"process_max_fds{{{OURS}}}": "1000x40",
    },
    "LiqstreamAlone": {f"liqstream_redis_fallback{{{OURS}}}": "1x40"},
    "LiqstreamLeaders": {f"liqstream_redis_up{{{OURS}}}": "1x40", f"liqstream_redis_led{{{OURS}}}": "0x40"},
}
"""Series on which a rule fires: all but "Backup" and "Certificate" within a quarter of an hour."""

OF_MANY = f'liqstream_heatmap_stale{{{OURS},symbol="other"}}'
FOLLOWED = {f"liqstream_markets_followed{{{OURS}}}": "600x40"}

FOREIGN = 'job="node",instance="b"'
LED = {"liqstream_redis_up": "1x40", "liqstream_redis_led": "1x40"}
SILENT: dict[str, dict[str, str]] = {
    "what other exporters say": {
        f"up{{{FOREIGN}}}": "0x40",
        f"redis_up{{{FOREIGN}}}": "1x40",
        f"redis_leader{{{FOREIGN}}}": "0x40",
        f"process_open_fds{{{FOREIGN}}}": "999x40",
        f"process_max_fds{{{FOREIGN}}}": "1000x40",
        f"process_start_time_seconds{{{FOREIGN}}}": "1+1x40",
        f'ws_active_connections{{{FOREIGN},symbol="BTCUSDT"}}': "5x40",
        f'ws_messages_sent_total{{{FOREIGN},symbol="BTCUSDT"}}': "0+1x40",
        **SERVER,
    },
    "two fleets, each with a leader, at one Redis or two": {
        f'{name}{{job="heat",instance="{instance}"}}': values
        for instance in "abcd"
        for name, values in (*LED.items(), ("liqstream_redis_leader", f"{int(instance in 'ac')}x40"))
    },
    "a fleet whose producers and fanouts are two jobs": {
        f'{name}{{job="{job}",instance="{job}"}}': values
        for job in ("producers", "fanouts")
        for name, values in LED.items()
    },
    "a server without Redis": {
        f"liqstream_redis_up{{{OURS}}}": "0x40", f"liqstream_redis_led{{{OURS}}}": "0x40", **SERVER,
    },
    "some markets of hundreds are halted": {**SERVER, **FOLLOWED, OF_MANY: "20x40"},
    "an ordinary restart, and a backup of yesterday": {
        **SERVER,
        f"process_start_time_seconds{{{OURS}}}": "1x5 2x40",
        f"liqstream_last_backup_timestamp_seconds{{{OURS}}}": "-86400x40",
        f"liqstream_feed_clock_skew_seconds{{{OURS}}}": "0.5x40",
        f"liqstream_store_disk_free_bytes{{{OURS}}}": "2e9x40",
    },
}  # fmt: skip


def run(program: str, *arguments: str | Path) -> str:
    done = subprocess.run((program, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((CONFIG / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def case(name: str, series: dict[str, str], expected: list[str]) -> dict[str, Any]:
    """One of promtool's tests: none fires at first, those expected do in the end."""
    until = "75m" if name in ("LiqstreamBackupOld", "LiqstreamCertificate") else "15m"
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in expected]
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": "0m", "exp_samples": []},
            {"expr": firing, "eval_time": until, "exp_samples": samples},
        ],
    }


def try_rules(folder: Path, cases: list[dict[str, Any]]) -> None:
    path = folder / "test.yml"
    tested = {"rule_files": [str(CONFIG / "alerts.yml")], "evaluation_interval": "1m", "tests": cases}
    path.write_text(yaml.safe_dump(tested))
    assert "SUCCESS" in run("promtool", "test", "rules", path)


def test_every_rule_fires_when_it_should(tmp_path: Path) -> None:
    """On series made for it, under a job name of the user's own; no other does, and none before."""
    assert sorted(rule["alert"] for rule in rules()) == sorted(FIRING)
    cases = [*FIRING.items(), ("LiqstreamStale", {**SERVER, **FOLLOWED, OF_MANY: "590x40"})]
    try_rules(tmp_path, [case(name, series, [name]) for name, series in cases])


def test_no_rule_fires_when_it_should_not(tmp_path: Path) -> None:
    """Other exporters, other fleets, and what is ordinary."""
    try_rules(tmp_path, [case(name, series, []) for name, series in SILENT.items()])


def test_a_rule_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    """The tester of the rules fails where it should."""
    with pytest.raises(AssertionError, match="FAILED"):
        try_rules(tmp_path, [case("LiqstreamStale", SERVER, ["LiqstreamStale"])])


def test_a_job_named_after_it_need_not_have_been_up(tmp_path: Path) -> None:
    """A server that never came up is missed as well."""
    try_rules(
        tmp_path, [case("never up", {'up{job="my-liqstream",instance="a"}': "0x40"}, ["LiqstreamDown"])]
    )


def test_every_rule_says_who_is_to_wake_and_where_to_read() -> None:
    """Of each severity there is a receiver; each alert has its row where its runbook is."""
    page = (ROOT / "docs" / "operations.md").read_text()
    watch = page[page.index("\n## Watch\n") : page.index("\n### When an exchange refuses")]
    for rule in rules():
        assert rule["annotations"]["runbook_url"].endswith("/docs/operations.md#watch")
        assert f"\n| {rule['alert']} |" in watch
    named = set(re.findall(r"^\| (Liqstream\w+) \|", watch, re.MULTILINE))
    assert named == set(FIRING)


def test_no_rule_sees_metrics_of_others() -> None:
    """What is not ours by its name is joined with what is."""
    common = r"(?<![\w:])(up|process_\w+|ws_\w+)\b"
    for rule in rules():
        if re.search(common, rule["expr"]):
            assert re.search(r"liqstream:server|liqstream_ws_", rule["expr"]), rule["alert"]
        assert 'job="' not in rule["expr"]


COMPOSE = ("docker-compose.yml", "docker-compose.multi.yml")


@pytest.mark.parametrize("name", ["prometheus.yml", *COMPOSE, "docker-compose.scale.yml"])
def test_prometheus_accepts_its_files(tmp_path: Path, name: str) -> None:
    """The configuration, that within compose too, with every alert; all of them tell Alertmanager."""
    text = (CONFIG / name).read_text()
    if name.startswith("docker-compose"):
        compose = yaml.safe_load(text)
        assert "alertmanager" in compose["services"] or name not in COMPOSE
        text = (
            compose["configs"].get("prometheus", {}).get("content") or (CONFIG / "prometheus.yml").read_text()
        )
    shutil.copy(CONFIG / "alerts.yml", tmp_path)
    (tmp_path / "prometheus.yml").write_text(text)
    assert "SUCCESS" in run("promtool", "check", "config", tmp_path / "prometheus.yml")
    (targets,) = yaml.safe_load(text)["alerting"]["alertmanagers"]
    assert targets["static_configs"] == [{"targets": ["alertmanager:9093"]}]


def test_each_severity_has_a_receiver() -> None:
    """A route by its name, or the default; both compose files make the file that holds the address."""
    config = yaml.safe_load((CONFIG / "alertmanager.yml").read_text())
    receivers = {receiver["name"]: receiver["webhook_configs"] for receiver in config["receivers"]}
    routed = {route["receiver"] for route in config["route"]["routes"]} | {config["route"]["receiver"]}
    assert routed == set(receivers) == {rule["labels"]["severity"] for rule in rules()}
    for name in COMPOSE:
        compose = yaml.safe_load((CONFIG / name).read_text())
        (source,) = compose["services"]["alertmanager"]["configs"]
        assert "ALERT_WEBHOOK_URL" in compose["configs"][source["source"]]["content"]
        assert all(hooks == [{"url_file": source["target"]}] for hooks in receivers.values())


@pytest.mark.skipif(not shutil.which("amtool"), reason="needs amtool")
def test_alertmanager_accepts_its_file(tmp_path: Path) -> None:
    """And sends each severity where it should."""
    text = (CONFIG / "alertmanager.yml").read_text()
    # Debian's is older than `url_file`.
    path = tmp_path / "alertmanager.yml"
    path.write_text(text.replace("url_file: /etc/alertmanager/webhook-url", "url: http://127.0.0.1:9/"))
    assert "SUCCESS" in run("amtool", "check-config", path)
    for severity in ("page", "morning"):
        told = run("amtool", "config", "routes", "test", f"--config.file={path}", f"severity={severity}")
        assert told.strip() == severity


def test_the_dashboard_takes_any_datasource_and_job() -> None:
    """Both are chosen; no panel names one."""
    text = (CONFIG / "grafana-dashboard.json").read_text()
    board = json.loads(text)
    kinds = {each["name"]: each["type"] for each in board["templating"]["list"]}
    assert kinds == {"datasource": "datasource", "job": "query", "instance": "query"}
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"liqstream", "${datasource}"}
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            selectors = re.findall(r"\{([^}]*)\}", target["expr"])
            assert selectors == ['job=~"$job", instance=~"$instance"'] * len(selectors) != [], target["expr"]


def test_the_dashboard_names_our_metrics_only() -> None:
    """And the process's own."""
    for panel in json.loads((CONFIG / "grafana-dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            for name in re.findall(r"([a-z_]+)\{", target["expr"]):
                assert name.startswith((f"{NAMESPACE}_", "process_", "ws_active", "ws_messages_sent_"))
