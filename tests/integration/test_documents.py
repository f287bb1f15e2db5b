"""The README and the documentation: their programs run, and they name all that there is to name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from heksher import exceptions
from heksher.cli.root import heksher
from heksher.server import limits
from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.storage.memory import MemoryStorage
from heksher.value_type import MAX_NESTING, MAX_TYPE_CHARACTERS
from tests.support.access import give_token
from tests.support.documents import (
    ROOT,
    list_environment_variables,
    list_pages,
    read_program,
    read_promises,
    run_program,
)
from tests.support.service import RunningService
from tests.support.traps import ALL_TRAPS
from tools import stream_table

# How many faults of one request an answer lists: nothing that anybody could exceed.
UNDOCUMENTED = {"MAX_REPORTED_ERRORS"}


# Where it is checked who may do what: these pages have an admin's token from the environment.
GUARDED_PAGES = {"docs/how-to/review-changes.md"}
ADMIN_TOKEN = "hks_" + "a" * 43


def relative(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", list_pages(), ids=relative)
def test_programs_print_what_the_page_says(page: Path, monkeypatch: pytest.MonkeyPatch):
    """The Python blocks of a page run in order against a real service, and print what their comments promise."""
    program = read_program(page)
    is_guarded = relative(page) in GUARDED_PAGES
    # Receivers of webhooks are programs on this page, too.
    config = Config(database="unused", webhook_networks=("127.0.0.1",), has_access=is_guarded)
    storage = MemoryStorage()
    storage.open()
    if is_guarded:
        give_token(storage, "admin", name="admin", secret=ADMIN_TOKEN)
        monkeypatch.setenv("HEKSHER_TOKEN", ADMIN_TOKEN)
    with RunningService(storage, config) as service:
        service.http.headers.update({"Authorization": f"Bearer {ADMIN_TOKEN}"} if is_guarded else {})
        service.add_features("environment", "user", "theme")
        printed = run_program(program, service.url)
    assert read_promises(program) == printed


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def list_routes() -> list[str]:
    """List the routes of the service as the documentation writes them."""
    document = Application(Config(database="memory:"), MemoryStorage()).api.openapi()
    described = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    return [*described, "GET /docs", "GET /redoc", "GET /openapi.json"]


def list_commands(command: click.Command, path: str) -> Iterator[tuple[str, list[str]]]:
    """Return each command with its options."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from list_commands(command.get_command(context, name), f"{path} {name}")
    else:
        yield path, [option for parameter in command.params for option in parameter.opts if option.startswith("--")]


def test_programs_are_found():
    """The pages that a newcomer begins with are among those that are run."""
    assert {"README.md", "docs/tutorial.md", "docs/how-to/declare-settings.md"} <= set(map(relative, list_pages()))


@pytest.mark.parametrize("route", list_routes())
def test_route_is_documented(route: str):
    """Each route of the service is named in the reference of the HTTP API."""
    assert re.search(rf"`{re.escape(route)}(?![\w/{{])", read("reference/http-api.md"))


@pytest.mark.parametrize(("command", "options"), [*list_commands(heksher, "heksher")])
def test_command_is_documented(command: str, options: list[str]):
    """Each command has a section in the reference of the command line, which names all its options."""
    section = read("reference/command-line.md").partition(f"## `{command}`\n")[2].partition("\n## ")[0]
    assert [] == [option for option in options if f"`{option}" not in section]
    assert section


def test_environment_variables_are_documented():
    """Each environment variable that the service reads is named in the reference of the configuration."""
    variables = list_environment_variables()
    assert {"HEKSHER_DB_CONNECTION_STRING", "HEKSHER_STARTUP_CONTEXT_FEATURES", "DOC_ONLY"} <= variables
    assert [] == [name for name in sorted(variables) if name not in read("reference/configuration.md")]


def test_limits_are_documented():
    """The reference of the configuration says the value of each limit."""
    text = read("reference/configuration.md")
    values = [value for name, value in vars(limits).items() if name.startswith("MAX_") and name not in UNDOCUMENTED]
    values += [MAX_NESTING, MAX_TYPE_CHARACTERS]
    assert [] == [value for value in values if f"| {value} " not in text and f"| {value:,}" not in text]


