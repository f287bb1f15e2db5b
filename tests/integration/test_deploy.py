"""The files in ``deploy/``: an image, a composition of containers and a unit of systemd.

What runs them need not be here. They are read as it reads them, and what they say of the service is tried on it.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from pathlib import Path

import click
import pytest
import yaml

from heksher.cli.root import heksher
from heksher.server.config_reader import load_address, load_config
from heksher.version import __version__
from tests.support.deployment import DEPLOY, read_dockerfile, read_final_stage, read_image_environment
from tests.support.documents import list_environment_variables
from tests.support.processes import ROOT
from tests.support.service import ServiceProcess

FILES = sorted(str(path.relative_to(DEPLOY)) for path in DEPLOY.rglob("*") if path.is_file() and path.name != ".env")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
REPLICAS = {name: service for name, service in SERVICES.items() if name.startswith("heksher")}
# Of the Compose specification, what these files make use of.
TOP_LEVEL = {"name", "services", "volumes"}
SERVICE_KEYS = {
    "build", "cap_drop", "depends_on", "environment", "healthcheck", "image", "ports", "read_only", "restart",
    "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip


def read_unit() -> RawConfigParser:
    unit = RawConfigParser(strict=False, comment_prefixes=("#",), interpolation=None)
    unit.optionxform = str
    unit.read_string((DEPLOY / "heksher.service").read_text(encoding="utf-8"))
    return unit


def parse_command(words: list[str]) -> click.Context:
    """Parse a command line as the program does, without doing what it says."""
    program, *rest = words
    assert "heksher" == Path(program).name
    command, context = heksher, None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        _, command, rest = command.resolve_command(context, rest)
    return command.make_context(command.name, rest, parent=context)


def list_named_variables(name: str) -> set[str]:
    return set(re.findall(r"\bHEKSHER_[A-Z_]+", (DEPLOY / name).read_text(encoding="utf-8")))


def read_unit_environment() -> dict[str, str]:
    """Return the variables that the unit sets: it has a line for each, which a parser of another format would merge."""
    lines = (DEPLOY / "heksher.service").read_text(encoding="utf-8").splitlines()
    given = [line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")]
    return dict(word.split("=", 1) for line in given for word in line.split())


@pytest.mark.parametrize("name", FILES)
def test_variables_are_those_that_the_service_reads(name: str):
    """In settings and in comments: a variable that nothing reads would be without effect and without a message."""
    assert set() == list_named_variables(name) - list_environment_variables() - {"HEKSHER_REPOSITORY_URL"}


def test_the_image_runs_a_command_that_exists():
    """On all addresses of the container and on the port that is told: by variables, which its health check reads."""
    image = read_final_stage()
    assert {None} == set(parse_command(json.loads(image["ENTRYPOINT"])).params.values())
    assert ("0.0.0.0", int(image["EXPOSE"])) == load_address(read_image_environment())
    assert "CMD" not in image


def test_the_image_does_not_run_as_root():
    """By number, as nothing outside of the image knows its names."""
    user, group = read_final_stage()["USER"].split(":")
    assert 0 < int(user)
    assert 0 < int(group)
    assert any(f"useradd --uid {user}" in arguments for name, arguments in read_dockerfile() if name == "RUN")


def test_the_image_keeps_its_data_in_its_volume():
    """Everything else may be read-only."""
    image = read_final_stage()
    assert f"{image['VOLUME']}/heksher.db" == read_image_environment()["HEKSHER_DB_CONNECTION_STRING"]
    assert "SIGTERM" == image["STOPSIGNAL"]


def test_what_is_copied_into_the_image_is_there():
    """And is let through to where it is built, which is given nothing else."""
    copied = [shlex.split(arguments) for name, arguments in read_dockerfile() if name == "COPY"]
    sources = [word for words in copied for word in words[:-1] if not words[0].startswith("--from=")]
    assert [] == [source for source in sources if not (ROOT / source).exists()]
    everything, *passed = [
        line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert "*" == everything
    assert sorted(sources) == sorted(line.removeprefix("!") for line in passed if line.startswith("!"))


def test_the_image_has_a_python_that_the_package_is_for():
    """In both stages the same one, or the environment would not find its libraries; and one that cannot change."""
    bases = {arguments.split()[0] for name, arguments in read_dockerfile() if name == "FROM"}
    assert {"${PYTHON}"} == bases
    (base,) = [arguments.removeprefix("PYTHON=") for name, arguments in read_dockerfile()[:1] if name == "ARG"]
    version = re.fullmatch(r"python:(3\.\d+)-slim-\w+@sha256:[0-9a-f]{64}", base)[1]
    assert f"Programming Language :: Python :: {version}" in (ROOT / "pyproject.toml").read_text()


def test_the_image_says_what_it_is():
    """With the labels that registries and scanners read, the version and the licence of the package among them."""
    words = shlex.split(read_final_stage()["LABEL"])
    labels = dict(word.removeprefix("org.opencontainers.image.").split("=", 1) for word in words)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (base,) = [arguments.removeprefix("PYTHON=") for name, arguments in read_dockerfile()[:1] if name == "ARG"]
    assert (__version__, project["license"], f"docker.io/library/{base.partition('@')[0]}") == (
        labels["version"],
        labels["licenses"],
        labels["base.name"],
    )
    assert {"title", "description", "source", "revision"} <= labels.keys()


def list_health_checks() -> list[list[str]]:
    """Return the commands that the image and the unit check a service with."""
    _, _, text = read_final_stage()["HEALTHCHECK"].partition(" CMD ")
    return [json.loads(text), shlex.split(read_unit()["Service"]["ExecStartPost"].removeprefix("-"))]


@pytest.mark.parametrize("command", list_health_checks(), ids=["image", "unit"])
def test_the_health_check_follows_the_port(command: list[str]):
    """It is run against a real service on another one than the usual, and then without it."""
    parse_command(command)
    words = [sys.executable, "-m", "heksher", "health"]

    def check(port: str) -> int:
        environment = {**os.environ, **read_image_environment(), "HEKSHER_PORT": port}
        return subprocess.run(words, env=environment, capture_output=True, check=False).returncode

    with ServiceProcess("memory:") as service:
        port = service.url.rpartition(":")[2]
        assert 0 == check(port)
    assert 1 == check(port)


def test_everything_that_is_deployed_has_context_features():
    """Without any, nothing could be declared."""
    given = [
        read_unit_environment()["HEKSHER_STARTUP_CONTEXT_FEATURES"],
        *(service["environment"]["HEKSHER_STARTUP_CONTEXT_FEATURES"] for service in REPLICAS.values()),
    ]
    assert ["environment;user", *["${CONTEXT_FEATURES:?write them to deploy/.env}"] * 2] == given
    assert ("environment", "user") == load_config({"HEKSHER_STARTUP_CONTEXT_FEATURES": given[0]}).context_features


def test_everything_that_is_deployed_checks_who_may_do_what():
    """Whoever wants it otherwise has to say so."""
    given = [
        read_image_environment()["HEKSHER_ACCESS"],
        read_unit_environment()["HEKSHER_ACCESS"],
        *(service["environment"]["HEKSHER_ACCESS"] for service in REPLICAS.values()),
    ]
    assert [True] * 4 == [load_config({"HEKSHER_ACCESS": text}).has_access for text in given]


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "heksher.service", "kubernetes/deployment.yaml"])
def test_the_first_token_is_made_by_a_command_that_exists(name: str):
    """Each way to run a service says in its file how it gets the token that others are made with."""
    (line,) = re.findall(r"^#.*\b(heksher access token .*)$", (DEPLOY / name).read_text(encoding="utf-8"), re.MULTILINE)
    parsed = parse_command(shlex.split(line))
    assert ("admin", ("admin",)) == (parsed.params["name"], parsed.params["grants"].texts())


def test_compose_uses_what_the_specification_has():
    """No key is misspelt: an engine would refuse the file."""
    assert TOP_LEVEL == {key for key in COMPOSE if not key.startswith("x-")}
    assert set() == {key for service in SERVICES.values() for key in service} - SERVICE_KEYS


def test_compose_names_what_it_has():
    """Volumes, the services that others wait for, whose health can be told, and the image's own file."""
    for service in SERVICES.values():
        named = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert [] == [volume for volume in named if volume not in COMPOSE["volumes"]]
        for name, condition in service.get("depends_on", {}).items():
            assert {"condition": "service_healthy"} == condition
            assert "CMD" == SERVICES[name]["healthcheck"]["test"][0]
        if "build" in service:
            context = DEPLOY / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_compose_has_two_replicas_that_can_do_little():
    """They write to memory alone, have no rights and get none, and can be reached from this machine alone."""
    assert 2 == len(REPLICAS)
    for service in REPLICAS.values():
        assert (True, ["/tmp"], ["ALL"], ["no-new-privileges:true"]) == (  # noqa: S108 - in the container
            service["read_only"],
            service["tmpfs"],
            service["cap_drop"],
            service["security_opt"],
        )
    (exposed,) = {re.sub(":.*:", ":", port) for service in REPLICAS.values() for port in service["ports"]}
    assert f"127.0.0.1:{read_final_stage()['EXPOSE']}" == exposed


