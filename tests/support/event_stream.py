"""A reader of server-sent events that waits for each of them."""

import http.client
import json
from collections.abc import Mapping
from typing import Self

from heksher.revision_id import parse_revision_id
from tests.support.fake_service import DEADLINE_S

PATH = "/api/v1/stream"
# What a heartbeat is read as.
BEAT: Mapping[str, str] = {"": ""}


class EventStream:
    """A stream of a service, on a connection of its own. A context manager, which closes that.

    Args:
        port: of the service, on this machine.
        query: a query string; or what is to be posted.
        last_revision: what is sent as ``Last-Event-ID``.
        headers: further headers.

    Attributes:
        response: the answer.
    """

    def __init__(
        self,
        port: int,
        query: str | Mapping[str, object] = "",
        last_revision: int | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        sent = dict(headers or {})
        if last_revision is not None:
            sent["Last-Event-ID"] = str(last_revision)
        if isinstance(query, str):
            self._connection.request("GET", f"{PATH}?{query}", headers=sent)
        else:
            self._connection.request("POST", PATH, json.dumps(query), sent)
        self.response = self._connection.getresponse()

    def read(self) -> Mapping[str, str] | None:
        """Return the fields of the next event, ``BEAT``, or ``None`` at the end of the stream."""
        fields: dict[str, str] = {}
        while (line := self.response.readline().decode()) not in {"\n", ""}:
            name, _, value = line.rstrip("\n").partition(":")
            fields[name] = value.removeprefix(" ")
        return fields or None

    def read_event(self) -> Mapping[str, str] | None:
        """Return the fields of the next event that is no heartbeat."""
        while (fields := self.read()) == BEAT:
            pass
        return fields

    def read_revision(self) -> int:
        """Return the revision that the next event tells of, after checking its form."""
        fields = self.read_event()
        assert fields is not None, "the stream has ended"
        revision = parse_revision_id(fields["id"])
        assert revision is not None
        assert (12, "change") == (len(revision.stamp), fields["event"])
        assert f'{{"revision":{revision.number}}}' == fields["data"]
        return revision.number

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()
