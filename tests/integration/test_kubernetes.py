"""The manifests in ``deploy/kubernetes``: whether they fit each other, the image and the service.

Whether they fit Kubernetes is what ``make check-deploy`` asks.
"""

import re

import pytest
import yaml

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.config_reader import load_config
from heksher.server.metrics import METRICS_PATH
from heksher.server.run import GRACEFUL_SHUTDOWN_S
from heksher.server.storage.memory import MemoryStorage
from heksher.version import __version__
from tests.support.deployment import DEPLOY, read_final_stage, read_image_environment

FILES = {path.stem: path.read_text(encoding="utf-8") for path in (DEPLOY / "kubernetes").iterdir()}
MANIFESTS = {name: yaml.safe_load(text) for name, text in FILES.items()}
LABELS = {"app.kubernetes.io/name": "heksher"}
DEPLOYMENT = MANIFESTS["deployment"]["spec"]
POD = DEPLOYMENT["template"]["spec"]
(CONTAINER,) = POD["containers"]
(PORT,) = CONTAINER["ports"]
PROBES = {name: CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}


def read_environment() -> dict[str, str]:
    """Return the variables that the service gets, as far as they stand in the manifests."""
    given = {variable["name"]: variable.get("value", "postgresql://host/db") for variable in CONTAINER["env"]}
    return {**read_image_environment(), **MANIFESTS["config"]["data"], **given}


def test_there_is_what_runs_a_service():
    """One object in each file, and a name and labels for each."""
    assert {
        "config": "ConfigMap",
        "deployment": "Deployment",
        "disruption-budget": "PodDisruptionBudget",
        "network-policy": "NetworkPolicy",
        "service": "Service",
        "service-monitor": "ServiceMonitor",
    } == {name: manifest["kind"] for name, manifest in MANIFESTS.items()}
    for manifest in MANIFESTS.values():
        assert "heksher" == manifest["metadata"]["name"]
        assert LABELS.items() <= manifest["metadata"]["labels"].items()


def test_everything_is_about_the_same_pods():
    """Those of the deployment, by the label that it gives them."""
    (spread,) = POD["topologySpreadConstraints"]
    selectors = [
        DEPLOYMENT["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
        MANIFESTS["service"]["spec"]["selector"],
        MANIFESTS["disruption-budget"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["network-policy"]["spec"]["podSelector"]["matchLabels"],
        MANIFESTS["service-monitor"]["spec"]["selector"]["matchLabels"],
    ]
    assert [LABELS] * len(selectors) == selectors
    assert LABELS.items() <= DEPLOYMENT["template"]["metadata"]["labels"].items()


def test_everything_is_about_the_same_port():
    """By its name; its number is that which the service is told."""
    config = load_config(read_environment())
    assert ("0.0.0.0", config.port) == (config.host, PORT["containerPort"])
    (service_port,) = MANIFESTS["service"]["spec"]["ports"]
    (endpoint,) = MANIFESTS["service-monitor"]["spec"]["endpoints"]
    (ingress,) = MANIFESTS["network-policy"]["spec"]["ingress"]
    named = [service_port["targetPort"], endpoint["port"], ingress["ports"][0]["port"]]
    assert [PORT["name"]] * 6 == [*named, *(probe["port"] for probe in PROBES.values())]
    assert PORT["name"] == service_port["name"]


def test_what_kubernetes_says_of_the_service_stays_outside():
    """It would put ``tcp://...`` into ``HEKSHER_PORT``, as the service has the name that makes it so."""
    assert POD["enableServiceLinks"] is False
    assert "HEKSHER_PORT" in read_environment()


def test_the_configuration_is_one():
    """With context features and a check of who may do what, and a database that comes from a secret alone."""
    config = load_config(read_environment())
    assert (("environment", "user"), "json", True) == (config.context_features, config.log_format, config.has_access)
    (reference,) = [variable["valueFrom"]["secretKeyRef"] for variable in CONTAINER["env"] if "valueFrom" in variable]
    created = re.search(r"create secret generic (\S+) --from-literal=(\w+)=", FILES["deployment"])
    assert (created[1], created[2]) == (reference["name"], reference["key"])
    assert [{"configMapRef": {"name": "heksher"}}] == CONTAINER["envFrom"]


@pytest.mark.parametrize(("probe", "path"), [("startup", "live"), ("readiness", "ready"), ("liveness", "live")])
def test_the_probes_ask_what_there_is(probe: str, path: str):
    """Whether to send requests is another question than whether to start it again."""
    paths = {route.path for route in Application(Config("unused"), MemoryStorage()).api.routes}
    assert f"/healthz/{path}" == PROBES[probe]["path"]
    assert PROBES[probe]["path"] in paths
    (endpoint,) = MANIFESTS["service-monitor"]["spec"]["endpoints"]
    assert METRICS_PATH == endpoint["path"]


def test_a_replica_ends_gently():
    """It has the time in which requests still arrive, and that which the service takes for those that it has."""
    pause_s = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > pause_s + GRACEFUL_SHUTDOWN_S + 2


def test_there_is_always_a_replica():
    """Also during an upgrade and while a machine is emptied."""
    assert DEPLOYMENT["replicas"] >= 2
    assert 0 == DEPLOYMENT["strategy"]["rollingUpdate"]["maxUnavailable"]
    assert 1 == MANIFESTS["disruption-budget"]["spec"]["maxUnavailable"]


def test_the_container_can_do_little():
    """It is the user of the image, may not become another one, and writes to its own /tmp alone."""
    user, group = read_final_stage()["USER"].split(":")
    pod, container = POD["securityContext"], CONTAINER["securityContext"]
    assert (True, int(user), int(group)) == (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"])
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == container
    assert POD["automountServiceAccountToken"] is False
    (mount,) = CONTAINER["volumeMounts"]
    assert ("/tmp", [mount["name"]]) == (mount["mountPath"], [volume["name"] for volume in POD["volumes"]])  # noqa: S108 - in the container


def test_the_image_is_the_version_that_this_is():
    """And so are the labels."""
    assert f"heksher:{__version__}" == CONTAINER["image"]
    labelled = [MANIFESTS["deployment"]["metadata"]["labels"], DEPLOYMENT["template"]["metadata"]["labels"]]
    assert [__version__] * 2 == [labels["app.kubernetes.io/version"] for labels in labelled]
