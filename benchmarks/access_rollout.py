"""Access is switched on for a fleet while it runs: ``make access-rollout``.

Twenty programs follow two replicas through a load balancer while docs/how-to/switch-access-on.md is gone through: the
tokens are made, programs are restarted with theirs unless they had it from the start, and the replicas are restarted
with access on, one by one. No update may fail, and no token may be seen anywhere. Ends with 1 if that is not so.
"""

import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.failovers.balancer import Balancer
from benchmarks.figures import Line
from benchmarks.report import render_terminal_section
from benchmarks.rollout.fleet import Member, Program, Report, list_members
from benchmarks.rollout.rule_writer import RuleWriter
from benchmarks.rollout.secret_search import CommandLines, find_secrets
from benchmarks.rollout.service_pair import GUARDED, ServicePair
from heksher.server.access.token import digest_token
from tests.support.postgres import make_postgres_schema

# How long everything goes on between two steps.
_PAUSE_S: Final = 4.0
_WRITER: Final = "writer"


class Rollout:
    """The fleet, the replicas and what happens to them.

    Args:
        services: the replicas.
        url: at which both are reached.
        directory: for logs and files.
        stack: ends what is started.

    Attributes:
        tokens: what was made so far, by name.
        reports: what programs said when they ended.
        refused: how many requests were refused for their credentials.
    """

    def __init__(self, services: ServicePair, url: str, directory: Path, stack: ExitStack) -> None:
        self._services = services
        self._url = url
        self._directory = directory
        self._stack = stack
        self._programs: dict[Member, Program] = {}
        self.tokens: dict[str, str] = {}
        self.reports: list[Report] = []
        self.refused = 0

    def play(self) -> Iterator[Line]:
        """Do all of it; say how it ended."""
        members = list_members()
        early = [member for member in members if member.has_token_early]
        late = [member for member in members if not member.has_token_early]
        self._make_tokens(early)
        self._start(members)
        with RuleWriter(self._url) as writer:
            self._make_tokens(late)
            self.tokens[_WRITER] = writer.token = self._make_token(_WRITER, "edit:fleet.")
            for member in late:
                self._finish(member)
                self._start([member])
            time.sleep(_PAUSE_S)
            for number in range(len(self._services.urls)):
                self._services.restart(number, GUARDED)
                time.sleep(_PAUSE_S)
            self.refused = sum(map(self._services.count_refused, range(len(self._services.urls))))
            writer.stop()
            time.sleep(_PAUSE_S)
        last = [self._finish(member) for member in members]
        yield from self._describe(last, writer)

    def _make_tokens(self, members: Sequence[Member]) -> None:
        for member in members:
            self.tokens[member.name] = self._make_token(member.name, member.grant)

    def _make_token(self, name: str, grant: str) -> str:
        token, _ = self._services.run("access", "token", "create", name, "--grant", grant)
        return token.strip()

    def _start(self, members: Sequence[Member]) -> None:
        for member in members:
            program = Program(member, self._url, self.tokens.get(member.name), self._directory)
            self._programs[member] = self._stack.enter_context(program)
        for member in members:
            self._programs[member].await_start()

    def _finish(self, member: Member) -> Report:
        report = self._programs.pop(member).finish()
        self.reports.append(report)
        return report

    def _describe(self, last: Sequence[Report], writer: RuleWriter) -> Iterator[Line]:
        failed = [error for report in self.reports for error in report.failed]
        current = sum(report.state == "current" and report.value == writer.value for report in last)
        updates = sum(report.updates for report in self.reports)
        yield Line(f"{len(last)} programs: updates", f"{updates:,}")
        yield Line(f"{len(last)} programs: failed updates", _count(failed), not failed)
        yield Line("programs that have the last value in the end", f"{current:,}", current == len(last))
        yield Line(f"{writer.writes:,} writes meanwhile: failed", _count(writer.failed), not writer.failed)
        yield Line("requests answered 401 or 403", f"{self.refused:,}", not self.refused)
        status = _ask_without_token(self._url)
        yield Line("a request without a token, in the end", str(status), status == 401)  # noqa: PLR2004 - the aim
        listed, _ = self._services.run("access", "token", "list", "--json")
        used = sum(token["last_used_at"] is not None for token in json.loads(listed)["tokens"])
        yield Line(f"{len(self.tokens)} tokens: used", f"{used:,}", used == len(self.tokens))

    def list_places(self) -> Mapping[str, bytes]:
        """Return all that can be seen of the fleet and the service, by where it is."""
        backup, restored = self._directory / "backup.db", self._directory / "restored.db"
        listings = [
            *self._services.run("access", "token", "list"),
            *self._services.run("backup", str(backup)),
            *self._services.run("restore", str(backup), database=str(restored)),
        ]
        self._services.end()
        return {
            "logs of programs": _read_all(self._directory, "*.log"),
            "logs of replicas": "".join(self._services.lines).encode(),
            "snapshots, and other views of clients": "\n".join(
                text for report in self.reports for text in (*report.seen, *report.failed)
            ).encode(),
            "files of last known values": _read_all(self._directory, "*.last"),
            "listings of tokens, backup and restore": "\n".join(listings).encode(),
            "the backup itself": backup.read_bytes(),
        }


def _count(errors: Sequence[str]) -> str:
    return f"{len(errors):,}{f', such as {errors[0]}' if errors else ''}"


def _read_all(directory: Path, pattern: str) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(directory.glob(pattern)))


def _ask_without_token(url: str) -> int:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query?settings=", timeout=10) as answer:  # noqa: S310 - ours
            status: int = answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
    return status


def describe_secrets(tokens: Sequence[str], places: Mapping[str, bytes]) -> Iterator[Line]:
    """Say in which places there is a token, or, but for the backup, what is stored of one."""
    digests = [digest_token(token) for token in tokens]
    for name, content in places.items():
        secrets = tokens if name == "the backup itself" else [*tokens, *digests]
        found = find_secrets(secrets, {name: content}).get(name, 0)
        yield Line(f"secrets in {name}, {len(content):,} bytes", f"{found:,}", not found and bool(content))


def main() -> int:
    """Play it, and print how it ended; return 1 if anything failed or was seen."""
    with (
        tempfile.TemporaryDirectory() as directory,
        make_postgres_schema() as database,
        ServicePair(database) as services,
        Balancer(services.urls) as balancer,
        CommandLines() as command_lines,
        ExitStack() as stack,
    ):
        rollout = Rollout(services, balancer.url, Path(directory), stack)
        lines = list(rollout.play())
        places = {"command lines of all processes": b"\n".join(command_lines.seen), **rollout.list_places()}
        lines += describe_secrets(list(rollout.tokens.values()), places)
    print(render_terminal_section("From open to --access", [line._asdict() for line in lines]))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
