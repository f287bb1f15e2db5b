"""The published client, by its public interface alone."""

import contextvars
from typing import ClassVar

import httpx

import heksher
from benchmarks.peers.base import FLAG, BaseAdapter, Call, write_keywords
from benchmarks.peers.query import answer, encode_query
from benchmarks.workloads import DEFAULT, FEATURES, Question, Workload


class Adapter(BaseAdapter):
    """One setting, loaded from the answer to a query."""

    title = "heksher (published)"
    distribution = "heksher"
    has_ambient = True
    # Of two rules whose last condition is on the same feature it does not prefer the one whose next-to-last condition
    # is later, as the service's documentation has it.
    known_differences: ClassVar = {("v0", "prod", "guest", "dark"): "v1"}

    def __init__(self) -> None:
        self._theme: contextvars.ContextVar[str] = contextvars.ContextVar("theme")
        self._setting: heksher.Setting[str] | None = None
        self._client: heksher.ThreadHeksherClient | None = None

    def encode(self, workload: Workload) -> bytes:
        return encode_query(workload)

    def load(self, wire: bytes) -> None:
        def respond(request: httpx.Request) -> httpx.Response:
            asked = request.url.params.get("settings", "")
            return httpx.Response(200, content=answer(request.url.path, asked, wire))

        transport = httpx.MockTransport(respond)
        client = heksher.ThreadHeksherClient(
            "http://heksher.test", 3600, FEATURES, http_client_args={"transport": transport}
        )
        client.track_contexts(**dict.fromkeys(FEATURES, heksher.TRACK_ALL))
        if self.is_ambient:
            client.set_defaults(environment="prod", theme=self._theme)
        client.set_as_main()
        # In this order, because a setting that is made before its client would be declared by the previous client,
        # which is closed.
        self._setting = heksher.Setting(FLAG, str, FEATURES, DEFAULT)
        client.reload()
        self._client = client

    def call(self, question: Question) -> Call:
        objects = {"setting": self._setting, "theme": self._theme}
        before = f"{{theme}}.set({question.ambient['theme']!r})" if question.ambient else ""
        return Call(f"{{setting}}.get({write_keywords(question)})", objects, before)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
