"""config/kubernetes.yaml: a fleet that Kubernetes takes, with settings, ports and paths that exist."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import kubernetes_validate
import pytest
import yaml

from liqstream.settings.load import load_settings, setting_variable
from liqstream.settings.table import Settings

MANIFEST = Path(__file__).resolve().parents[1] / "config" / "kubernetes.yaml"
RESOURCES: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))
VERSIONS = ("1.29", "1.37")
"""The oldest release the manifest is held to, and the newest there is a schema of."""


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] in kinds}


def templates() -> dict[str, dict[str, Any]]:
    """Pod templates by the name of what makes them."""
    return {name: each["spec"]["template"] for name, each in of_kind("Deployment", "StatefulSet").items()}


def servers() -> dict[str, dict[str, Any]]:
    """Pods that run our image."""
    return {name: each["spec"] for name, each in templates().items() if name != "liqstream-redis"}


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """What a server's container is started with."""
    (container,) = pod["containers"]
    maps = of_kind("ConfigMap")
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]["data"]
    return found | {each["name"]: each["value"] for each in container.get("env", ())}


def probes(container: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        if name in container:
            yield container[name]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_resource(version: str) -> None:
    """By its published schemas, where no field may be unknown."""
    for resource in RESOURCES:
        kubernetes_validate.validate(resource, version, strict=True)


def test_a_misspelt_field_is_found() -> None:
    """Otherwise the test above would prove nothing."""
    wrong = copy.deepcopy(of_kind("StatefulSet")["liqstream-producer"])
    wrong["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_it_sets_only_settings_that_exist_to_values_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same check as at the start of a server."""
    known = {setting_variable(field) for field in Settings.model_fields}
    for pod in servers().values():
        assert set(environment(pod)) <= known
        with monkeypatch.context() as patch:
            for name, value in environment(pod).items():
                patch.setenv(name, value)
            assert load_settings().redis_enabled
    roles = {name: environment(pod)["LIQSTREAM_ROLE"] for name, pod in servers().items()}
    assert roles == {"liqstream-producer": "producer", "liqstream-fanout": "fanout"}


def test_every_service_finds_pods_and_every_address_a_service() -> None:
    """Selectors, labels and named ports belong together."""
    pods = templates()
    for each in of_kind("Deployment", "StatefulSet").values():
        wanted = each["spec"]["selector"]["matchLabels"].items()
        assert wanted <= each["spec"]["template"]["metadata"]["labels"].items()
    for service in of_kind("Service").values():
        selector = service["spec"]["selector"].items()
        found = [pod for pod in pods.values() if selector <= pod["metadata"]["labels"].items()]
        assert len(found) == 1
        named = {port["name"] for port in found[0]["spec"]["containers"][0]["ports"]}
        assert {port.get("targetPort", port["name"]) for port in service["spec"]["ports"]} <= named
    for pod in servers().values():
        for name in ("REDIS_URL", "LIQSTREAM_HISTORY_URL"):
            if address := environment(pod).get(name):
                host, _, port = address.split("://")[1].partition(":")
                assert int(port) in {each["port"] for each in of_kind("Service")[host]["spec"]["ports"]}


def test_pods_are_locked_and_may_write_only_where_they_must() -> None:
    """No root, no service links, no token of the cluster, a root file system that cannot be written."""
    for template in templates().values():
        pod = template["spec"]
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert list(probes(container))
    for pod in servers().values():
        assert {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]} == {"/data", "/tmp"}
    producer = of_kind("StatefulSet")["liqstream-producer"]
    claimed = {claim["metadata"]["name"] for claim in producer["spec"]["volumeClaimTemplates"]}
    assert "data" in claimed, "what is collected outlives the pod"


def test_a_start_may_take_as_long_as_under_systemd() -> None:
    """A pod that is killed while a large store is read would never start."""
    unit = (MANIFEST.parent / "liqstream.service").read_text()
    allowed_s = int(unit.partition("\nTimeoutStartSec=")[2].split()[0])
    (container,) = of_kind("StatefulSet")["liqstream-producer"]["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= allowed_s


@pytest.mark.long
def test_probes_ask_what_the_server_answers(demo_url: str) -> None:
    """By the pod's address; a pod that has no map yet is not killed for it."""
    port = urlsplit(demo_url).port
    for pod in servers().values():
        container = pod["containers"][0]
        paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
        assert paths == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}
        for path in paths.values():
            asked = Request(f"{demo_url}{path}", headers={"Host": f"10.1.2.3:{port}"})
            with urlopen(asked) as answer:
                assert answer.status == 200
        assert pod["terminationGracePeriodSeconds"] >= 15, "a server is given ten seconds by itself"