def list_logged_texts() -> Iterator[str]:
    """Return the constant parts of what the program logs: in calls of ``logger``, and in the client's remarks."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name("logger")), args=[*_, _] as arguments):
                    yield from filter(None, map(join_constants, arguments))
                case ast.Call(func=ast.Name("Remark"), args=[_, text, *_]):
                    yield join_constants(text)


def join_constants(node: ast.expr) -> str:
    """Put the constant parts of a text together; empty if it has none."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "…".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def read_documented_messages() -> list[str]:
    """List the parts of messages that the page of log messages quotes."""
    cells = re.findall(r"^\| (`.*?`) \|", read("reference/log-messages.md"), re.MULTILINE)
    pieces = [piece.strip() for cell in cells for quoted in re.findall("`(.*?)`", cell) for piece in quoted.split("…")]
    return [piece for piece in pieces if piece]  # where a quotation ends with a gap, there is nothing behind it


def test_documented_log_messages_exist():
    """What the page of log messages quotes stands in the source."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # texts that are written over several lines
    messages = read_documented_messages()
    assert [] == [message for message in messages if message not in source]
    assert len(messages) > 15


def test_log_messages_are_documented():
    """Each message that is logged with a text of its own contains something that the page of log messages quotes."""
    messages = read_documented_messages()
    logged = [text for text in list_logged_texts() if re.search("[a-z]+ [a-z]+", text)]
    assert [] == [text for text in logged if not any(message in text for message in messages)]
    assert len(logged) > 15


def list_proxied_locations() -> list[tuple[str, str]]:
    """List the locations of nginx that the pages show, which pass requests on: the page, and what stands in them."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")}
    found = [
        (name, body) for name, page in pages.items() for body in re.findall(r"location [^{]*\{(.*?)\}", page, re.DOTALL)
    ]
    return [(name, body) for name, body in found if "proxy_pass" in body]


def test_each_proxy_that_is_shown_passes_the_host_on():
    """A location with a header of its own has none of those around it, so each says it."""
    locations = list_proxied_locations()
    told = [
        f"proxy_set_header {field}" for field in ("Host $host;", "X-Forwarded-For $remote_addr;", "X-Forwarded-Proto $")
    ]
    assert [] == [name for name, body in locations if not all(line in body for line in told)]
    assert len(locations) >= 2


def test_services_that_others_reach_are_shown_with_who_decides():
    """Without one of the two options, such a service does not start."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    blocks = [
        block for text in texts for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]
    reached = [block for block in blocks if re.search(r"heksher serve.* --host (?!localhost|127|::1)", block)]
    assert [] == [block for block in reached if not re.search("--access|--insecure|HEKSHER_(ACCESS|INSECURE)=", block)]
    assert len(reached) >= 3


def test_errors_are_documented():
    """The page of errors shows the tree of all errors, which is the documentation of their module."""
    assert "automodule:: heksher.exceptions" in read("reference/errors.md")
    classes = [name for name, value in vars(exceptions).items() if isinstance(value, type)]
    assert [] == [name for name in classes if name not in exceptions.__doc__]


def test_table_of_streams_is_the_one_that_clients_run_on():
    """The page on streams shows each state, each event and each step as they are in the code."""
    page = stream_table.PAGE.read_text(encoding="utf-8")
    assert stream_table.insert(page, stream_table.render()) == page
    assert "| opening | sign of life | alive | poll each five minutes only; poll once, within a moment |" in page


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str):
    """Each relative link of the pages at the top of the repository leads to a file or directory."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert [] == [target for target in targets if not (ROOT / target).exists()]


def test_architecture_names_files_that_exist():
    """Each file and directory that the page on the architecture names is there."""
    named = re.findall(r"`([\w./]+(?:\.py|\.md|/))`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    places = (ROOT, ROOT / "src" / "heksher")
    assert [] == [name for name in named if not any((place / name).exists() for place in places)]
    assert len(named) > 20


def list_sources() -> Iterator[tuple[str, str]]:
    """List the sections of the page on compatibility that docstrings name, each with the file that names it."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = " ".join(path.read_text(encoding="utf-8").split())
        for named in re.findall(r"compatibility\.md((?:, \*[A-Za-z -]+\*)+)", text):
            yield from ((path.relative_to(ROOT).as_posix(), section) for section in re.findall(r"\*([^*]+)\*", named))


def test_sources_are_sections_of_the_page_on_compatibility() -> None:
    """What a docstring names as its source on the page on compatibility is a heading of that page."""
    headings = set(re.findall(r"^###? (.+)$", read("reference/compatibility.md"), re.MULTILINE))
    sources = list(list_sources())
    assert sources
    assert [] == [(path, section) for path, section in sources if section not in headings]


def test_known_faults_are_numbered_without_gaps() -> None:
    """The page on compatibility has each known fault that a test can be marked with, once."""
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", read("reference/compatibility.md"), re.MULTILINE)]
    assert sorted(ALL_TRAPS) == numbers
