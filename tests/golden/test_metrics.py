"""/metrics: the name, type, labels and buckets of every family a server exposes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from liqstream.metrics import NAMESPACE, Metrics
from tests.golden.compare import check_json
from tests.golden.server import ask, running_server

_ENDINGS = ("_bucket", "_sum", "_count")


def families(text: str) -> dict[str, dict[str, Any]]:
    """Name -> type, labels (None: no sample shows them) and buckets, without the platform's own."""
    found: dict[str, dict[str, Any]] = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(("process_", "python_")):
            continue  # prometheus_client's own, by what the platform offers
        labels = {label for sample in family.samples for label in sample.labels}
        bounds = {sample.labels["le"] for sample in family.samples if "le" in sample.labels}
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = {"type": family.type, "labels": sorted(labels - {"le"}) if family.samples else None}
        if bounds:
            found[name]["buckets"] = sorted(bounds, key=float)
        samples = {sample.name for sample in family.samples}
        assert samples <= {name, *(name + ending for ending in _ENDINGS)}, samples
    return found


def declared_labels() -> dict[str, list[str]]:
    """Labels of the families that may have no sample yet."""
    own = [metric for metric in vars(Metrics()).values() if isinstance(metric, MetricWrapperBase)]
    return {
        metric._name + ("_total" if metric._type == "counter" else ""): sorted(metric._labelnames)
        for metric in own
    }


async def test_metrics(tmp_path: Path) -> None:
    """Of a server that was asked for something, refused something, and follows a feed."""
    async with running_server(tmp_path) as client:
        for path in ("/health", "/metrics"):
            await ask(client, path)
        answer = await ask(client, "/metrics")
    found = families(answer.body.decode())
    for name, labels in declared_labels().items():
        found[name]["labels"] = labels
    assert {name for name in found if not name.startswith(NAMESPACE)} == {
        "ws_active_connections",
        "ws_messages_sent_total",
    }
    assert answer.headers["Content-Type"].startswith("text/plain;")
    check_json("metrics.json", dict(sorted(found.items())))
