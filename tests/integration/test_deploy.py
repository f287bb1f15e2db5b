"""The files in ``deploy/``: an image, a composition of containers and a unit of systemd.

What runs them need not be here. They are read as it reads them, and what they say of the service is tried on it.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import click
import pytest
import yaml

from heksher.cli.root import heksher
from heksher.server.config import Config
from tests.support.documents import list_environment_variables
from tests.support.processes import ROOT
from tests.support.service import ServiceProcess

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
REPLICAS = {name: service for name, service in SERVICES.items() if name.startswith("heksher")}
# Of the Compose specification, what these files make use of.
TOP_LEVEL = {"name", "services", "volumes"}
SERVICE_KEYS = {
    "build", "cap_drop", "depends_on", "environment", "healthcheck", "image", "ports", "read_only", "restart",
    "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip


def read_dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the image, each with its arguments; the stages come one after the other."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n", " ", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(name, arguments.strip()) for name, _, arguments in (line.partition(" ") for line in lines)]


def read_final_stage() -> dict[str, str]:
    """Return the instructions that the image itself is made with; of several of one name the last."""
    instructions = read_dockerfile()
    (*_, last) = (position for position, (name, _) in enumerate(instructions) if name == "FROM")
    return dict(instructions[last:])


def read_unit() -> RawConfigParser:
    unit = RawConfigParser(strict=False, comment_prefixes=("#",), interpolation=None)
    unit.optionxform = str
    unit.read_string((DEPLOY / "heksher.service").read_text(encoding="utf-8"))
    return unit


def parse_command(words: list[str]) -> click.Context:
    """Parse a command line as the program does, without doing what it says."""
    program, *arguments = words
    assert "heksher" == Path(program).name
    with heksher.make_context("heksher", arguments) as context:
        _, command, rest = heksher.resolve_command(context, arguments)
        return command.make_context(command.name, rest, parent=context)


def list_named_variables(name: str) -> set[str]:
    return set(re.findall(r"\bHEKSHER_[A-Z_]+", (DEPLOY / name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", sorted(path.name for path in DEPLOY.iterdir() if path.name != ".env"))
def test_variables_are_those_that_the_service_reads(name: str):
    """In settings and in comments: a variable that nothing reads would be without effect and without a message."""
    assert set() == list_named_variables(name) - list_environment_variables()


def test_the_image_runs_a_command_that_exists():
    """With options that the program takes, on all addresses of the container and on the port that is told."""
    image = read_final_stage()
    parameters = parse_command(json.loads(image["ENTRYPOINT"])).params
    port = parameters["port"] or Config("").port
    assert ("0.0.0.0", image["EXPOSE"]) == (parameters["host"], str(port))
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
    assert f"HEKSHER_DB_CONNECTION_STRING={image['VOLUME']}/" in image["ENV"]
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
    """In both stages the same one, or the environment would not find its libraries."""
    bases = {arguments.split()[0] for name, arguments in read_dockerfile() if name == "FROM"}
    (base,) = bases
    version = re.fullmatch(r"python:(3\.\d+)-slim", base)[1]
    assert f"Programming Language :: Python :: {version}" in (ROOT / "pyproject.toml").read_text()


def run_health_check(port: str) -> int:
    """Run the image's health check, against another port; return its status."""
    _, _, text = read_final_stage()["HEALTHCHECK"].partition(" CMD ")
    program, *arguments = json.loads(text)
    assert "python" == program
    command = [sys.executable, *(argument.replace("8000", port) for argument in arguments)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_the_health_check_tells_whether_the_service_answers():
    """It is run against a real one, and then without it."""
    with ServiceProcess("memory:") as service:
        port = service.url.rpartition(":")[2]
        assert 0 == run_health_check(port)
    assert 0 != run_health_check(port)


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
    """It comes from outside; without one nothing starts, and the message says where to write it."""
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    interpolated = re.findall(r"\$\{(.*?)\}", text)
    assert {"DATABASE_PASSWORD:?write it to deploy/.env"} == set(interpolated)
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
    assert "127.0.0.1" == parse_command(shlex.split(unit["ExecStart"])).params["host"]
    assert f"HEKSHER_DB_CONNECTION_STRING=/var/lib/{unit['StateDirectory']}/heksher.db" == unit["Environment"]


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
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DATABASE_PASSWORD": "a"},
    )
    assert (0, "") == (result.returncode, result.stderr)
