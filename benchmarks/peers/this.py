"""This library: a thread client whose service is a function."""

import contextvars

import httpx2

import heksher
from benchmarks.peers.base import FLAG, BaseAdapter, Call, write_keywords
from benchmarks.peers.query import answer, encode_query
from benchmarks.workloads import DEFAULT, FEATURES, Question, Workload


class Adapter(BaseAdapter):
    """One setting, loaded from the answer to a query."""

    title = "heksher (this one)"
    distribution = ""
    has_ambient = True

    def __init__(self) -> None:
        self._theme: contextvars.ContextVar[str] = contextvars.ContextVar("theme")
        self._setting = heksher.Setting(FLAG, str, FEATURES, DEFAULT)
        self._client: heksher.ThreadHeksherClient | None = None

    def encode(self, workload: Workload) -> bytes:
        return encode_query(workload)

    def load(self, wire: bytes) -> None:
        def respond(request: httpx2.Request) -> httpx2.Response:
            asked = request.url.params.get("settings", "")
            return httpx2.Response(200, content=answer(request.url.path, asked, wire))

        transport = httpx2.MockTransport(respond)
        client = heksher.ThreadHeksherClient(
            "http://heksher.test", 3600, FEATURES, http_client_args={"transport": transport}, on_start_failure="raise"
        )
        if self.is_ambient:
            client.set_defaults(environment="prod", theme=self._theme)
        client.set_as_main()
        self._client = client

    def call(self, question: Question) -> Call:
        objects = {"setting": self._setting, "theme": self._theme}
        before = f"{{theme}}.set({question.ambient['theme']!r})" if question.ambient else ""
        return Call(f"{{setting}}.get({write_keywords(question)})", objects, before)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
