"""Requests to the service that the environment names."""

import getpass
import json

import httpx2
import pytest
from click.testing import CliRunner

from heksher.cli.remote import service
from heksher.cli.root import heksher
from heksher.clients.transport.identity import name_machine
from heksher.version import __version__
from tests.support.api import Api
from tests.support.commands import URL, Commands, ask_as

WITHOUT_URL = "Error: HEKSHER_URL is not set: set it to the address of the service, as by export HEKSHER_URL=http://127.0.0.1:8000\n"


def ask(environment: dict[str, str | None], command: str = "get cache_ttl") -> tuple[int, str]:
    result = CliRunner(env=environment).invoke(heksher, command.split())
    return result.exit_code, result.output


def answer(monkeypatch: pytest.MonkeyPatch, response: httpx2.Response) -> None:
    transport = httpx2.MockTransport(lambda _: response)
    monkeypatch.setattr(service, "_CLIENT_ARGS", {"transport": transport})


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_nothing_is_asked(url: str | None):
    """There is no service that one could mean."""
    assert (2, WITHOUT_URL) == ask({"HEKSHER_URL": url})


@pytest.mark.parametrize("url", ["ftp://host", "127.0.0.1:8000", "http://"])
def test_what_is_no_url_is_named(url: str):
    """As an error of use."""
    expected = f"Error: HEKSHER_URL: service_url must be http(s)://host, with or without a path, not {url!r}\n"
    assert (2, expected) == ask({"HEKSHER_URL": url})


def test_what_is_no_token_is_not_shown():
    """But why it is none."""
    status, text = ask({"HEKSHER_URL": URL, "HEKSHER_TOKEN": "secret token"})
    assert (2, True, False) == (status, text.startswith("Error: HEKSHER_TOKEN: token cannot be sent"), "secret" in text)


def test_two_credentials_contradict_each_other():
    """One in the URL, and a token."""
    status, text = ask({"HEKSHER_URL": "http://user:pa55@host", "HEKSHER_TOKEN": "hks_a"})
    assert (2, False) == (status, "pa55" in text)
    assert text.startswith("Error: HEKSHER_URL: token and other credentials")


def test_a_service_that_is_not_there_is_a_status_of_its_own():
    """With what to look at."""
    status, text = ask({"HEKSHER_URL": "http://127.0.0.1:9"})
    assert 6 == status
    assert text.startswith("Error: POST /api/v1/evaluate got no answer from http://127.0.0.1:9: ConnectError: ")
    assert text.endswith(": does the service run, and is HEKSHER_URL right?\n")
    assert 1 == text.count("\n")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx2.Response(200, html="<p>hi"), "answers with something else than JSON, as no Heksher service does"),
        (httpx2.Response(200, json=[1]), "answers with something else than JSON, as no Heksher service does"),
        (httpx2.Response(404, html="<p>hi"), "answers with status 404, as no Heksher service does"),
        (httpx2.Response(502, html="<p>hi"), "answers with status 502: the service behind it cannot be reached"),
        (httpx2.Response(404, json={"detail": "Not Found"}), "there is nothing like this at http://heksher.localhost"),
        (httpx2.Response(503, json={"detail": "try again later"}), "Error: try again later\n"),
    ],
    ids=["html", "list", "404", "502", "other service", "503"],
)
def test_what_is_no_service_is_not_reached(monkeypatch: pytest.MonkeyPatch, response: httpx2.Response, expected: str):
    """Neither is one whose database is away."""
    answer(monkeypatch, response)
    status, text = ask({"HEKSHER_URL": URL})
    assert (6, 1) == (status, text.count("\n"))
    assert expected in text


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch):
    """Where it goes may have the credentials of somebody."""
    answer(monkeypatch, httpx2.Response(302, headers={"Location": "https://elsewhere"}))
    expected = "Error: http://heksher.localhost answers with a redirect: is HEKSHER_URL the service's own address?\n"
    assert (6, expected) == ask({"HEKSHER_URL": URL})