def test_compose_has_no_password():
    """Like the context features it comes from outside; without one nothing starts, and the message says where to."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    interpolated = re.findall(r"\$\{(.*?)\}", text)
    named = {"DATABASE_PASSWORD:?write it to deploy/.env", "CONTEXT_FEATURES:?write them to deploy/.env"}
    assert named == set(interpolated)
    database = SERVICES["database"]["environment"]
    url = f"postgresql://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@database:5432/{database['POSTGRES_DB']}"
    assert {url} == {service["environment"]["HEKSHER_DB_CONNECTION_STRING"] for service in REPLICAS.values()}


def test_everything_stops_a_service_gently():
    """Each leaves more time than the service takes, and tells only the parent of several workers."""
    assert {"15s"} == {service["stop_grace_period"] for service in REPLICAS.values()}
    unit = read_unit()["Service"]
    assert ("15", "mixed") == (unit["TimeoutStopSec"], unit["KillMode"])


def test_the_unit_runs_a_command_that_exists():
    """With options that the program takes; the data are where the unit may write."""
    unit = read_unit()["Service"]
    # What an argument says could not be said otherwise in /etc/heksher.env.
    assert {None} == set(parse_command(shlex.split(unit["ExecStart"])).params.values())
    environment = read_unit_environment()
    assert ("127.0.0.1", 8000) == load_address(environment)
    assert f"/var/lib/{unit['StateDirectory']}/heksher.db" == environment["HEKSHER_DB_CONNECTION_STRING"]


def test_the_unit_is_confined():
    """A user of its own, a system that it cannot write to, and no new rights."""
    unit = read_unit()["Service"]
    expected = {"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "CapabilityBoundingSet": ""}
    assert expected == {name: unit[name] for name in expected}


# What follows is more than what is checked above on every machine: what the tools themselves say, where there are any.


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
def test_systemd_takes_the_unit(tmp_path: Path):
    """Without a word; the program of the unit is replaced by one that is here."""
    text = (DEPLOY / "heksher.service").read_text(encoding="utf-8")
    unit = tmp_path / "heksher.service"
    unit.write_text(text.replace("/opt/heksher/bin/heksher", sys.executable), encoding="utf-8")
    result = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )
    assert (0, "", "") == (result.returncode, result.stdout, result.stderr)


def has_docker_compose() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return 0 == subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode


@pytest.mark.skipif(not has_docker_compose(), reason="this machine has no docker compose")
def test_docker_takes_the_composition():
    """It needs no engine for that."""
    result = subprocess.run(
        ["docker", "compose", "-f", DEPLOY / "compose.yaml", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DATABASE_PASSWORD": "a", "CONTEXT_FEATURES": "a;b"},
    )
    assert (0, "") == (result.returncode, result.stderr)
