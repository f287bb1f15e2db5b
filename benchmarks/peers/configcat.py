"""ConfigCat: rules are tried in turn. Offline, with its downloaded file in the cache that it has for that."""

import json

import configcatclient
from configcatclient.configcatoptions import ConfigCatOptions
from configcatclient.interfaces import ConfigCache
from configcatclient.pollingmode import PollingMode
from configcatclient.user import User

from benchmarks.peers.base import FLAG, BaseAdapter, Call
from benchmarks.workloads import DEFAULT, Question, Rule, Workload

# Its client accepts only keys of this length.
_KEY = f"{'0' * 22}/{'0' * 22}"
_EQUALS = 28
_STRING = 1


class _Cache(ConfigCache):
    def __init__(self, entry: str) -> None:
        self._entry = entry

    def get(self, _key: str) -> str:
        return self._entry

    def set(self, key: str, value: str) -> None:
        raise AssertionError(f"the cache is not to be changed, but {key} is set to {value[:40]}")


class Adapter(BaseAdapter):
    """A client in offline mode."""

    title = "ConfigCat, cached"
    distribution = "configcat-client"

    def __init__(self) -> None:
        self._client: configcatclient.ConfigCatClient | None = None

    def encode(self, workload: Workload) -> bytes:
        flag = {"t": _STRING, "v": {"s": DEFAULT}, "r": [_encode(rule) for rule in workload.rules]}
        return json.dumps({"p": {"u": "https://configcat.test", "r": 0, "s": "salt"}, "f": {FLAG: flag}}).encode()

    def load(self, wire: bytes) -> None:
        # An entry of the cache: time of the download in milliseconds, ETag, content.
        cache = _Cache(f"1767225600000\ntag\n{wire.decode()}")
        options = ConfigCatOptions(polling_mode=PollingMode.manual_poll(), config_cache=cache, offline=True)
        self._client = configcatclient.get(_KEY, options)
        # It reads the cache when it is first asked.
        self._client.get_all_keys()

    def call(self, question: Question) -> Call:
        user = User(question.context["user"], custom=question.context)
        return Call(f"{{client}}.get_value({FLAG!r}, {DEFAULT!r}, {{user}})", {"client": self._client, "user": user})

    def close(self) -> None:
        configcatclient.ConfigCatClient.close_all()


def _encode(rule: Rule) -> dict[str, object]:
    conditions = [{"u": {"a": feature, "c": _EQUALS, "s": value}} for feature, value in rule.conditions.items()]
    return {"c": conditions, "s": {"v": {"s": rule.value}}}