@pytest.mark.parametrize(
    "command",
    [
        *("get a", "why", "show a", "rules user", "changes", "changes 3", "diff 1", "revert 3", "revert 3 --dry-run"),
        *("set a 1 user=b", "proposals", "proposals 1", "approve 1", "approve 1 --dry-run", "usage", "clients", "lint"),
    ],
)
def test_an_object_of_something_else_is_no_answer(monkeypatch: pytest.MonkeyPatch, command: str):
    """As of another service at that address, which answers everything with its health."""
    answer(monkeypatch, httpx2.Response(200, json={"status": "ok"}))
    status, text = ask({"HEKSHER_URL": URL}, command)
    assert (6, 1) == (status, text.count("\n"))
    assert "as no Heksher service does that is as new as this command: is HEKSHER_URL right?" in text


def test_a_command_says_what_it_is(commands: Commands):
    """To the list of clients."""
    commands.run("get", "cache_ttl")
    [request] = commands.sent
    assert f"heksher-cli/{__version__} heksher/{__version__}" == request.headers["User-Agent"]


def test_commands_on_one_machine_are_one_client(commands: Commands):
    """Else one that runs every minute would push programs out of the list of clients."""
    commands.run("get", "cache_ttl")
    [request] = commands.sent
    assert f"name=heksher-cli; instance={name_machine()}" == request.headers["Heksher-Client"]


def test_reads_name_nobody(commands: Commands):
    """Only the change log has who acts."""
    commands.run("get", "cache_ttl")
    assert "Heksher-Actor" not in commands.sent[-1].headers


def test_without_a_token_the_change_log_has_the_name_of_the_user(api: Api, commands: Commands):
    """As a claim."""
    commands.run("set", "cache_ttl", "5", "user=bob", "--reason", "incident 4711: größer")
    change = api.get("/api/v1/changes").json()["changes"][0]
    claimed = [change[name] for name in ("actor", "actor_kind", "reason")]
    assert ["ada l.", "nobody", "incident 4711: größer"] == claimed


def test_a_user_without_a_name_is_nobody(api: Api, commands: Commands, monkeypatch: pytest.MonkeyPatch):
    """As in containers."""

    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert 0 == commands.run("set", "cache_ttl", "5", "user=bob").status
    assert api.get("/api/v1/changes").json()["changes"][0]["actor"] is None


def test_with_a_token_the_service_knows_who_it_is(api: Api, monkeypatch: pytest.MonkeyPatch):
    """So nothing is claimed."""
    guarded = ask_as(api, monkeypatch, "edit")
    assert 0 == guarded.run("set", "cache_ttl", "5", "user=bob").status
    assert "Heksher-Actor" not in guarded.sent[-1].headers


def test_who_has_no_token_is_told_so(api: Api, monkeypatch: pytest.MonkeyPatch):
    """With the variable."""
    ran = ask_as(api, monkeypatch).run("get", "cache_ttl")
    assert (5, True) == (ran.status, ran.stderr.endswith("; set HEKSHER_TOKEN to a token of yours\n"))


def test_who_may_not_do_something_is_told_which_grant_is_missing(api: Api, monkeypatch: pytest.MonkeyPatch):
    """By the service."""
    ran = ask_as(api, monkeypatch, "read").run("set", "cache_ttl", "5", "user=bob")
    assert (5, "Error: this needs the grant edit: ask an admin of this service for it\n") == (ran.status, ran.stderr)


def test_all_pages_of_a_list_are_read(api: Api, commands: Commands, monkeypatch: pytest.MonkeyPatch):
    """As one."""
    monkeypatch.setattr(service, "_PAGE_ITEMS", 2)
    whole = json.loads(commands.run("usage", "--json").stdout)
    assert ["banner", "cache_ttl"] == [each["name"] for each in whole["settings"]]
    changes = json.loads(commands.run("changes", "--limit", "5", "--json").stdout)
    assert [7, 6, 5, 4, 3] == [change["revision"] for change in changes["changes"]]
    rest = json.loads(commands.run("changes", "--cursor", changes["next_cursor"], "--json").stdout)
    assert ([2, 1], None) == ([change["revision"] for change in rest["changes"]], rest["next_cursor"])
