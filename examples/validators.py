"""Validators and ``on_coerce``: what a program may do with a value that arrives from the service.

::

    python examples/validators.py --url http://127.0.0.1:8000

Makes rules on the service to show it, so point it to one that is for trying out, with the context feature ``user``.
"""

import argparse
from collections.abc import Sequence

import httpx2

import heksher
from heksher.setting import QueriedRule

MAX_TIMEOUT_S = 30.0

timeout_s = heksher.Setting("example.timeout_s", type=float, configurable_features=["user"], default_value=5.0)
ports = heksher.Setting("example.ports", type=Sequence[int], configurable_features=["user"], default_value=(80, 443))


@timeout_s.add_validator
def cap_timeout(value: float, rule: QueriedRule | None, setting: heksher.Setting[float]) -> float:
    """Change a value: whatever the service says, no timeout is longer than ``MAX_TIMEOUT_S``."""
    return min(value, MAX_TIMEOUT_S)


@ports.add_validator
def refuse_bad_ports(
    value: Sequence[int], rule: QueriedRule | None, setting: heksher.Setting[Sequence[int]]
) -> Sequence[int]:
    """Reject a value: the rule is left out, and everything else goes on."""
    if not all(0 < port < 2**16 for port in value):
        raise TypeError(f"not a list of port numbers: {value}")
    return value


def add_rule(url: str, setting: str, user: str, value: object) -> None:
    """Add a rule; one that is there already is kept."""
    body = {"setting": setting, "feature_values": {"user": user}, "value": value}
    httpx2.post(f"{url}/api/v1/rules", json=body)


def main() -> None:
    """Add rules that the validators have something to say about, and print what is left of them."""
    parser = argparse.ArgumentParser(description="validators")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    url = parser.parse_args().url
    with heksher.ThreadHeksherClient(url, update_interval=60, context_features=["user"]) as client:
        add_rule(url, "example.timeout_s", "patient", 3600)
        add_rule(url, "example.ports", "guest", [8080])
        add_rule(url, "example.ports", "mistaken", [80, 123456])
        client.reload()
        for user in ("patient", "guest", "mistaken"):
            print(f"{user}: timeout_s={timeout_s.get(user=user)} ports={ports.get(user=user)}")


if __name__ == "__main__":
    main()
