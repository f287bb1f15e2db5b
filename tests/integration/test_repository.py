"""The repository's own machinery: the lock, the environment, the Makefile."""

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.processes import ROOT

REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``tools/bootstrap.py`` with an environment of its own, and with installers that only note what is asked."""
    specification = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path)
    module.installed = []

    def install(installer: str, profile: str) -> bool:
        module.installed.append((installer, profile))
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / "python").touch()
        return True

    monkeypatch.setattr(module, "prepare_uv", lambda: True)
    monkeypatch.setattr(module, "install_with_uv", lambda profile, _venv, _python: install("uv", profile))
    monkeypatch.setattr(module, "install_with_pip", lambda profile: install("pip", profile))
    return module


def test_environment_is_built_once(bootstrap: ModuleType):
    """An environment that is there, and was built from the same lock, is not built again."""
    bootstrap.build_environment("test", "uv")
    bootstrap.build_environment("test", "uv")
    assert [("uv", "test")] == bootstrap.installed


def test_larger_environment_serves_a_smaller_profile(bootstrap: ModuleType):
    """What was built for everything serves the demonstration too, and is not shrunk to it."""
    bootstrap.build_environment("all", "uv")
    bootstrap.build_environment("demo", "uv")
    assert [("uv", "all")] == bootstrap.installed


def test_smaller_environment_grows(bootstrap: ModuleType):
    """What was built for the demonstration is completed for the tests."""
    bootstrap.build_environment("demo", "uv")
    bootstrap.build_environment("test", "uv")
    assert [("uv", "demo"), ("uv", "test")] == bootstrap.installed


def test_changed_lock_is_followed(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """When the lock or the configuration has changed, the environment is built again, with the profile that it had."""
    bootstrap.build_environment("test", "uv")
    monkeypatch.setattr(bootstrap, "fingerprint", lambda _installer: "another one")
    bootstrap.build_environment("demo", "uv")
    assert [("uv", "test"), ("uv", "test")] == bootstrap.installed


def test_removed_interpreter_is_noticed(bootstrap: ModuleType, tmp_path: Path):
    """An environment without its interpreter is built again, whatever its stamp says."""
    bootstrap.build_environment("test", "uv")
    (tmp_path / "bin" / "python").unlink()
    bootstrap.build_environment("test", "uv")
    assert [("uv", "test"), ("uv", "test")] == bootstrap.installed


def test_pip_is_used_where_uv_cannot_be_had(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """Without a uv for this platform, pip installs."""
    monkeypatch.setattr(bootstrap, "prepare_uv", lambda: False)
    bootstrap.build_environment("test", "uv")
    assert [("pip", "test")] == bootstrap.installed


def test_pip_is_used_where_uv_fails(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """When uv cannot install (no way to PyPI but pip's), pip installs."""
    monkeypatch.setattr(bootstrap, "install_with_uv", lambda *_: False)
    bootstrap.build_environment("test", "uv")
    assert [("pip", "test")] == bootstrap.installed


def test_pip_can_be_asked_for(bootstrap: ModuleType):
    """``make INSTALLER=pip`` does not look for uv."""
    bootstrap.build_environment("test", "pip")
    assert [("pip", "test")] == bootstrap.installed


def test_failure_leaves_no_stamp(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """When nothing can install, the message says so, and the next call tries again."""

    def fail(_profile: str) -> None:
        raise bootstrap.BootstrapError("no way to PyPI")

    monkeypatch.setattr(bootstrap, "prepare_uv", lambda: False)
    monkeypatch.setattr(bootstrap, "install_with_pip", fail)
    assert 1 == bootstrap.main(["test"])
    assert "bootstrap: no way to PyPI" in capsys.readouterr().err
    assert not (tmp_path / "bootstrap.json").exists()


def test_unknown_profile_is_refused(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]):
    """A profile that does not exist gets the list of those that do."""
    assert 2 == bootstrap.main(["everything"])
    assert "usage: bootstrap.py demo|test|all" in capsys.readouterr().err


def test_missing_python_is_explained():
    """Without a suitable Python, the message names what was tried and what is needed."""
    result = subprocess.run(
        ["sh", "tools/bootstrap.sh", "demo"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHON": "/nowhere/python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == result.returncode
    assert "/nowhere/python" in result.stderr
    assert "Python 3.11 or newer with the modules venv and ensurepip" in result.stderr


def test_lock_names_only_pypi():
    """Everything in the lock comes from PyPI, not from an index of the machine that locked."""
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert {"pypi.org", "files.pythonhosted.org"} == hosts


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_pinned_with_hashes(path: Path):
    """What pip installs in place of uv is pinned, with hashes, and names no other index."""
    text = path.read_text()
    requirements = re.findall(r"^(\S+==.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert [] == [requirement for requirement in requirements if "--hash=sha256:" not in requirement]
    assert "://" not in text
    assert requirements


def test_dependencies_have_a_reason():
    """Each dependency of ``pyproject.toml`` is named in the decision that lists them, and no other is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [project["project"]["dependencies"], project["build-system"]["requires"]]
    lists += [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    texts = [text for dependencies in lists for text in dependencies if isinstance(text, str)]
    names = {re.match(r"[\w.-]+", text)[0] for text in texts} | {"uv"}
    rows = re.findall(r"^\| (.*?) \|", (ROOT / "docs/adr/0007-dependencies.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"[\w.-]+", row)} - {"dependency", "---", "with", "and"}
    assert names == listed


def test_make_prints_help():
    """``make`` alone lists every target that a person calls."""
    result = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make ([\w-]+)", result.stdout, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name for names in phony for name in names.split() if not name.startswith("env-")} == listed
